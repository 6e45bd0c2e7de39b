"""Laws of softmax that hold to the last bit, or as far as rounding lets them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_tool import compute, exact
from softmax_tool.arithmetic import MODELS
from softmax_tool.arithmetic.running import running_sums
from softmax_tool.formats import FORMATS
from softmax_tool.formulations import FORMULATIONS
from softmax_tool.formulations import softmax as softmaxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ALL_DTYPES = ("float16", "float32", "float64")
SHIFTED = (
    ("softmax", "shifted"),
    ("softmax", "online"),
    ("log-softmax", "log-of-shifted"),
    ("log-softmax", "shifted"),
    ("log-softmax", "log1p"),
)
# Whole multiples of 1/8 up to 8; a shift by a whole number up to 100 is exact in every format.
EIGHTHS = st.lists(st.integers(-64, 64), min_size=1, max_size=20)


def values(x: Array, dtype: str, quantity: str, formulation: str, model: str) -> Array:
    report = compute(
        x, dtypes=[dtype], ops=[quantity], formulations=[formulation], arithmetic=model, top=0
    )
    (result,) = (r for r in report.results if r.name.formulation == formulation)
    assert result.values is not None
    return result.values


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@pytest.mark.parametrize("model", list(MODELS))
@settings(max_examples=8)
@given(row=EIGHTHS, shift=st.integers(-100, 100))
def test_an_exact_shift_changes_nothing(dtype: str, model: str, row: list[int], shift: int) -> None:
    x = np.array([row]) / 8
    for quantity, formulation in SHIFTED:
        before = values(x, dtype, quantity, formulation, model)
        after = values(x + shift, dtype, quantity, formulation, model)
        assert before.tobytes() == after.tobytes(), formulation


def test_the_unshifted_do_change() -> None:
    x = np.arange(-20, 20)[None, :] / 8
    for quantity, formulation in (("softmax", "naive"), ("log-softmax", "minus-lse")):
        before = values(x, "float16", quantity, formulation, "strict")
        assert not np.array_equal(
            before, values(x + 90, "float16", quantity, formulation, "strict")
        )


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@settings(max_examples=20)
@given(row=EIGHTHS, shift=st.integers(-100, 100), seed=st.integers(0, 99))
def test_the_exact_result_neither_shifts_nor_minds_the_order(
    dtype: str, row: list[int], shift: int, seed: int
) -> None:
    x = np.array([row]) / 8
    order = np.random.default_rng(seed).permutation(len(row))
    for quantity in ("softmax", "log-softmax"):
        true = values(x, dtype, quantity, "exact", "wide-sum")
        shifted = values(x + shift, dtype, quantity, "exact", "wide-sum")
        permuted = values(x[:, order], dtype, quantity, "exact", "wide-sum")
        assert true.tobytes() == shifted.tobytes()
        assert true[:, order].tobytes() == permuted.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_permuting_classes_changes_no_more_than_the_sum(dtype: str) -> None:
    """Naive in `strict`: results are permuted too, but where the running sum is another one."""
    target, rng = FORMATS[dtype], np.random.default_rng(1)
    same, other = 0, 0
    for _ in range(200):
        x = target.round(rng.normal(size=(1, int(rng.integers(2, 9)))) * 2)
        order = rng.permutation(x.shape[1])
        xp = MODELS["strict"].build(target)
        e = xp.exp(x)
        sums = [running_sums(target, part)[0, -1] for part in (e, e[:, order])]
        before, after = softmaxes.naive(xp, x), softmaxes.naive(xp, x[:, order])
        if sums[0] == sums[1]:
            same += 1
            assert before[:, order].tobytes() == after.tobytes()
        else:
            other += 1
            assert after.tobytes() == xp.divide(e[:, order], np.array([[sums[1]]])).tobytes()
    assert min(same, other) > 10


def in_full(true: exact.Exact, index: tuple[int, int]) -> Fraction:
    hi = float(true.hi[index])
    tail = 0.0 if true.tail is None else float(true.tail[index])
    return Fraction(hi) + Fraction(tail) * Fraction(FORMATS["float64"].ulp(hi))


@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_rows_of_the_exact_softmax_sum_to_one(dtype: str) -> None:
    target, rng = FORMATS[dtype], np.random.default_rng(2)
    for classes in (1, 2, 3, 50, 1500):
        x = target.round(rng.normal(size=(3, classes)) * 4)
        reference = exact.reference(x.astype(np.float64), target)
        rounded = target.round(reference.softmax.hi).astype(np.float64)
        for row in range(3):
            total = sum((in_full(reference.softmax, (row, c)) for c in range(classes)), Fraction(0))
            assert abs(total - 1) < Fraction(1, 2**88 if dtype == "float64" else 2**44)
            # What is stored misses it by at most half an ULP of each value.
            half_ulps = sum(Fraction(target.ulp(p)) / 2 for p in rounded[row])
            missed = abs(sum(map(Fraction, rounded[row]), Fraction(0)) - 1)
            assert missed <= half_ulps + Fraction(1, 2**44)


def test_the_maximum_is_right_across_the_edge_of_the_subnormals() -> None:
    """-log1p(k exp(-d)) is k exp(-d) there; its exponent passes that of the smallest normal."""
    depths = np.linspace(700, 744, 500)
    for count in (1, 2, 7, 8, 300):
        x = np.concatenate([np.repeat(-depths[:, None], count, axis=1), np.zeros((500, 1))], axis=1)
        reference = exact.reference(x, FORMATS["float64"])
        y = -reference.log_softmax.hi[:, -1]
        terms = np.exp(-depths + 100) * count
        assert np.allclose(y, terms * np.exp(-100.0), rtol=1e-12, atol=1e-323)


LOG_SOFTMAX = [name for quantity, name in FORMULATIONS if quantity == "log-softmax"]


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@pytest.mark.parametrize("model", list(MODELS))
def test_cross_entropy_is_nll_of_log_softmax(dtype: str, model: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 12)) * rng.choice([0.1, 3, 30], (60, 1))
    y = rng.integers(12, size=60)
    given_: dict[str, Any] = {"dtypes": [dtype], "arithmetic": model, "reduction": "none", "top": 0}
    for weights in (None, np.arange(12) / 8):
        report = compute(
            x,
            y,
            ops=["log-softmax", "nll", "ce"],
            formulations=LOG_SOFTMAX,
            weights=weights,
            **given_,
        )
        losses = {(o.name.quantity, o.name.formulation): o.per_row for o in report.losses}
        assert losses.keys() == {(q, name) for q in ("nll", "ce") for name in LOG_SOFTMAX}
        for result in report.results:
            name = result.name.formulation
            nll, ce = losses["nll", name], losses["ce", name]
            assert nll is not None
            assert ce is not None
            assert nll.tobytes() == ce.tobytes()
            if weights is None:
                assert result.values is not None
                picked = -result.values[np.arange(60), y]
                assert nll.tobytes() == picked.astype(nll.dtype).tobytes()
