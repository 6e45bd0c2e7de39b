"""An arithmetic that changes hands: the first operations by one model, all later ones wide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.arithmetic.protocol import Arithmetic

    Array = NDArray[Any]


@dataclass(slots=True)
class Replay:
    """Carries out operations 0 … last by `inner`, the rest by `wide`, which hardly rounds.

    Comparing its results for last = 0, 1, 2, … with the exact ones tells at which operation a
    result went wrong. Operations are numbered as a trace numbers them.
    """

    inner: Arithmetic
    wide: Arithmetic
    last: int
    count: int = field(default=0)

    def max(self, x: Array) -> Array:
        return self.inner.max(x)

    def exp(self, x: Array) -> Array:
        return self._next().exp(x)

    def log(self, x: Array) -> Array:
        return self._next().log(x)

    def log1p(self, x: Array) -> Array:
        return self._next().log1p(x)

    def negate(self, x: Array) -> Array:
        return self._owner(x).negate(x)

    def add(self, x: Array, y: Array) -> Array:
        return self._next().add(x, y)

    def subtract(self, x: Array, y: Array) -> Array:
        return self._next().subtract(x, y)

    def multiply(self, x: Array, y: Array) -> Array:
        return self._next().multiply(x, y)

    def divide(self, x: Array, y: Array) -> Array:
        return self._next().divide(x, y)

    def maximum(self, x: Array, y: Array) -> Array:
        # Without rounding there is nothing to clamp.
        return self.inner.maximum(x, y) if self._next() is self.inner else x

    def where_not_below(self, g: Array, x: Array, limit: Array) -> Array:
        # Without rounding there is no clamp to be back through.
        owner = self._next()
        return owner.where_not_below(g, x, limit) if owner is self.inner else g

    def sum(self, x: Array) -> Array:
        return self._next().sum(x)

    def online_sum(self, x: Array) -> Array:
        return self._next(operations=3).online_sum(x)  # shift, exp and sum in one pass

    def drop_first_max(self, e: Array, x: Array) -> Array:
        return self._owner(e).drop_first_max(e, x)

    def pick(self, x: Array, columns: Array) -> Array:
        return self._owner(x).pick(x, columns)

    def constant(self, value: Fraction) -> Array:
        return self.inner.constant(value)

    def store(self, x: Array) -> Array:
        return self.inner.store(x) if self.count - 1 <= self.last else self.wide.store(x)

    def _next(self, operations: int = 1) -> Arithmetic:
        self.count += operations
        return self.inner if self.count - 1 <= self.last else self.wide

    def _owner(self, x: Any) -> Arithmetic:
        """Return whose values these are: the wide arithmetic may have a type of its own."""
        return self.inner if isinstance(x, np.ndarray) else self.wide
