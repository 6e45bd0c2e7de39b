"""The operations of an arithmetic in double-double: hardly any rounding, to judge float64 by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact import double_double as dd
from softmax_tool.exact.double_double import DoubleDouble

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class WideArithmetic:
    """Takes float64 arrays and double-doubles alike, and returns double-doubles."""

    def max(self, x: Any) -> DoubleDouble:
        return DoubleDouble.of(np.asarray(x).max(axis=1, keepdims=True))

    def exp(self, x: Any) -> DoubleDouble:
        return dd.exp(DoubleDouble.of(x)).unscaled()

    def log(self, x: Any) -> DoubleDouble:
        x = DoubleDouble.of(x)
        value, zero = dd.log(x), x.hi == 0
        return DoubleDouble(np.where(zero, -np.inf, value.hi), np.where(zero, 0.0, value.lo))

    def log1p(self, x: Any) -> DoubleDouble:
        return dd.log1p(DoubleDouble.of(x))

    def negate(self, x: Any) -> DoubleDouble:
        return -DoubleDouble.of(x)

    def add(self, x: Any, y: Any) -> DoubleDouble:
        return dd.add(DoubleDouble.of(x), DoubleDouble.of(y))

    def subtract(self, x: Any, y: Any) -> DoubleDouble:
        return dd.add(DoubleDouble.of(x), -DoubleDouble.of(y))

    def multiply(self, x: Any, y: Any) -> DoubleDouble:
        return dd.multiply(DoubleDouble.of(x), DoubleDouble.of(y))

    def divide(self, x: Any, y: Any) -> DoubleDouble:
        return dd.divide(DoubleDouble.of(x), DoubleDouble.of(y))

    def maximum(self, x: Any, y: Any) -> DoubleDouble:
        x, y = DoubleDouble.of(x), DoubleDouble.of(y)
        larger = (x.hi > y.hi) | ((x.hi == y.hi) & (x.lo > y.lo)) | np.isnan(x.hi)
        return DoubleDouble(np.where(larger, x.hi, y.hi), np.where(larger, x.lo, y.lo))

    def where_not_below(self, g: Any, x: Any, limit: Any) -> DoubleDouble:
        g, x, limit = DoubleDouble.of(g), DoubleDouble.of(x), DoubleDouble.of(limit)
        passes = (x.hi > limit.hi) | ((x.hi == limit.hi) & (x.lo >= limit.lo))
        return DoubleDouble(np.where(passes, g.hi, 0.0), np.where(passes, g.lo, 0.0))

    def sum(self, x: Any) -> DoubleDouble:
        return dd.row_sum(DoubleDouble.of(x))

    def online_sum(self, x: Any) -> DoubleDouble:
        return self.sum(self.exp(self.subtract(x, self.max(x))))

    def drop_first_max(self, e: Any, x: Any) -> DoubleDouble:
        e = DoubleDouble.of(e)
        first = np.zeros(e.hi.shape, bool)
        np.put_along_axis(first, np.asarray(x).argmax(axis=1)[:, None], values=True, axis=1)
        return DoubleDouble(np.where(first, 0.0, e.hi), np.where(first, 0.0, e.lo))

    def pick(self, x: Any, columns: Array) -> DoubleDouble:
        x = DoubleDouble.of(x)
        shape = (len(columns), x.hi.shape[1])
        return DoubleDouble(
            np.take_along_axis(np.broadcast_to(x.hi, shape), columns, axis=1),
            np.take_along_axis(np.broadcast_to(x.lo, shape), columns, axis=1),
        )

    def constant(self, value: Fraction) -> DoubleDouble:
        hi = float(value)
        return DoubleDouble(np.full((1, 1), hi), np.full((1, 1), float(value - type(value)(hi))))

    def store(self, x: Any) -> DoubleDouble:
        return DoubleDouble.of(x)
