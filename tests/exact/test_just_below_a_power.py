"""A true value just below a power of two has the ULP of the binade below it."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.exact import reference
from softmax_tool.formats import FORMATS

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


LOG_ROWS = {
    "128 less 1e-20": [128.0, 1e-20],
    "128 less what even double-double loses": [128.0, 1e-38, -2e38],
    "beside a mask": [128.0, 1e-20, -INF, 64.0],
    "128 and a little": [128.0, 0.0],
    "64 less 1e-15": [64.0, 1e-15],
    "one holds nearly all": [0.0, -32.0],
    "equal": [1.0, 1.0, 1.0],
}


def log_softmax(row: list[float]) -> list[Any]:
    """Return the true values; at a lone maximum of the logarithm of what is left."""
    with mpmath.workprec(3000):
        terms = [mpmath.exp(mpmath.mpf(x) - max(row)) for x in row]
        first = row.index(max(row))
        log_sum = mpmath.log1p(mpmath.fsum(terms[:first] + terms[first + 1 :]))
        return [mpmath.mpf(x) - max(row) - log_sum for x in row]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", LOG_ROWS)
def test_a_log_softmax_has_the_ulp_of_its_own_binade(name: str, dtype: str) -> None:
    target = FORMATS[dtype]
    row = target.round(np.array(LOG_ROWS[name])).astype(np.float64).tolist()
    # Once by itself, and once among rows of many classes, which are measured tile by tile.
    long = np.full((3, 400), -np.inf)
    long[:] = np.linspace(-3, 3, 400)
    long[1, : len(row)], long[1, len(row) :] = row, -INF
    with mpmath.workprec(3000):
        true = log_softmax(row)
        for rows, number in ((np.array([row]), 0), (long, 1)):
            exact = reference(target.round(rows), target).log_softmax.hi[number]
            for got, y in zip(exact.tolist(), true, strict=False):
                if y in (0, -INF):
                    continue
                assert abs(got - y) <= abs(y) * mpmath.mpf(2) ** -51
                # Only the power itself is rounded to, not what lies on its other side.
                assert np.frexp(got)[1] == mpmath.frexp(y)[1], (name, got)


@pytest.mark.parametrize("weight", [1.0, 2.0, 3.0])
def test_a_loss_has_the_ulp_of_its_own_binade(weight: float) -> None:
    least = float(np.float32(1e-20))
    # The loss is w(128 − 1e-20 + e^-128); the clamp makes w log 10^12 of it.
    report = st.compare(
        [[least, 128.0]],
        [0],
        dtypes=["float32"],
        ops=["nll"],
        formulations=["clamped"],
        weights=[weight, 1.0],
    )
    [case] = report.cases
    clamped = np.float32(weight) * -np.float32(np.log(np.float64(np.float32(1e-12))))
    with mpmath.workprec(300):
        true = weight * (128 - mpmath.mpf(least) + mpmath.exp(-128))
        expected = (true - float(clamped)) / ulp(true, 24)
    assert case.max_ulp == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("formulation", ["log-of-shifted", "shifted"])
def test_long_rows_are_measured_as_each_by_itself(formulation: str) -> None:
    """What one row holds must not change how the others, in the same block, are measured."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(6, 500)).astype(np.float32) * 8 + 60
    x[2, 7], x[2, 8] = 128.0, 1e-20
    x[4, 7], x[4, 8] = 128.0, 0.0

    def largest(rows: NDArray[Any]) -> float:
        found = st.compare(
            rows, dtypes=["float32"], ops=["log-softmax"], formulations=[formulation]
        )
        return max(case.max_ulp for case in found.cases if case.name.formulation == formulation)

    assert largest(x) == max(largest(x[number : number + 1]) for number in range(len(x)))
