"""Rows made so that a true value all but meets a rounding boundary, far closer than 2**-100 ULP.

A boundary M is chosen, and exponentials are added one by one, each the largest float that does not
pass what the sum of the others would have to be. What the value is, ball arithmetic tells.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from flint import arb, ctx, fmpq

import softmax_tool as st
from softmax_tool.exact import reference
from softmax_tool.exact.brackets import RowBrackets
from softmax_tool.formats import FLOAT32, FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softmax_tool.formats import FloatFormat

_BITS = 4600
_LEAST = -1500.0


@pytest.fixture(autouse=True)
def many_bits() -> Iterator[None]:
    saved, ctx.prec = ctx.prec, _BITS
    yield
    ctx.prec = saved


def fraction(x: arb) -> Fraction:
    mantissa, exponent = x.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def ball(x: float | Fraction) -> arb:
    ratio = Fraction(x)
    return arb(fmpq(ratio.numerator, ratio.denominator))


def at_most(x: arb, target: FloatFormat) -> float:
    """Return a number of the format next to x, not above it."""
    nearest = target.round_exactly(fraction(x))
    step = target.storage.type
    while Fraction(nearest) > fraction(x):
        nearest = float(np.nextafter(step(nearest), step(-np.inf)))
    return nearest


def logits_of_sum(total: arb, target: FloatFormat, terms: int) -> list[float]:
    """Return logits, at most 0, whose exponentials add up to nearly a total."""
    made: list[float] = []
    for _ in range(terms):
        if not total > 0:
            break
        x = min(at_most(total.log(), target), 0.0)
        if x < _LEAST:
            break
        made.append(x)
        total -= ball(x).exp()
    return made


def boundary_above(y: float, target: FloatFormat) -> Fraction:
    step = target.storage.type
    return (Fraction(y) + Fraction(float(np.nextafter(step(y), step(np.inf))))) / 2


def rows_of(kind: str, target: FloatFormat, terms: int, rng: np.random.Generator) -> list[float]:
    """Return a row; the value in question is that of the first logit."""
    own = float(target.round(np.array([rng.uniform(-8, -0.5)]))[0])
    if kind == "maximum":  # −log(1 + T)
        least = max(target.emin - target.precision + 2, -1074)
        size = np.ldexp(1 + rng.random(), int(rng.integers(least, 0)))
        middle = boundary_above(float(target.round(np.array([size]))[0]), target)
        return [0.0, *logits_of_sum(ball(middle).expm1(), target, terms)]
    if kind == "softmax":
        size = np.exp(own) / rng.uniform(1.1, 3)
        middle = boundary_above(float(target.round(np.array([size]))[0]), target)
        total = ball(own).exp() / ball(middle) - 1 - ball(own).exp()
    else:
        size = -own + np.log(rng.uniform(1.2, 3))
        middle = boundary_above(float(target.round(np.array([size]))[0]), target)
        total = (ball(own) + ball(middle)).exp() - 1 - ball(own).exp()
    return [own, 0.0, *logits_of_sum(total, target, terms)]


def truth(kind: str, row: list[float], target: FloatFormat) -> float:
    others = sum((ball(x).exp() for x in row if x < 0), arb(0))
    maxima = row.count(0.0)
    log_sum = others.log1p() if maxima == 1 else (others + maxima).log()
    if kind == "softmax":
        return target.round_exactly(fraction(ball(row[0]).exp() / (others + maxima)))
    return target.round_exactly(fraction(ball(row[0]) - log_sum))


@pytest.mark.parametrize("terms", [1, 3, 6, 12])
@pytest.mark.parametrize("kind", ["maximum", "softmax", "log-softmax"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_value_that_all_but_meets_a_boundary(dtype: str, kind: str, terms: int) -> None:
    target, rng = FORMATS[dtype], np.random.default_rng(terms)
    rows = [rows_of(kind, target, terms, rng) for _ in range(8)]
    width = max(map(len, rows))
    x: Any = np.full((len(rows), width), -np.inf, target.storage)
    for place, row in enumerate(rows):
        x[place, : len(row)] = row
    op = "softmax" if kind == "softmax" else "log-softmax"
    [result] = st.compute(x, dtypes=[dtype], ops=[op], formulations=["exact"]).results
    assert result.values is not None
    wanted = [truth(kind, row, target) for row in rows]
    assert result.values[:, 0].astype(float).tolist() == wanted
    if op == "log-softmax":
        labels = np.zeros(len(rows), int)
        losses = st.compute(
            x, labels, dtypes=[dtype], ops=["ce"], formulations=["exact"], reduction="none"
        ).losses
        assert losses[0].per_row is not None
        assert (-losses[0].per_row.astype(float)).tolist() == wanted


@pytest.mark.parametrize("k", [0, 1, 7, 40])
def test_half_of_the_smallest_subnormal(k: int) -> None:
    """Rows [0, a] with a about log((k + 1/2) 2**-1074): −log1p(exp a) next to a boundary."""
    middle = Fraction(2 * k + 1, 2**1075)
    nearest = float(fraction(ball(middle).log()))
    rows = [[0.0, nearest]]
    for way in (-np.inf, np.inf):
        x = nearest
        for _ in range(6):
            x = float(np.nextafter(x, way))
            rows.append([0.0, x])
    made = st.compute(rows, dtypes=["float64"], ops=["log-softmax"], formulations=["exact"])
    values = made.results[0].values
    assert values is not None
    for row, value in zip(rows, values[:, 0].tolist(), strict=True):
        assert value == truth("maximum", row, FORMATS["float64"]), row


def nearest_float32(value: Fraction) -> float:
    """Return the float32 next to a number that lies between no two at the same distance."""
    start = np.float32(float(value))
    near = [start, *(np.nextafter(start, np.float32(end)) for end in (-np.inf, np.inf))]
    distances = [abs(Fraction(float(x)) - value) for x in near]
    assert min(distances) < sorted(distances)[1]
    return float(near[distances.index(min(distances))])


@pytest.mark.parametrize("margin", [60.0, 110.0, 900.0])
def test_rows_that_one_class_dominates_need_no_closer_bounds(
    margin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many x − max x are boundaries themselves, and log-softmax is less by next to nothing."""
    logits = np.random.default_rng(5).standard_normal((3, 1000)).astype(np.float32) * 3
    logits[:, 7] = margin + np.arange(3) / 3
    monkeypatch.setattr(RowBrackets, "of", lambda _: pytest.fail("closer bounds were asked for"))
    got = FLOAT32.round(reference(logits.astype(np.float64), FLOAT32).log_softmax.hi)
    at_boundary = 0
    for row, values in zip(logits, got, strict=True):
        for column in np.flatnonzero(row < margin):
            z = Fraction(float(row[column])) - Fraction(float(row[7]))
            # Below x - max x, by less than 2**-60: exp(-48) for each of the thousand classes.
            assert values[column] == nearest_float32(z - Fraction(1, 2**60))
            at_boundary += _is_a_boundary(z)
    assert at_boundary > 5


def _is_a_boundary(z: Fraction) -> bool:
    low, high = (nearest_float32(z + Fraction(sign, 2**60)) for sign in (-1, 1))
    return low != high
