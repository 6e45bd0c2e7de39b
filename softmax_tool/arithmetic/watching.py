"""An arithmetic that notices sums that stall: where none does, there is nothing to trace."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.tracing import is_stalled
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


@frozen
class Watching:
    """Carries out every operation with `inner`, and keeps the rows in which a sum stalled."""

    inner: Any
    working: FloatFormat
    masks: list[Mask] = field(default_factory=list)  # (rows, 1) each

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.inner, operation)

    def sum(self, x: Array) -> Array:
        return self._watched(x, self.inner.sum(x))

    def online_sum(self, x: Array) -> Array:
        addends = self.inner.exp(self.inner.subtract(x, self.inner.max(x)))
        return self._watched(addends, self.inner.online_sum(x))

    def _watched(self, addends: Array, value: Array) -> Array:
        self.masks.append(is_stalled(addends, value, self.working))
        return value

    def stalled(self, rows: int) -> Mask:
        """Return in which of so many rows a sum has stalled so far, (rows,)."""
        stalled = np.zeros(rows, bool)
        for mask in self.masks:
            stalled |= mask[:, 0]
        return stalled
