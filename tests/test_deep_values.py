"""True values at the lower end of float64: errors of them are told as well as of any others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

import softmax_tool as st
from softmax_tool import exact
from softmax_tool.formats import FORMATS

ROWS = {
    "subnormal": [0.0, -744.0],
    "half the smallest": [0.0, -745.0],
    "less": [0.0, -746.0],
    "nearly normal": [0.0, -709.5, -708.0, -690.25],
    "many": [740.0, *[0.0] * 39],
    "many of less": [745.0, *[0.0] * 39],
    "many of nothing": [0.0, *[-746.0] * 1999],
}
FORMULATIONS = ("shifted", "via-lse", "log1p", "minus-lse", "exact")
_SMALLEST = 5e-324


def true_values(row: list[float], quantity: str) -> list[Any]:
    terms = [mpmath.exp(mpmath.mpf(x) - max(row)) for x in row]
    total = mpmath.fsum(terms)
    if quantity == "softmax":
        return [term / total for term in terms]
    # At the maximum the logarithm of 1 + T, of which T is the first 600 bits.
    first = row.index(max(row))
    rest = mpmath.fsum(terms[:first] + terms[first + 1 :])
    log_sum = mpmath.log1p(rest)
    return [mpmath.mpf(x) - max(row) - log_sum for x in row]


def rounded(value: Any) -> float:
    """Round to float64, subnormal numbers too, half to even."""
    if abs(value) >= 2.0**-1022:
        with mpmath.workprec(53):
            return float(+value)
    return float(np.ldexp(float(mpmath.nint(value * mpmath.mpf(2) ** 1074)), -1074))


def cases(row: list[float], quantity: str) -> list[Any]:
    report = st.compare([row], dtypes=["float64"], ops=[quantity])
    return [
        case
        for case in report.cases
        if case.name.quantity == quantity and case.name.formulation in FORMULATIONS
    ]


@pytest.mark.parametrize("quantity", ["softmax", "log-softmax"])
@pytest.mark.parametrize("name", ROWS)
def test_errors_in_float64(name: str, quantity: str) -> None:
    row = ROWS[name]
    with mpmath.workprec(3000):
        true = true_values(row, quantity)
        for case in cases(row, quantity):
            if case.name.formulation == "exact":
                got = [rounded(y) for y in true]
            else:
                report = st.compute(
                    [row],
                    dtypes=["float64"],
                    ops=[quantity],
                    formulations=[case.name.formulation],
                )
                [result] = report.results
                assert result.values is not None
                got = result.values[0].tolist()
            off = [abs(mpmath.mpf(g) - y) for g, y in zip(got, true, strict=True)]
            absolute = rounded(max(off)) or _SMALLEST
            relative = max(d / abs(y) for d, y in zip(off, true, strict=True))
            assert case.max_abs_error == pytest.approx(absolute, rel=1e-12), case.name
            assert case.max_rel_error == pytest.approx(float(relative), rel=1e-9), case.name


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", ["many", "many of less", "many of nothing"])
def test_the_largest_class_in_narrower_formats(name: str, dtype: str) -> None:
    """The sum of what lies below float64's range is not one of rounded exponentials."""
    row = ROWS[name]
    target = FORMATS[dtype]
    with mpmath.workprec(3000):
        true = true_values(row, "log-softmax")[0]
        # The nearest float64, or its neighbour with an odd last bit.
        reference = exact.reference(target.round(np.array([row])), target)
        assert abs(mpmath.mpf(reference.log_softmax.hi[0, 0]) - true) < _SMALLEST
        report = st.compare([row], [0], dtypes=[dtype], ops=["ce"], formulations=["shifted"])
        [case] = [case for case in report.cases if case.name.formulation == "shifted"]
        assert case.max_abs_error is not None
        assert abs(mpmath.mpf(case.max_abs_error) + true) < _SMALLEST
        in_ulp = -true / mpmath.mpf(target.smallest_subnormal)
        assert case.max_ulp == pytest.approx(
            float(in_ulp), rel=float(mpmath.mpf(_SMALLEST) / -true) + 1e-12
        )


