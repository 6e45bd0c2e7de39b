"""Two results of one computation, set side by side element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from softmax_tool.distinct import count
from softmax_tool.formats import narrower_than
from softmax_tool.summary import PairSummary, largest
from softmax_tool.tiling import Scratch, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.distinct import Counts
    from softmax_tool.formats import FloatFormat
    from softmax_tool.tiling import Tile
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


class Unit(Protocol):
    """The ULP of the true values of one tile."""

    def in_ulp(self, distance: Array) -> Array:
        """Return distances in ULP of the true values; it may overwrite them."""

    def largest_in_ulp(self, distance: NDArray[np.float32]) -> float:
        """Return the largest of distances in ULP, which it may overwrite."""


class _OfRuler:
    def __init__(self, ruler: Ruler, tile: Tile) -> None:
        self._ruler, self._tile = ruler, tile

    def in_ulp(self, distance: Array) -> Array:
        if self._ruler.target.precision == 53:
            return np.ldexp(distance, -self._ruler.exponent[self._tile], out=distance)
        return np.multiply(distance, self._ruler.scale[self._tile], out=distance)

    def largest_in_ulp(self, distance: NDArray[np.float32]) -> float:
        scale = self._ruler.scale[self._tile].astype(np.float32)
        return float(np.multiply(distance, scale, out=distance).max())


def compare_pair(
    a: Array, b: Array, ruler: Ruler, before: PairSummary, weights: Counts | None = None
) -> PairSummary:
    """Compare two results element by element; differences in ULP of the exact value.

    In which narrower formats they differ need not be said again once it has been `before`. Each
    element counts as often as its weight says.
    """
    scratch = Scratch(a.shape), Scratch(a.shape)
    pair = PairSum(ruler.target, before, scratch, Scratch(a.shape, np.float32))
    with np.errstate(all="ignore"):
        for tile in tiles(a.shape):
            often = None if weights is None else weights[tile]
            pair.add(a[tile], b[tile], _OfRuler(ruler, tile), often)
    return pair.total


class PairSum:
    """Differences between two results in the making, tile after tile."""

    def __init__(
        self,
        target: FloatFormat,
        before: PairSummary,
        scratch: tuple[Scratch, Scratch],
        small_scratch: Scratch,
    ) -> None:
        self._narrower = narrower_than(target)
        said = zip(self._narrower, before.differs_in, strict=False)
        self._known = {f for f, differs in said if differs}
        self._unequal: set[FloatFormat] = set()
        self._scratch = scratch  # of float64
        self._small_scratch = small_scratch  # of float32
        self._elements, self._differing = 0, 0
        self._distance: float | None = None
        self._in_ulp: float | None = None

    def add(self, a: Array, b: Array, unit: Unit, weights: Counts | None = None) -> None:
        """Compare one tile; warnings are the caller's."""
        # Once they differ in a narrower format, the other tiles need not be rounded to it.
        for narrower in self._narrower:
            if narrower not in self._known and _differs(narrower.round(a), narrower.round(b)).any():
                self._known.add(narrower)
                self._unequal.add(narrower)
        self._elements += a.size if weights is None else int(weights.sum())
        differs = _differs(a, b)
        differing = count(differs, weights)
        self._differing += differing
        if differing:
            distance, in_ulp = self._largest(a, b, differs, unit)
            self._distance = largest(self._distance, distance)
            self._in_ulp = largest(self._in_ulp, in_ulp)

    @property
    def total(self) -> PairSummary:
        """What has been added, as a value."""
        differs_in = tuple(f in self._unequal for f in self._narrower)
        return PairSummary(
            self._elements, self._differing, self._distance, self._in_ulp, differs_in
        )

    def _largest(self, a: Array, b: Array, differs: Mask, unit: Unit) -> tuple[float | None, float]:
        """Return the largest difference, None where none is finite, and the largest in ULP."""
        if a.dtype == np.float32:
            near = np.subtract(a, b, out=self._small_scratch.like(a))
            np.abs(near, out=near)
            distance = float(np.maximum.reduce(near, axis=None))
            in_ulp = unit.largest_in_ulp(near)
            if in_ulp < _NEIGHBOURS:
                return distance, in_ulp
        if not (np.isfinite(a) & np.isfinite(b)).any():
            return None, np.inf  # and they differ
        # Two casts of their own are quicker than casts on the way.
        difference, ulps = (scratch.like(a) for scratch in self._scratch)
        np.copyto(difference, a)
        np.copyto(ulps, b)
        np.subtract(difference, ulps, out=difference)
        np.abs(difference, out=difference)
        np.copyto(ulps, difference)
        ulps = unit.in_ulp(ulps)
        distance, in_ulp = float(difference.max()), float(ulps.max())
        if not distance < np.inf:
            # What is not finite on one side alone is infinitely far.
            distance = float(difference.max(where=differs & np.isfinite(difference), initial=-1.0))
            ulps = np.where(np.isnan(ulps), np.inf, ulps)
            in_ulp = float(ulps.max(where=differs, initial=0.0))
        return (distance if distance >= 0 else None), in_ulp


# A float32 holds the difference of two that are fewer ULP apart, in either one's places.
_NEIGHBOURS = 2.0**20


def _differs(a: Array, b: Array) -> Mask:
    """Return where bits differ; one NaN is like another."""
    integers = f"i{a.itemsize}"
    differs = a.view(integers) != b.view(integers)
    if np.isnan(np.maximum.reduce(a, axis=None, initial=0)):
        differs &= ~(np.isnan(a) & np.isnan(b))
    return np.asarray(differs)
