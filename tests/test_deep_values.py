"""True values at the lower end of float64: errors of them are told as well as of any others."""

from __future__ import annotations

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