# −log softmax of [z, 0] at the first class is log1p(exp −z), of which exp −z is all for large z:
# 13 digits of it, from 200 bits.
DEEP = [1000.0, 2.4e6, 3e6, 1e15]


def leading(value: Any) -> tuple[str, int]:
    """Return 13 digits of a positive number, and its exponent of 10."""
    text = (
        f"{value:.12e}" if isinstance(value, Decimal) else mpmath.nstr(value, 13, strip_zeros=False)
    )
    mantissa, _, exponent = text.partition("e")
    return mantissa, int(exponent)


@pytest.mark.parametrize("z", DEEP)
def test_a_loss_below_every_float64(z: float) -> None:
    with mpmath.workprec(200):
        true = leading(mpmath.exp(-mpmath.mpf(z)))
    loss = st.explain([[z, 0.0]], [0], dtype="float64").losses[0]
    assert isinstance(loss.exact, Decimal)
    assert leading(loss.exact) == true


@pytest.mark.parametrize("z", DEEP)
@pytest.mark.parametrize("op", ["ce", "gradient", "log-softmax"])
def test_what_compare_lists_is_not_zero(z: float, op: str) -> None:
    """The weight is 1/2; of a loss, and so of its gradient, half of exp −z is left."""
    weighted = op in {"ce", "gradient"}
    with mpmath.workprec(200):
        true = leading(mpmath.exp(-mpmath.mpf(z)) / (2 if weighted else 1))
    report = st.compare(
        [[z, 0.0]],
        [0] if weighted else None,
        dtypes=["float64"],
        ops=[op],
        formulations=["naive"],
        weights=[0.5, 1.0] if weighted else None,
        reduction="sum" if weighted else "mean",
    )
    small = [
        found.exact.copy_abs()
        for case in report.cases
        for found in case.worst
        if isinstance(found.exact, Decimal)
    ]
    assert small
    assert {leading(value) for value in small} == {true}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_an_exact_mean_is_not_said_to_be_zero(reduction: str) -> None:
    with pytest.raises(AssertionError, match="is nan, not exactly 0, but below every float64"):
        st.assert_accurate(
            np.float32(np.nan), [[1000.0, 0.0]] * 3, [0] * 3, op="ce", reduction=reduction
        )
    with pytest.raises(AssertionError, match="is nan, exactly 0,"):
        st.assert_accurate(
            np.float32(np.nan), [[0.0, -np.inf]] * 3, [0] * 3, op="ce", reduction=reduction
        )


def test_a_reduced_loss_below_every_float64_is_told_from_zero() -> None:
    """A mean of exp −1000 is no float64, and no 0; that of a class which is alone is 0."""
    for row, tiny in ([1000.0, 0.0], True), ([1000.0, -np.inf], False):
        report = st.compare([row] * 3, [0] * 3, dtypes=["float64"], ops=["ce"])
        for loss in report.losses:
            assert (loss.exact, loss.exact_is_tiny) == (0, tiny)
            if loss.value == 0:
                assert (loss.ulp != 0) == tiny
        assert any("should be near 0, but is" in said for said in report.verdict) == tiny


def test_a_small_truth_does_not_make_its_bound_infinite() -> None:
    """In units of 2⁻¹⁰⁷⁴ the bound may be beyond float64, where it is fine as it is."""
    weight = 3.6411883679634642
    report = st.compare(
        [[0.7, -np.inf, -np.inf]],
        [0],
        dtypes=["float64"],
        ops=["nll"],
        formulations=["naive-lse"],
        weights=[weight, 1.0, 1.0],
    )
    [case] = report.cases
    # The loss is 0, lse and the logit 0.7. Of three classes a = 2 + 3, n = a + 2, and the logarithm
    # makes 2|lse| u: (7 + 1.4)u for the log-probability, w times that for the loss.
    assert case.max_abs_error is not None
    expected = case.max_abs_error / (weight * 8.4 * 2.0**-53)
    assert 0.01 < expected < 1
    assert case.bound_ratio == pytest.approx(expected, rel=1e-12)
    assert case.bound_elements == 1
