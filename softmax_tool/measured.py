"""Results held against true values: how far each is off, and what the errors add up to."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, ldexp
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact_sum import ExactSum
from softmax_tool.masking import kept
from softmax_tool.once import once
from softmax_tool.tiling import tiles
from softmax_tool.ulp import HISTOGRAM_EDGES, UlpStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.distinct import Counts
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """Results of any shape and the ruler of their true values; errors are made when asked for."""

    got: Array
    ruler: Ruler

    @once
    def errors(self) -> NDArray[np.float64]:
        """The errors, in ULP."""
        return self.ruler.errors(self.got)

    @once
    def finite(self) -> Mask:
        """Where results are finite."""
        return np.isfinite(self.got)

    def statistics(self, counted: Mask, weights: Counts | None) -> UlpStatistics:
        """Gather the errors of what is counted; with `weights` each counts so many times."""
        if counted.all():
            if weights is None and not self.finite.any():
                found = self._statistics_of_infinities()
                if found is not None:
                    return found
            return UlpStatistics.of(self.errors, weights)
        if weights is None:
            return UlpStatistics.of(self.errors[counted])
        return UlpStatistics.of(kept(self.errors, counted), weights * counted)

    def _statistics_of_infinities(self) -> UlpStatistics | None:
        """Gather errors where no result is finite; None where that is not so simple.

        An infinity stands for 2**(emax + 1), from which much smaller true values do not take
        anything in float64. So its error is that over an ULP, a power of two like all others: they
        add up exactly unless they are far apart.
        """
        target, scale = self.ruler.target, self.ruler.scale
        if target.precision == 53:
            return None
        top = ldexp(1.0, target.emax + 1)
        if not self.ruler.furthest <= ldexp(top, -54):
            return None
        total = UlpStatistics()
        for tile in tiles(self.got.shape):
            some, nan = scale[tile], np.isnan(self.got[tile])
            without, least = int(np.count_nonzero(nan)), float(some.min())
            if without:
                some = np.where(nan, least, some)
            most = float(some.max())
            if top * least <= HISTOGRAM_EDGES[-2] or most * some.size > ldexp(least, 53):
                return None
            numbers = float(some.sum()) - without * least
            total += UlpStatistics(
                some.size,
                ExactSum.of(np.array([top * numbers])),
                without,
                (0,) * (len(HISTOGRAM_EDGES) - 1) + (some.size,),
                inf if without else top * most,
            )
        return total
