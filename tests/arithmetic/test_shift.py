"""The shift x − max x of every model, over pairs from the whole range of each format."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.arithmetic import MODELS
from softmax_tool.formats import FORMATS, FloatFormat, accumulator_of
from tests.arithmetic import grids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

UNIT = 1074  # every number here is a whole multiple of 2**-1074


def integer(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return (numerator << UNIT) // denominator


def rounded(fmt: FloatFormat, exact: int) -> float:
    """Return so many 2**-1074 rounded once, to even, by integers alone."""
    size, sign = abs(exact), -1 if exact < 0 else 1
    dropped = max(size.bit_length() - fmt.precision, UNIT + fmt.emin - fmt.precision + 1)
    kept, rest = divmod(size, 1 << dropped)
    half = 1 << dropped >> 1
    kept += dropped > 0 and (rest > half or (rest == half and kept % 2 == 1))
    size = kept << dropped
    if size > integer(fmt.max_finite):
        return sign * math.inf
    return sign * (size / (1 << UNIT))


def differences(fmt: FloatFormat, grid: list[float]) -> NDArray[np.float64]:
    """Return every x − m, (m, x); of infinities by the rules: inf − inf is nan."""
    units = [integer(v) if math.isfinite(v) else v for v in grid]
    return np.array(
        [
            [
                rounded(fmt, x - m)
                if isinstance(x, int) and isinstance(m, int)
                else (math.nan if x == m else (x if isinstance(x, float) else -m))
                for x in units
            ]
            for m in units
        ]
    )


def grids_of(fmt: FloatFormat) -> Iterator[list[float]]:
    yield grids.whole_range(fmt, 64)
    for exponent in (fmt.emax, 0, fmt.emin + fmt.precision + 2, fmt.emin):
        yield grids.near(fmt, exponent)


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=list(FORMATS))
def test_every_pair_of_a_coarse_grid(fmt: FloatFormat) -> None:
    judged = inexact = overflown = 0
    for grid in grids_of(fmt):
        numbers = np.array(grid)
        finite = np.isfinite(numbers)
        both = finite[:, None] & finite[None, :]
        true = {f.name: differences(f, grid) for f in (fmt, accumulator_of(fmt))}
        for model in MODELS.values():
            if not model.supports(fmt):
                continue
            held: Any = numbers.astype(fmt.storage if model.in_storage else fmt.carrier)
            assert np.array_equal(held.astype(np.float64), numbers)
            got = model.build(fmt).subtract(held[None, :], held[:, None]).astype(np.float64)
            working = accumulator_of(fmt) if model.name == "fused" else fmt
            expected = true[working.name]
            wrong = np.argwhere((got != expected) & ~(np.isnan(got) & np.isnan(expected)))
            assert [(grid[x], grid[m]) for m, x in wrong] == [], model.name
        judged += both.size
        with np.errstate(invalid="ignore"):
            inexact += int(np.count_nonzero(true[fmt.name] + numbers[:, None] != numbers))
        overflown += int(np.count_nonzero(np.isinf(true[fmt.name]) & both))
    assert judged > 20_000
    assert inexact > 1000
    assert overflown > 10
