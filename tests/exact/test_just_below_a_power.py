"""A softmax just below a power of two has the ULP of the binade below it."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

import softmax_tool as st

if TYPE_CHECKING:
    from numpy.typing import NDArray

INF = float("inf")
PRECISION = {"float16": 11, "float32": 24}
LEAST_NORMAL = {"float16": 2.0**-14, "float32": 2.0**-126}
ROWS = {
    "two share it": [100.0, 100.0, 0.0],
    "four share it": [60.0] * 4 + [3.0, 2.0, 0.0, 0.0],
    "beside a mask": [10.0, 10.0, -40.0, -INF],
    "far below float64": [0.0, 0.0, -900.0],
    "nothing is left": [10.0, 10.0, -INF, -INF],
    "one holds all": [50.0, 0.0, 0.0],
    "nearly a tie": [0.0, -(2.0**-60), -70.0],
}


def softmax(row: list[float]) -> list[Any]:
    """Return the true values, to more bits than any of them needs to be told from a float."""
    with mpmath.workprec(3000):
        terms = [mpmath.exp(mpmath.mpf(x) - max(row)) for x in row]
        total = mpmath.fsum(terms)
        return [term / total for term in terms]


def ulp(value: Any, precision: int) -> Any:
    """Return one ULP of a normal number: 2 ** (floor(log2 of it) - p + 1)."""
    with mpmath.workprec(3000):
        mantissa, exponent = mpmath.frexp(value)
        assert mantissa >= 0.5
        return mpmath.mpf(2) ** (exponent - precision)


def computed(x: NDArray[Any], dtype: str) -> NDArray[Any]:
    report = st.compute(x, dtypes=[dtype], ops=["softmax"], formulations=["via-lse"])
    values = report.results[0].values
    assert values is not None
    return values.astype(np.float64)


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("name", ROWS)
def test_of_single_rows(name: str, dtype: str) -> None:
    x = np.array([ROWS[name]])
    case = st.compare(x, dtypes=[dtype], ops=["softmax"], formulations=["via-lse"]).cases[0]
    with mpmath.workprec(3000):
        errors = [
            abs(mpmath.mpf(got) - true) / ulp(true, PRECISION[dtype])
            for got, true in zip(computed(x, dtype)[0].tolist(), softmax(ROWS[name]), strict=True)
            if true > LEAST_NORMAL[dtype]
        ]
    # True values have 16 digits.
    assert case.max_ulp == pytest.approx(float(max(errors)), rel=1e-7, abs=2.0**-28)


def test_among_many_classes() -> None:
    """Such rows leave the way that other rows of float32 take."""
    random = np.random.default_rng(1)
    x = random.standard_normal((12, 300)).astype(np.float32)
    x[::2, [3, 77]] = 60
    got = computed(x, "float32")
    case = st.compare(x, dtypes=["float32"], ops=["softmax"], formulations=["via-lse"]).cases[0]
    errors = [
        abs(Fraction(result) - Fraction(mpmath.nstr(true, 60))) / Fraction(float(ulp(true, 24)))
        for row, results in zip(x.tolist(), got.tolist(), strict=True)
        for result, true in zip(results, softmax(row), strict=True)
    ]
    assert case.mean_ulp == pytest.approx(float(sum(errors) / len(errors)), rel=1e-8)
    counts = [number for _, number in case.ulp_histogram]
    edges = [edge for edge, _ in case.ulp_histogram[:-1]]
    above = [len(errors), *(sum(error > Fraction(edge) for error in errors) for edge in edges), 0]
    assert counts == [a - b for a, b in pairwise(above)]


@pytest.mark.parametrize("others", [0, 5])
def test_rows_that_are_all_but_level(others: int) -> None:
    """One logit is a float32 above the others: these have a share just below 1/256.

    Its predecessor in float32, which naive softmax gives, is a whole ULP of theirs off.
    """
    base = np.float32(-1.0879406175945405e-07)
    x = np.random.default_rng(0).standard_normal((others + 1, 256)).astype(np.float32)
    x[-1], x[-1, 5] = base, np.nextafter(base, np.float32(1))
    given: dict[str, Any] = {"dtypes": ["float32"], "ops": ["softmax"], "formulations": ["naive"]}
    got = st.compute(x, **given).results[0].values
    assert got is not None
    with mpmath.workprec(3000):
        true = softmax(x[-1].tolist())
        assert true[0] < mpmath.mpf(2) ** -8 < true[5]
        errors = [abs(float(g) - y) / ulp(y, 24) for g, y in zip(got[-1], true, strict=True)]
        right = sum(error <= 0.5 for error in errors)
    alone = st.compare(x[-1:], **given).cases[0]
    assert alone.max_ulp == pytest.approx(float(max(errors)), rel=1e-8)
    assert alone.mean_ulp == pytest.approx(float(sum(errors) / len(errors)), rel=1e-8)
    assert alone.correctly_rounded == right
    among, before = (
        st.compare(rows, **given).cases[0] if len(rows) else None for rows in (x, x[:-1])
    )
    assert among is not None
    assert among.correctly_rounded == right + (before.correctly_rounded if before else 0)


@pytest.mark.parametrize("classes", [128, 256])
@pytest.mark.parametrize("others", [0, 5])
def test_half_an_ulp_below_a_power_is_not_right(classes: int, others: int) -> None:
    """1/C is a float, and its neighbour below is off by half of its ULP: not what it rounds to."""
    x = np.random.default_rng(1).standard_normal((others + 1, classes)).astype(np.float32)
    x[-1] = 80
    given: dict[str, Any] = {"dtypes": ["float32"], "ops": ["softmax"], "formulations": ["naive"]}
    got = st.compute(x, **given).results[0].values
    assert got is not None
    assert float(got[-1, 0]) == np.nextafter(np.float32(1 / classes), np.float32(0))
    before = st.compare(x[:-1], **given).cases[0].correctly_rounded if others else 0
    assert st.compare(x, **given).cases[0].correctly_rounded == before
