"""Results of which none is finite: how far these are off hardly depends on what is true.

Where every true value is finite, all of them are wrong, and so is every row's order.
"""

from __future__ import annotations

from math import inf, ldexp
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import FLOAT32
from softmax_tool.ulp import HISTOGRAM_EDGES, UlpStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.float32_tiles import Float32Tile
    from softmax_tool.formats import FloatFormat
    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]


class Infinities(NamedTuple):
    """What results of a block come to, none of which is finite as all true values are."""

    ulp: UlpStatistics
    rank_changes: int


class InfiniteLane:
    """One case of a sweep whose results are such: measures them tile after tile."""

    def __init__(self, rows: int) -> None:
        self.ulp = UlpStatistics()
        self.with_nan = np.zeros(rows, bool)
        self.signs: set[bool] = set()  # of infinities

    def take(self, tile: Tile, got: Array, true: Float32Tile) -> bool:
        """Add a tile up; say no where that is not so simple, as where infinities have an order."""
        found = gather(got, true.scale, FLOAT32)
        self.signs |= {sign for sign, some in ((True, got < 0), (False, got > 0)) if some.any()}
        if found is None or len(self.signs) > 1:
            return False
        self.ulp += found
        if found.infinite:
            self.with_nan[tile[0]] |= np.isnan(got).any(axis=1)
        return True

    def finish(self, leaders: Indices, classes: int) -> Infinities:
        """Return what all tiles come to; `leaders` are how many of each row are the largest.

        A row that is the same infinity all over has the order of one whose classes are all equal.
        """
        changed = self.with_nan | (leaders < classes)
        return Infinities(self.ulp, int(np.count_nonzero(changed)))


def are_infinite(got: Array) -> bool:
    """Tell whether no result is finite, of (rows, classes)."""
    return not np.isfinite(got[:, 0]).any() and not np.isfinite(got).any()


def gather(got: Array, scale: Array, target: FloatFormat) -> UlpStatistics | None:
    """Gather the errors of such results in a format below float64; None where it is not so simple.

    An infinity stands for 2**(emax + 1), from which much smaller true values do not take anything
    in float64. So its error is that over an ULP, a power of two like all others: they add up
    exactly unless they are far apart. `scale` is one over an ULP of each true value.
    """
    nan = np.isnan(got)
    without, least = int(np.count_nonzero(nan)), float(scale.min())
    if without:
        scale = np.where(nan, least, scale)
    most, top = float(scale.max()), ldexp(1.0, target.emax + 1)
    if top * least < ldexp(1.0, 54 + target.precision) or most * scale.size > ldexp(least, 53):
        return None
    numbers = float(scale.sum()) - without * least
    return UlpStatistics(
        scale.size,
        ExactSum.of(np.array([top * numbers])),
        without,
        (0,) * (len(HISTOGRAM_EDGES) - 1) + (scale.size,),
        inf if without else top * most,
    )
