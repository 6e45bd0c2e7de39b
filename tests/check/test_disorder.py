"""Results in the wrong order, held against every pair of a row."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from softmax_tool.check.disorder import drops

RNG = np.random.default_rng(11)


def of_all_pairs(x: Any, got: Any, counted: Any, relative: float, absolute: float) -> Any:
    """Give by how much each result is below the largest of a smaller logit, where that is far."""
    found = np.zeros(x.shape)
    for row, column in np.argwhere(counted):
        smaller = counted[row] & (x[row] < x[row, column])
        if not smaller.any():
            continue
        above, mine = Fraction(got[row][smaller].max()), Fraction(got[row, column])
        if above - mine > Fraction(relative) * max(abs(above), abs(mine)) + Fraction(absolute):
            found[row, column] = float(above - mine)
    return found


def case(dtype: Any, values: int, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Give logits of so many different values, and results that keep their order but for some."""
    pool = (RNG.normal(size=values) * 8).astype(np.float16).astype(dtype)
    pool[:4] = 0.0, -0.0, -np.inf, 60.0
    x = RNG.choice(pool, size=shape)
    got = np.where(x == -np.inf, -1000.0, x.astype(np.float64) * 0.5)
    got += RNG.choice([0.0, 0.0, 2.0**-12, 0.5, 40.0], size=x.shape)
    return x, got


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("values", [5, 40, 5000])
@pytest.mark.parametrize("relative", [2.0**-20, 2.0**-9, 0.125])
def test_each_result_is_held_against_those_of_smaller_logits(
    dtype: Any, values: int, relative: float
) -> None:
    x, got = case(dtype, values, (6, 300))
    counted = RNG.random(x.shape) < 0.9
    got[~counted] = np.nan
    expected = of_all_pairs(x, got, counted, relative, 2.0**-30)
    assert np.count_nonzero(expected)
    assert (drops(x, got, counted, relative, 2.0**-30) == expected).all()


def test_wide_rows_are_sorted_as_well() -> None:
    """By the largest result of each distinct logit, in the order of these."""
    x, got = case(np.float32, 3000, (2, 20_000))
    expected = np.zeros(x.shape)
    for row in range(len(x)):
        below = -np.inf
        for logit in np.unique(x[row] + np.float32(0)):
            here = x[row] == logit
            if below > -np.inf:
                drop = below - got[row]
                slack = 2.0**-9 * np.maximum(abs(below), np.abs(got[row]))
                expected[row] = np.where(here & (drop > slack), drop, expected[row])
            below = max(below, got[row][here].max())
    assert np.count_nonzero(expected)
    assert (drops(x, got, np.ones(x.shape, bool), 2.0**-9, 0.0) == expected).all()


def test_equal_logits_are_in_no_order() -> None:
    x = np.array([[1.0, 1.0, 0.0, -0.0]], np.float32)
    got = np.array([[9.0, 7.0, 2.0, 1.0]])
    assert not drops(x, got, np.ones(x.shape, bool), 2.0**-20, 0.0).any()


@pytest.mark.parametrize("masked", [0, 10_000])
def test_the_order_is_that_of_all_bits_of_a_logit(masked: int) -> None:
    x = np.full((1, 4 + masked), -np.inf, np.float32)
    x[0, :4] = 1.0, np.nextafter(np.float32(1), np.float32(2)), -1.0, -2.0
    got = np.full(x.shape, np.nan)
    got[0, :4] = 3.0, 2.0, 1.0, 1.5
    found = drops(x, got, x > -np.inf, 2.0**-20, 0.0)
    assert found[0, :4].tolist() == [0.0, 1.0, 0.5, 0.0]
    assert not found[0, 4:].any()


def test_rows_that_do_not_count_have_none() -> None:
    x = np.array([[np.nan, 1.0], [np.inf, np.inf]], np.float32)
    assert not drops(x, np.full((2, 2), np.nan), np.zeros(x.shape, bool), 2.0**-20, 0.0).any()
