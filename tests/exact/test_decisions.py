"""Losses and gradients next to a rounding boundary are rounded as the true value is."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from softmax_tool import exact
from softmax_tool.exact.brackets import Bracket, round_linear
from softmax_tool.formats import FLOAT32, FORMATS
from tests.exact import search
from tests.oracle import oracle
from tests.oracle.oracle import ExactRow, Target


def loss_of(row: list[float], target: Target, dtype: str) -> float:
    fmt = FORMATS[dtype]
    logits = fmt.stored(fmt.round(np.array([row])))
    targets = search.as_targets(target, fmt, len(row), Fraction(1))
    losses = exact.losses(exact.reference(logits, fmt), targets, logits, fmt)
    return float(fmt.round(losses.hi)[0, 0])


def true_loss(row: list[float], target: Target, dtype: str) -> float:
    return ExactRow(row).weighted(target.factors(len(row))).rounded(oracle.FORMATS[dtype])


@pytest.mark.parametrize("dtype", list(FORMATS))
@pytest.mark.parametrize("sign", [1, -1])
def test_a_weighted_loss_that_hugs_a_midpoint_lies_beyond_it(dtype: str, sign: int) -> None:
    # 3 · gap is odd where numbers are even: halfway, the true loss 3 e**-gap beyond. To even is
    # down for one of the two gaps and up for the other, and neither may decide.
    for odd in (1, 3):
        gap = {"float16": 2**10, "float32": 2**23, "float64": 2**52}[dtype] + odd
        row, target = [0.0, -float(gap)], Target(1, weights=(1.0, 3.0 * sign))
        assert FORMATS[dtype].ulp(3.0 * gap) == 2
        assert loss_of(row, target, dtype) == sign * (3 * gap + 1) == true_loss(row, target, dtype)


def nearest_a_midpoint(row: list[float]) -> float:
    """Return the float32 weight in [1, 2) whose product with the second loss is."""
    with ctx.workprec(300):
        y = abs(ExactRow(row).log_softmax(1).enclose())
        assert bool(y > 1)
        mantissa, exponent = (int(v) for v in y.mid().man_exp())
        units = mantissa >> -(exponent + 64)
    # Products below 2, m · y for weights m / 2**23: what they have behind the point, in 2**-64.
    m = np.arange(2**23, 2**88 // units, dtype=np.uint64)
    behind = m * np.uint64(units % 2**64)
    from_half = np.abs((behind - np.uint64(2**63)).view(np.int64))
    return float(m[from_half.argmin()] / 2.0**23)


def test_products_nearest_a_midpoint_of_float32() -> None:
    nearest = 1.0
    for k in range(24):
        row = [0.0, -0.75 - k / 64, -0.5]
        weight = nearest_a_midpoint(row)
        target = Target(1, weights=(1.0, weight, 1.0))
        true = true_loss(row, target, "float32")
        assert loss_of(row, target, "float32") == true
        with ctx.workprec(300):
            product = abs(ExactRow(row).log_softmax(1).enclose()) * arb(weight)
            missed = abs(product - arb(true)) / arb(FLOAT32.ulp(true)) - arb(0.5)
            nearest = min(nearest, abs(float(missed.mid())))
    assert nearest < 2.0**-24  # 2**-48 of the value


def test_ties_of_gradients_go_to_even() -> None:
    # All logits equal: entries are rational, 1/4 · Σ t − t, some halfway between float16 numbers.
    fmt = FORMATS["float16"]
    logits = np.zeros((1, 4), np.float16)
    for units in (1, 3, 5, 7):
        tie = Target(probabilities=(1.0, units * 2.0**-8, 0.0, 0.0))
        targets = search.as_targets(tie, fmt, 4, Fraction(1))
        got = fmt.round(exact.gradients(logits, targets, fmt).hi)[0].tolist()
        c = search.coefficients(tie, 4)
        true = [sum(c, Fraction(0)) / 4 - own for own in c]
        assert got == [oracle.round_fraction(oracle.FLOAT16, value) for value in true]


def test_entries_that_cancel_are_zero() -> None:
    # Smoothed all the way, equal logits have no gradient; in double-double 1e-34 is left of it.
    fmt = FORMATS["float32"]
    logits = np.full((1, 6), 1.5, np.float32)
    targets = search.as_targets(Target(2, smoothing=1.0), fmt, 6, Fraction(7))
    entries = exact.gradients(logits, targets, fmt)
    assert (entries.hi == 0).all()
    assert not entries.nonzero.any()


def test_a_smoothed_loss_beyond_float64_on_the_way_is_finite() -> None:
    row = [8.9e307, 8.9e307, -1.7e308]
    target = Target(0, smoothing=0.3)
    got = loss_of(row, target, "float64")
    assert got == true_loss(row, target, "float64")
    assert math.isfinite(got)


def test_a_kept_share_of_zero_times_an_infinite_loss_is_nan() -> None:
    # (1 − 1) · inf, as PyTorch has it; a masked class other than the label is inf.
    assert math.isnan(loss_of([-math.inf, 0.0, 1.0], Target(0, smoothing=1.0), "float32"))
    assert loss_of([-math.inf, 0.0, 1.0], Target(1, smoothing=1.0), "float32") == math.inf


def test_closer_bounds_decide() -> None:
    wide = Bracket(Fraction(1, 4), Fraction(3, 4))
    just_above = Bracket(Fraction(1, 2), Fraction(1, 2) + Fraction(1, 2**200))

    def bounds() -> list[Bracket]:
        return [wide, just_above]

    hi, tail = round_linear(Fraction(1), lambda: iter(bounds()), Fraction(2**53))
    assert (hi, tail > 0) == (2.0**53, True)
    # 2**53 + 1 is the midpoint: all but nothing above it is the neighbour.
    hi, tail = round_linear(Fraction(2), lambda: iter(bounds()), Fraction(2**53))
    assert (hi, tail < 0) == (2.0**53 + 2, True)
    with pytest.raises(ArithmeticError):
        round_linear(Fraction(1), lambda: iter([wide]), Fraction(0))


@pytest.mark.parametrize("kind", list(search.KINDS))
def test_hard_rows_of_every_kind(kind: str) -> None:
    random, counts = np.random.default_rng(list(kind.encode())), Counter[str]()
    for _ in range(6):
        for fmt in FORMATS.values():
            with ctx.workprec(200):
                assert list(search.wrong_of(random, fmt, kind, counts)) == []
    assert counts["float64 gradient"] >= 20


@pytest.mark.parametrize("quantity", ["softmax", "log_softmax"])
def test_what_is_decided_of_a_row_does_not_depend_on_others(quantity: str) -> None:
    """Whether its shifts round is asked of each row alone, where that decides."""
    random = np.random.default_rng(0)
    rows = np.arange(4000)
    x = random.standard_normal((4000, 65)) * 4
    x[rows, random.integers(0, 65, 4000)] += random.uniform(30, 50, 4000)
    x[np.abs(x) < 2e-6] = 1  # shifts that do not round, which one tiny logit hides
    logits: Any = x.astype(np.float32)
    with_another = np.concatenate([logits, np.full((1, 65), 1e-30, np.float32)])
    alone = getattr(exact.reference(logits, FLOAT32), quantity).hi
    assert np.array_equal(getattr(exact.reference(with_another, FLOAT32), quantity).hi[:-1], alone)
