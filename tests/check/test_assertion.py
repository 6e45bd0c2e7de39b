"""`assert_accurate`: what passes, and what the message names."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from softmax_tool import InputError, UsageError, assert_accurate, compute

X = np.random.default_rng(4).normal(size=(3, 5, 4)) * 3
LABELS = np.array([[1, 0, 4, 2], [3, 3, 3, 3], [0, 1, 2, -100]])


def softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def losses() -> Any:
    picked = np.take_along_axis(softmax(X, 1), np.maximum(LABELS, 0)[:, None], axis=1)[:, 0]
    return np.where(LABELS == -100, 0.0, -np.log(picked))


class OnlyDLPack:
    """An array of a library that has DLPack and nothing else."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class OnlyArray:
    """An array of a library that has `__array__` and nothing else."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._array, dtype=dtype)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_right_results_pass(axis: int, dtype: Any) -> None:
    x = X.astype(dtype)
    right = softmax(x.astype(np.float64), axis)
    assert_accurate(right.astype(dtype), x, axis=axis)
    assert_accurate(np.log(right).astype(dtype), x, op="log-softmax", axis=axis)


def test_results_may_be_rows_by_classes_though_the_class_axis_is_the_first() -> None:
    x = X[:, :, 0].astype(np.float32)
    right = softmax(x.astype(np.float64), 0).astype(np.float32)
    assert_accurate(right, x, axis=0)
    assert_accurate(right.T, x, axis=0)
    with pytest.raises(AssertionError, match="ACC101"):
        assert_accurate(right.T * np.float32(1.01), x, axis=0)


@pytest.mark.parametrize("wrap", [OnlyDLPack, OnlyArray, np.ndarray.tolist])
def test_arrays_of_other_libraries(wrap: Any) -> None:
    x = X.astype(np.float32)
    right = softmax(X.astype(np.float32).astype(np.float64), 1).astype(np.float32)
    candidate = right if wrap is np.ndarray.tolist else wrap(right)
    assert_accurate(candidate, wrap(x), axis=1, dtype="float32")
    with pytest.raises(AssertionError, match="ACC101"):
        assert_accurate(right * np.float32(1.01), wrap(x), axis=1, dtype="float32")


def test_the_message_names_index_got_exact_ulp_and_how_many() -> None:
    x = X.astype(np.float32)
    candidate = softmax(x.astype(np.float64), 1).astype(np.float32)
    exact = softmax(x.astype(np.float64), 1)[2, 3, 1]
    candidate[2, 3, 1] *= 2
    with pytest.raises(AssertionError) as error:
        assert_accurate(candidate, x, axis=1, max_ulp=4, ignore=("SUM", "ORD", "RNK", "RNG"))
    lines = str(error.value).splitlines()
    assert lines[0] == "softmax in float32 is not accurate"
    assert lines[1] == "ACC101 inaccurate: 1 of 60 elements, in 1 row; tolerance: 4 ULP"
    assert lines[2].startswith(f"  [2, 3, 1]: float32 softmax is {candidate[2, 3, 1]:.6g}, exactly")
    assert f"exactly {exact:.6g}, " in lines[2]
    # 2y against y is off by y; one ULP of y is 2^-23 of the power of two below it.
    ulp = exact / 2.0 ** (np.floor(np.log2(exact)) - 23)
    assert f"{ulp:.2g} ULP off" in lines[2]
    assert len(lines) == 3


def test_losses_of_rows_and_reduced_ones() -> None:
    x = X.astype(np.float64)
    options: dict[str, Any] = {"labels": LABELS, "axis": 1}
    for op in ("nll", "ce"):
        assert_accurate(losses(), x, op=op, **options)
        assert_accurate(losses().astype(np.float32), x, op=op, logits_dtype="double", **options)
        assert_accurate(losses().sum() / 11, x, op=op, **options)
        assert_accurate(losses().sum(), x, op=op, reduction="sum", **options)
    wrong = losses()
    wrong[1, 2] += 0.01
    with pytest.raises(AssertionError, match=r"\[1, 2\]: float64 ce is "):
        assert_accurate(wrong, x, op="ce", **options)
    # 12 rows, of which one is ignored: dividing by all of them is the classic mistake.
    with pytest.raises(AssertionError, match="mean of float64 ce is "):
        assert_accurate(losses().sum() / 12, x, op="ce", **options)


def test_budgets_and_rules() -> None:
    x = X[:, :, 0].astype(np.float32)
    wrong = softmax(x.astype(np.float64), 1).astype(np.float32) * np.float32(1.001)
    for budget in (15, "100%"):
        with pytest.warns(UserWarning, match="covers every element"):
            assert_accurate(wrong, x, ignore="SUM102", budget=budget)
    assert_accurate(wrong, x, ignore=("SUM102",), max_rel=0.002)
    with pytest.raises(AssertionError, match="15 of 15 elements"):
        assert_accurate(wrong, x, ignore=("SUM102",), budget=14)


def test_rules_that_are_off_are_no_matter() -> None:
    # The second logit's probability ties with the largest in float16, as the third's rightly does.
    x = np.array([[-0.09125, -0.2336, -0.0915]], np.float16)
    tied = np.array([[0.34863, 0.3025, 0.34863]], np.float16)
    assert_accurate(tied, x, max_ulp=1)


def test_rules_about_the_input_are_no_matter() -> None:
    assert_accurate(softmax(np.array([[0.25, 0.75]]), 1), [[0.25, 0.75]])  # like probabilities
    assert_accurate([[np.nan, np.nan], [0.5, 0.5]], [[np.nan, 1.0], [2.0, 2.0]])


@pytest.mark.parametrize(
    ("candidate", "options", "told"),
    [
        (X[:2], {}, "do not fit"),
        (X.astype(int), {}, "holds int64"),
        (np.ma.array(X), {}, "is a masked array"),
        (object(), {}, "holds object"),
        (X, {"dtype": "float16"}, "is no float16"),
        (X, {"dtype": "quarter"}, "unknown dtype"),
        (X, {"op": "relu"}, "unknown op"),
        (X, {"op": "nll"}, "needs labels"),
        (X, {"max_ulp": float("nan")}, "is no limit"),
        (X, {"max_abs": -1.0}, "is no limit"),
        (X, {"budget": "x"}, "is neither"),
        (X, {"ignore": ("ACC9",)}, "names no rule"),
        (X, {"axis": 7}, "does not exist"),
    ],
)
def test_what_cannot_be_judged_is_no_assertion(
    candidate: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises((InputError, UsageError), match=told):
        assert_accurate(candidate, X, **options)


def test_the_type_float_is_float64() -> None:
    rounded = np.array([[0.26894143, 0.7310586]], np.float32).astype(np.float64)
    assert_accurate(rounded, [[1.0, 2.0]], dtype="float", logits_dtype=float)
    for dtype in (float, np.float64, np.dtype("f8"), "double"):
        with pytest.raises(AssertionError, match="softmax in float64 is not accurate"):
            assert_accurate(rounded, [[1.0, 2.0]], dtype=dtype)


def test_logits_of_the_type_float_are_not_rounded() -> None:
    x = [[2.0**24 + 1, 2.0**24]]  # the same in float32
    right = np.array([[0.7310586, 0.26894143]], np.float32)
    assert_accurate(right, x, logits_dtype=float)
    with pytest.raises(AssertionError, match=r"exactly 0\.5"):
        assert_accurate(right, x, logits_dtype="float")


@pytest.mark.parametrize(
    ("limit", "told"), [({"max_ulp": 0}, "0 ULP"), ({"max_abs": 0.0}, "0 absolute")]
)
def test_a_limit_of_zero_is_named(limit: dict[str, Any], told: str) -> None:
    with (
        pytest.warns(UserWarning, match="correctly rounded"),
        pytest.raises(AssertionError, match=f"tolerance: {re.escape(told)}$|tolerance: {told}\n"),
    ):
        assert_accurate(np.array([[0.27, 0.73]], np.float32), [[1.0, 2.0]], **limit)


def test_a_loss_is_negative_where_the_true_one_is() -> None:
    """By hand, with log p = (-1.5514, -0.5514, -1.5514): the row of label 0 loses −1.3444."""
    x, labels = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]), [0, 1]
    options: dict[str, Any] = {
        "weights": [-1, 1, 1],
        "label_smoothing": 0.1,
        "reduction": "none",
    }
    report = compute(x, labels, ops=["ce"], formulations=["exact"], **options)
    losses = report.losses[0].per_row
    assert losses is not None
    log_p = x[0] - np.log(2 + np.e)
    spread = -0.1 / 3 * (-log_p[0] + log_p[1] + log_p[2])
    by_hand = [0.9 * log_p[0] + spread, -0.9 * log_p[1] + spread]
    np.testing.assert_allclose(losses, by_hand, rtol=1e-14)
    assert losses[0] < 0 < losses[1]
    assert_accurate(losses, x, labels, op="ce", **options)
    turned = losses * np.array([1, -1])
    with pytest.raises(AssertionError, match="RNG101 out-of-range: 1 element, in 1 row") as caught:
        assert_accurate(turned, x, labels, op="ce", **options)
    assert "the true loss is not below 0" in str(caught.value)
