"""Results or exact values that are not finite: then only the exact value itself passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import softmax_tool as st

if TYPE_CHECKING:
    from collections.abc import Callable

NAN, INF = np.nan, np.inf

MASKED = np.array([[1, -INF, 2], [0, 1, 2]], np.float32)
# x − ln Σ exp x over the classes that are not masked: ln(e + e²) = 2.3132617, and
# ln(1 + e + e²) = 2.4076060.
RIGHT = np.array([[-1.3132617, -INF, -0.3132617], [-2.407606, -1.407606, -0.407606]], np.float32)

# −120000 is beyond −65504 and rounds to −inf; ln(e + e²) as above.
WIDE = np.array([[60000, -60000], [1, 2]], np.float16)
WIDE_RIGHT = np.array([[0, -INF], [-1.3132617, -0.3132617]], np.float16)


def with_element(right: Any, row: int, column: int, value: float) -> Any:
    changed = right.copy()
    changed[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("logits", "right"), [(MASKED, RIGHT), (WIDE, WIDE_RIGHT)], ids=["masked", "beyond the dtype"]
)
@pytest.mark.parametrize("wrong", [NAN, INF])
@pytest.mark.parametrize("select", ["NAN101", "ACC101", "NAN101,ACC101"])
def test_only_the_same_infinity_is_right(
    logits: Any, right: Any, wrong: float, select: str, check: Callable[..., Any]
) -> None:
    options = ("--op", "log-softmax", "--select", select, "--format", "json")
    assert check(logits, *options, candidate=right).code == 0
    done = check(logits, *options, candidate=with_element(right, 0, 1, wrong))
    assert (done.code, done.failed) == (1, [select.split(",", maxsplit=1)[0]])
    [finding] = done.report["findings"]
    assert (finding["row"], finding["column"]) == (0, 1)
    assert finding["message"].startswith(f"{logits.dtype.name} log-softmax is {wrong}, exactly -")


def test_it_is_not_overlooked_and_no_baseline(check: Callable[..., Any]) -> None:
    wrong = with_element(RIGHT, 0, 1, NAN)
    done = check(MASKED, "--op", "log-softmax", "--select", "RNG", candidate=wrong)
    assert (done.code, "select NAN101 as well" in done.err) == (2, True)
    done = check(MASKED, "--op", "log-softmax", "--format", "json", candidate=RIGHT, baseline=wrong)
    assert done.failed == ["BSL102"]


def test_an_infinity_that_is_right_is_no_wrong_neighbour(check: Callable[..., Any]) -> None:
    wrong = with_element(WIDE_RIGHT, 0, 0, -1)
    done = check(
        WIDE, "--op", "log-softmax", "--select", "ACC", "--format", "concise", candidate=wrong
    )
    assert "alone in its row" in done.out


@pytest.mark.parametrize("limit", [(), ("--max-ulp", 9), ("--max-abs", 9), ("--max-rel", 9)])
def test_nothing_finite_is_near_an_infinity(limit: Any, check: Callable[..., Any]) -> None:
    options = ("--op", "log-softmax", "--select", "ACC", *limit, "--format", "json")
    assert check(MASKED, *options, candidate=RIGHT).code == 0
    done = check(MASKED, *options, candidate=with_element(RIGHT, 0, 1, -100))
    assert done.failed == ["ACC101"]


# Losses: label 1 of the first row is masked, so that its loss is +inf, and so are mean and sum.

LOSSES = ("--ignore", "LAB103,INP", "--format", "json")


@pytest.mark.parametrize(
    ("logits", "rows"),
    [
        (np.array([[1, -INF], [2, 3]], np.float32), [INF, 1.3132617]),
        (np.array([[60000, -60000], [2, 3]], np.float16), [INF, 1.3132617]),
    ],
    ids=["masked", "beyond the dtype"],
)
@pytest.mark.parametrize("op", ["nll", "ce"])
def test_losses_of_rows(logits: Any, rows: list[float], op: str, check: Callable[..., Any]) -> None:
    options = (*LOSSES, "--op", op, "--reduction", "none")
    labels = np.array([1, 0])
    right = np.array(rows, logits.dtype)
    assert check(logits, *options, labels=labels, candidate=right).code == 0
    for wrong in (NAN, -INF):
        candidate = np.array([wrong, rows[1]], logits.dtype)
        done = check(logits, *options, labels=labels, candidate=candidate)
        assert "NAN101" in done.failed


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("limit", [(), ("--max-ulp", 9), ("--max-abs", 9), ("--max-rel", 9)])
@pytest.mark.parametrize(
    ("first", "right", "wrong"),
    [
        ((1, -INF), INF, {NAN: "NAN101", -INF: "NAN101", 3.0: "ACC101"}),
        ((1, NAN), NAN, {INF: "NAN101", -INF: "NAN101", 3.0: "ACC101"}),
    ],
    ids=["masked", "nan"],
)
def test_a_reduced_loss_that_is_not_finite(
    reduction: str,
    limit: Any,
    first: Any,
    right: float,
    wrong: dict[float, str],
    check: Callable[..., Any],
) -> None:
    logits, labels = np.array([first, (2, 3)], np.float32), np.array([1, 0])
    options = (*LOSSES, "--op", "ce", "--reduction", reduction, *limit)
    done = check(logits, *options, labels=labels, candidate=np.array(right, np.float32))
    assert (done.code, done.report["cases"][0]["max_ulp"]) == (0, 0)
    for value, code in wrong.items():
        done = check(logits, *options, labels=labels, candidate=np.array(value, np.float32))
        assert code in done.failed


def test_a_sum_beyond_the_dtype(check: Callable[..., Any]) -> None:
    """40000 + 40000 is 80000, beyond 65504."""
    logits, labels = np.array([[40000, 0], [40000, 0]], np.float16), np.array([1, 1])
    options = (*LOSSES, "--op", "ce", "--reduction", "sum")
    right = np.array(INF, np.float16)
    assert check(logits, *options, labels=labels, candidate=right).code == 0
    for wrong in (NAN, -INF):
        done = check(logits, *options, labels=labels, candidate=np.array(wrong, np.float16))
        assert "NAN101" in done.failed


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("op", ["nll", "ce"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_reduced_loss_of_rows_that_are_all_infinite(
    dtype: Any, op: str, reduction: str, check: Callable[..., Any]
) -> None:
    """Two losses of inf add up to inf, and half of that is inf."""
    options = (*LOSSES, "--op", op, "--reduction", reduction, "--select", "ACC101,NAN101")
    logits, labels = np.array([[0, -INF], [0, -INF]], dtype), np.array([1, 1])
    assert check(logits, *options, labels=labels, candidate=np.array(INF, dtype)).code == 0
    for wrong, code in {NAN: "NAN101", -INF: "NAN101", 5.0: "ACC101"}.items():
        done = check(logits, *options, labels=labels, candidate=np.array(wrong, dtype))
        assert (done.code, done.failed) == (1, [code])


@pytest.mark.parametrize(
    ("logits", "smoothing"),
    [([[0, -INF]] * 2, 0.1), ([[1.7e308, -1.7e308]] * 2, 0.0), ([[1.7e308, 0]] * 2, 0.0)],
    ids=["smoothed over a masked class", "losses beyond float64", "a sum beyond float64"],
)
def test_no_number_is_near_a_reduced_loss_that_is_none(logits: Any, smoothing: float) -> None:
    """0.05 · inf; 3.4e308; 1.7e308 + 1.7e308: all of them are inf in float64."""

    def judge(value: float) -> None:
        st.assert_accurate(
            np.float64(value),
            np.array(logits, np.float64),
            [1 - int(smoothing > 0)] * 2,
            op="ce",
            reduction="sum",
            label_smoothing=smoothing,
        )

    judge(INF)
    for wrong in (5.0, 1e308, NAN, -INF):
        with pytest.raises(AssertionError, match="exactly inf"):
            judge(wrong)


def test_a_loss_beyond_float64_lets_no_number_pass() -> None:
    logits = np.array([[1.7e308, -1.7e308]])
    st.assert_accurate(np.array([INF]), logits, [1], op="ce", reduction="none")
    for wrong in (5.0, 1e308):
        with pytest.raises(AssertionError, match=r"float64 ce is .* exactly"):
            st.assert_accurate(np.array([wrong]), logits, [1], op="ce", reduction="none")


def test_an_assertion_does_not_let_them_pass() -> None:
    st.assert_accurate(RIGHT, MASKED, op="log-softmax")
    with pytest.raises(AssertionError, match=r"\[0, 1\]: float32 log-softmax is nan, exactly -inf"):
        st.assert_accurate(with_element(RIGHT, 0, 1, NAN), MASKED, op="log-softmax")


@pytest.mark.parametrize("limit", [{}, {"max_ulp": 9}, {"max_abs": 0.1}, {"max_rel": 0.1}])
def test_nothing_finite_is_near_what_is_nan(limit: dict[str, Any]) -> None:
    """The weight 0 times the loss +inf of a masked label is nan."""
    logits, labels = np.array([[1, -INF], [2, 3]], np.float32), np.array([1, 0])
    options: dict[str, Any] = {"op": "ce", "reduction": "none", "weights": np.array([1.0, 0.0])}
    right = np.array([NAN, 1.3132617], np.float32)
    st.assert_accurate(right, logits, labels, **options, **limit)
    with pytest.raises(AssertionError, match="ACC101"):
        st.assert_accurate(np.array([5, 1.3132617], np.float32), logits, labels, **options, **limit)


def test_weights_that_add_up_to_zero_are_no_overflow(check: Callable[..., Any]) -> None:
    """The mean is 0 / 0 where every row weighs 0; the sum is 0."""
    options = ("--op", "ce", "-d", "single", "--label-column", "y", "--format", "json")
    table = "a,b,y\n1,2,0\n3,4,0\n"
    [finding] = check(table, *options, weights="0,1\n").report["findings"]
    assert finding["code"] == "LSS101"
    told = "mean of float32 shifted ce is nan: the weights that it divides by add up to 0"
    assert finding["message"] == f"{told} once rounded"
    assert check(table, *options, "--reduction", "sum", weights="0,1\n").code == 0
