"""Arithmetic in which every operation is rounded to a format, shared by the exact models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from softmax_tool import aligned
from softmax_tool.arithmetic import selection
from softmax_tool.arithmetic.elementwise import evaluate
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


class Summation(Protocol):
    """How a model adds up a row, plainly and in one pass with a running maximum."""

    def sum(self, xp: Rounded, x: Array) -> Array:
        """Sum of each row, (rows, 1), rounded to the working format."""

    def sum_of_repeated(
        self, xp: Rounded, x: Array, counts: Array, classes: int
    ) -> tuple[Array, Mask] | None:
        """Sums of rows that repeat (rows, some) values so many times, and where that is certain.

        None where it takes their order.
        """

    def online_sum(self, xp: Rounded, x: Array) -> Array:
        """Sum of exp(x - max x) of each row in one pass, (rows, 1), rounded likewise."""


@frozen
class Rounded:
    """Every operation correctly rounded to `working`, every kernel's end to `result`."""

    working: FloatFormat
    result: FloatFormat
    summation: Summation

    max = staticmethod(selection.row_max)
    negate = staticmethod(selection.negate)
    maximum = staticmethod(selection.maximum)
    where_not_below = staticmethod(selection.where_not_below)
    drop_first_max = staticmethod(selection.drop_first_max)
    pick = staticmethod(selection.pick)

    def exp(self, x: Array) -> Array:
        return evaluate("exp", x, self.working)

    def log(self, x: Array) -> Array:
        return evaluate("log", x, self.working)

    def log1p(self, x: Array) -> Array:
        return evaluate("log1p", x, self.working)

    def add(self, x: Array, y: Array) -> Array:
        return self._once(np.add, x, y)

    def subtract(self, x: Array, y: Array) -> Array:
        return self._once(np.subtract, x, y)

    def multiply(self, x: Array, y: Array) -> Array:
        return self._once(np.multiply, x, y)

    def divide(self, x: Array, y: Array) -> Array:
        return self._once(np.divide, x, y)

    def sum(self, x: Array) -> Array:
        return self.summation.sum(self, x)

    def sum_of_repeated(self, x: Array, counts: Array, classes: int) -> tuple[Array, Mask] | None:
        return self.summation.sum_of_repeated(self, x, counts, classes)

    def online_sum(self, x: Array) -> Array:
        return self.summation.online_sum(self, x)

    def constant(self, value: Fraction) -> Array:
        return np.full((1, 1), self.working.round_exactly(value), self.working.carrier)

    def store(self, x: Array) -> Array:
        return x if self.working == self.result else self.result.round(x)

    def _once(self, operation: np.ufunc, x: Array, y: Array) -> Array:
        carrier = self.working.carrier
        result = aligned.empty(np.broadcast_shapes(x.shape, y.shape), carrier)
        with np.errstate(all="ignore"):
            return self.working.round(operation(x, y, out=result, dtype=carrier))
