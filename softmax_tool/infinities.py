"""Results of which none is finite: how far these are off hardly depends on what is true.

Where every true value is finite, all of them are wrong, and so is every row's order.
"""

from __future__ import annotations

from math import inf, ldexp
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool.arithmetic.selection import row_any
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
    Mask = NDArray[np.bool_]


class Infinities(NamedTuple):
    """What results of a block come to, none of which is finite as all true values are."""

    ulp: UlpStatistics
    rank_changes: int


class InfiniteLane:
    """One case of a sweep whose results are such: measures them tile after tile."""

    def __init__(self, rows: int) -> None:
        self.errors = InfiniteErrors(FLOAT32)
        self.with_nan = np.zeros(rows, bool)
        self.signs: set[bool] = set()  # of infinities

    def take(self, tile: Tile, got: Array, true: Float32Tile) -> bool:
        """Add a tile up; say no where that is not so simple, as where infinities have an order."""
        nan, lone = np.isnan(got), true.lone.places
        # The ULP of a lone one is far from all others.
        if lone.size and not nan.reshape(-1)[lone].all():
            return False
        if len(self.signs) < 2:
            self.signs |= {sign for sign, some in ((True, got < 0), (False, got > 0)) if some.any()}
        if len(self.signs) > 1 or not self.errors.add(nan, true.per_unit, 2.0**-true.places):
            return False
        self.with_nan[tile[0]] |= row_any(nan)[:, 0]
        return True

    def finish(self, leaders: Indices, classes: int) -> Infinities:
        """Return what all tiles come to; `leaders` are how many of each row are the largest.

        A row that is the same infinity all over has the order of one whose classes are all equal.
        """
        changed = self.with_nan | (leaders < classes)
        return Infinities(self.errors.statistics(), int(np.count_nonzero(changed)))


def are_infinite(got: Array) -> bool:
    """Tell whether no result is finite, of (rows, classes)."""
    return not np.isfinite(got[:, 0]).any() and not np.isfinite(got).any()


class InfiniteErrors:
    """ULP statistics of such results in the making, in a format below float64.

    An infinity stands for 2**(emax + 1), from which much smaller true values do not take anything
    in float64. So its error is that over an ULP, a power of two like all others: those of a tile
    add up exactly unless they are far apart.
    """

    def __init__(self, target: FloatFormat) -> None:
        self._precision, self._exponent = target.precision, target.emax + 1
        self._sums: list[float] = []
        self._elements, self._without, self._largest = 0, 0, 0.0

    def add(self, nan: Mask, scale: Array, unit: float = 1.0) -> bool:
        """Add a tile of infinities and NaN; say no where it is not so simple.

        One over an ULP of each true value is so many times a unit.
        """
        without, least = int(np.count_nonzero(nan)), scale.min()
        if without:
            scale = np.where(nan, least, scale)
        least, most, top = float(least), float(scale.max()), ldexp(unit, self._exponent)
        if top * least < ldexp(1.0, 54 + self._precision) or most * scale.size > ldexp(least, 53):
            return False
        self._sums.append(top * (float(scale.sum(dtype=np.float64)) - without * least))
        self._elements += scale.size
        self._without += without
        self._largest = max(self._largest, top * most)
        return True

    def statistics(self) -> UlpStatistics:
        """Return what has been added, as a value."""
        return UlpStatistics(
            self._elements,
            ExactSum.of(np.array(self._sums)),
            self._without,
            (0,) * (len(HISTOGRAM_EDGES) - 1) + (self._elements,),
            inf if self._without else self._largest,
        )
