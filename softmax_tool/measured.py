"""Results held against true values: how far each is off, and what the errors add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen_with_memory
from softmax_tool.infinities import InfiniteErrors
from softmax_tool.masking import kept
from softmax_tool.once import once
from softmax_tool.tiling import tiles
from softmax_tool.ulp import UlpStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.distinct import Counts
    from softmax_tool.infinities import Infinities
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


@frozen_with_memory
class Measured:
    """Results of any shape and the ruler of their true values; errors are made when asked for."""

    got: Array
    ruler: Ruler
    infinities: Infinities | None = None  # what is known of them: that none is right

    @once
    def right(self) -> Mask:
        """Where results are the true values rounded."""
        if self.infinities is not None:
            return np.zeros(self.got.shape, bool)
        rounded = self.ruler.rounded
        right = self.got == rounded
        if np.isnan(rounded.max(initial=0)):
            right |= np.isnan(self.got) & np.isnan(rounded)
        return np.asarray(right)

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
        if self.infinities is not None:
            return self.infinities.ulp
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
        """Gather errors where no result is finite; None where that is not so simple."""
        if self.ruler.target.precision == 53 or self.ruler.outside is not None:
            return None
        found = InfiniteErrors(self.ruler.target)
        for tile in tiles(self.got.shape):
            if not found.add(np.isnan(self.got[tile]), self.ruler.scale[tile]):
                return None
        return found.statistics()
