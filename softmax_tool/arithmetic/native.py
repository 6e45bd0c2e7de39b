"""`native`: NumPy's own functions and reductions in that dtype, whatever they do here and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic import selection
from softmax_tool.arithmetic.protocol import Model
from softmax_tool.arithmetic.reduction import VectorReduction
from softmax_tool.arithmetic.tree import LEAF
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]


@frozen
class Native:
    """NumPy's ufuncs, applied as they stand."""

    format: FloatFormat

    max = staticmethod(selection.row_max)
    negate = staticmethod(selection.negate)
    maximum = staticmethod(selection.maximum)
    where_not_below = staticmethod(selection.where_not_below)
    drop_first_max = staticmethod(selection.drop_first_max)
    pick = staticmethod(selection.pick)

    def exp(self, x: Array) -> Array:
        return _quiet(np.exp, x)

    def log(self, x: Array) -> Array:
        return _quiet(np.log, x)

    def log1p(self, x: Array) -> Array:
        return _quiet(np.log1p, x)

    def add(self, x: Array, y: Array) -> Array:
        return _quiet(np.add, x, y)

    def subtract(self, x: Array, y: Array) -> Array:
        return _quiet(np.subtract, x, y)

    def multiply(self, x: Array, y: Array) -> Array:
        return _quiet(np.multiply, x, y)

    def divide(self, x: Array, y: Array) -> Array:
        return _quiet(np.divide, x, y)

    def sum(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.add.reduce(np.ascontiguousarray(x), axis=1, keepdims=True))

    def online_sum(self, x: Array) -> Array:
        """Merge leaf after leaf into a running (maximum, sum) in the dtype itself."""
        running_max = selection.row_max(x[:, :LEAF])
        running_sum = self._leaf(x[:, :LEAF], running_max)
        for start in range(LEAF, x.shape[1], LEAF):
            leaf = x[:, start : start + LEAF]
            new_max = np.maximum(running_max, selection.row_max(leaf))
            scaled = self.multiply(running_sum, self.exp(self.subtract(running_max, new_max)))
            kept = np.where(new_max == running_max, running_sum, scaled)
            running_sum = self.add(kept, self._leaf(leaf, new_max))
            running_max = new_max
        return running_sum

    def _leaf(self, leaf: Array, maximum: Array) -> Array:
        e = self.exp(self.subtract(leaf, maximum))
        e[np.isneginf(leaf)] = 0
        return self.sum(e)

    def constant(self, value: Fraction) -> Array:
        return np.full((1, 1), self.format.round_exactly(value), self.format.storage)

    def store(self, x: Array) -> Array:
        return x


def _quiet(operation: np.ufunc, *operands: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(operation(*operands))


NATIVE = Model(
    name="native",
    summary="NumPy's own functions and reductions in that dtype, on this machine; "
    "no bits promised and no error bound",
    build=Native,
    sums_are_wide=False,
    same_as_wide_sum=lambda _: False,
    in_storage=True,
    supports=lambda target: target.is_native,
    sum_constant=None,
    reduction=VectorReduction,
)
