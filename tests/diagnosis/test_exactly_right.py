"""The first bin of the histogram holds what is exactly right, by the digits of the true values."""

from __future__ import annotations

from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

import softmax_tool as st

INF = float("inf")
# Two that differ agree in fewer bits than these: no power of e here is below 2**-1500.
BITS = 6000
NARROW = {
    "one holds all": [0.0, -200.0, -1000.0, -30.0],
    "far below float64": [0.0, -800.0, -900.0, -1000.0],
    "level": [2.5] * 4,
    "level, not a power of two": [2.5, 2.5, 2.5, -INF],
    "level under a mask": [2.5, -INF, 2.5, -INF],
    "alone": [-INF, -INF, 7.0, -INF],
    "ordinary": [0.25, 0.5, -1.0, 3.0],
}


def true_values(row: list[float], quantity: str) -> list[Any]:
    """Return numbers that are equal to a float only where the true ones are."""
    top = max(row)
    with mpmath.workprec(BITS):
        shifted = [mpmath.mpf(x) - top for x in row]
        total = mpmath.fsum(mpmath.exp(z) for z in shifted)
        if quantity == "softmax":
            return [mpmath.exp(z) / total for z in shifted]
        return [z - mpmath.log(total) for z in shifted]


def exactly_right(rows: list[list[float]], got: Any, quantity: str) -> int:
    """Count results that are, where the logit is not -inf: those are not judged."""
    with mpmath.workprec(BITS):
        return sum(
            mpmath.mpf(float(result)) == true
            for row, results in zip(rows, got, strict=True)
            for x, result, true in zip(row, results, true_values(row, quantity), strict=True)
            if x != -INF
        )


def shifted(rows: list[list[float]], dtype: Any, quantity: str) -> Any:
    """Return results, of operations that are all rounded as the tool's are."""
    z = np.array(rows) - np.max(rows, axis=1, keepdims=True)
    e = np.exp(z).astype(dtype)
    total = e.astype(np.float64).sum(axis=1, keepdims=True).astype(dtype)
    if quantity == "softmax":
        return e / total
    return z.astype(dtype) - np.log(total.astype(np.float64)).astype(dtype)


def first_bin(x: Any, dtype: str, quantity: str) -> tuple[int, st.Case]:
    report = st.compare(x, dtypes=[dtype], ops=[quantity], formulations=["shifted"])
    case = next(case for case in report.cases if case.name.formulation == "shifted")
    edge, number = case.ulp_histogram[0]
    assert edge == 0
    assert sum(number for _, number in case.ulp_histogram) == case.judged
    return number, case


@pytest.mark.parametrize("quantity", ["softmax", "log-softmax"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", NARROW)
def test_short_rows(name: str, dtype: str, quantity: str) -> None:
    rows = [NARROW[name]]
    number, case = first_bin(np.array(rows), dtype, quantity)
    wanted = exactly_right(rows, shifted(rows, dtype, quantity), quantity)
    if name in {"one holds all", "far below float64"}:
        assert wanted == 0
        assert case.mean_ulp is not None
        assert case.mean_ulp > 0
        assert case.max_ulp > 0
        assert case.max_abs_error is not None
        assert case.max_abs_error > 0
    assert number == wanted


@pytest.mark.parametrize("quantity", ["softmax", "log-softmax"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_many_rows_of_many_classes(dtype: str, quantity: str) -> None:
    """They are taken by other ways: those that look at distinct values, or at tiles."""
    random = np.random.default_rng(5)
    x = random.standard_normal((40, 256)) * 2
    x[::4] = x[::4, :1]
    x[1] = -150 * random.random(256)
    x[1, 77] = 0.5
    x = x.astype(dtype)
    # Of 256 equal logits the softmax is 2**-8, in every format, and nothing rounds on the way.
    number, _ = first_bin(x, dtype, quantity)
    assert number == (2560 if quantity == "softmax" else 0)
    x[4, 3:] = x[1, 5:] = -INF  # three of one row are equal, and none of the other
    x[8, ::2] = -INF
    number, _ = first_bin(x, dtype, quantity)
    assert number == (8 * 256 + 128 if quantity == "softmax" else 0)


def test_what_overflows_as_it_should_is_right_by_definition() -> None:
    """A true value beyond the format is at 0 ULP from the infinity that it rounds to."""
    number, case = first_bin(np.array([[65000.0, -65000.0]]), "float16", "log-softmax")
    assert case.correctly_rounded == 2
    assert number == 1


def test_formulation_of_rounded_true_values() -> None:
    x = np.zeros((8, 64), np.float32)
    report = st.compare(x, dtypes=["float32"], ops=["softmax"])
    assert {case.ulp_histogram[0][1] for case in report.cases} == {x.size}
    assert {case.max_ulp for case in report.cases} == {0.0}
    assert {case.mean_ulp for case in report.cases} == {0.0}


def test_a_largest_error_of_exact_results_is_0_beside_others_that_are_not_finite() -> None:
    """Here the only finite result is that of a row with one class."""
    x = np.array([[100.0, 0.0], [-INF, 3.0]])
    report = st.compare(x, dtypes=["float16"], ops=["log-softmax"], formulations=["log-of-naive"])
    case = report.cases[0]
    assert (case.max_abs_error, case.max_rel_error, case.bound_ratio) == (0.0, None, 0.0)
    assert case.max_ulp == INF
