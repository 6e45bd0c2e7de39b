"""What an array holds, each looked for once: zeros, infinities, NaN, subnormal numbers.

Most hold none of these, which the smallest and the largest value tell.
"""

from __future__ import annotations

from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen_with_memory
from softmax_tool.once import once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

_NOWHERE = np.zeros((1, 1), bool)


@frozen_with_memory
class Look:
    """One array (rows, classes) or (rows, 1); masks broadcast to it."""

    value: Array

    @once
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value; NaN if there is one."""
        return float(self.value.min(initial=np.inf)), float(self.value.max(initial=-np.inf))

    @once
    def zero(self) -> Mask:
        """Where it is 0."""
        low, high = self.ends
        return _NOWHERE if low > 0 or high < 0 else np.asarray(self.value == 0)

    @once
    def not_finite(self) -> Mask:
        """Where it is an infinity or NaN."""
        low, high = self.ends
        return _NOWHERE if isfinite(low) and isfinite(high) else ~np.isfinite(self.value)

    @once
    def nan(self) -> Mask:
        """Where it is NaN."""
        return np.isnan(self.value) if isnan(self.ends[0]) else _NOWHERE

    @once
    def special(self) -> Mask:
        """Where it is 0 or not finite."""
        if self.zero is _NOWHERE or self.not_finite is _NOWHERE:
            return self.not_finite if self.zero is _NOWHERE else self.zero
        return self.zero | self.not_finite

    def subnormal(self, target: FloatFormat) -> Mask:
        """Return where it is subnormal in a format."""
        (low, high), least = self.ends, target.smallest_normal
        if low >= least or high <= -least:
            return _NOWHERE
        tiny = self.value < least
        if not low >= 0:
            tiny &= self.value > -least
        return tiny & ~self.zero
