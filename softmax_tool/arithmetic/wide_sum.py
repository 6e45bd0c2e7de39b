"""`wide-sum`: every operation rounded to the format, sums kept in a wider accumulator."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.protocol import Model
from softmax_tool.arithmetic.reduction import ExactReduction
from softmax_tool.arithmetic.rounded import Rounded
from softmax_tool.arithmetic.selection import row_max, row_min
from softmax_tool.arithmetic.tree import LEAF, leaf_sums, tree_sum
from softmax_tool.formats import accumulator_of
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

# What a float64 sum of fewer than 2**20 terms, each of them exact, misses of their magnitudes.
_OF_FLOAT64 = 2.0**-30


@frozen
class TreeSummation:
    """Sums by the fixed tree in `accumulator`, rounded once to the working format."""

    accumulator: FloatFormat

    def sum(self, xp: Rounded, x: Array) -> Array:
        """Sum each row; returns (rows, 1)."""
        return xp.working.round(tree_sum(x.astype(self.accumulator.storage, copy=False)))

    def sum_of_repeated(
        self, xp: Rounded, x: Array, counts: Array, classes: int
    ) -> tuple[Array, Mask] | None:
        """Sum values that rows repeat so many times; say where that is the sum in any order.

        It is where all numbers that a tree may come to are rounded to one.
        """
        if xp.working.precision >= self.accumulator.precision:
            return None
        largest = row_max(x)
        infinite = (largest == np.inf) & (row_min(x) > -np.inf)
        of_tree = 1.01 * _depth(classes) * self.accumulator.unit_roundoff
        with np.errstate(all="ignore"):
            terms = np.multiply(x, counts, dtype=np.float64)
            sums = terms.sum(axis=1, keepdims=True)
            margin = np.abs(terms, out=terms).sum(axis=1, keepdims=True) * (of_tree + _OF_FLOAT64)
        low, high = (
            xp.working.round(np.where(infinite, largest, end))
            for end in (sums - margin, sums + margin)
        )
        return low, (low == high) & (low != 0)  # of zeros the order tells the sign

    def online_sum(self, xp: Rounded, x: Array) -> Array:
        """Merge leaf after leaf into a running (maximum, sum), the sum kept in the accumulator.

        The factor that rescales the sum is skipped where the maximum stays: it would be 1, or NaN
        while all logits so far are -inf.
        """
        starts = np.arange(0, x.shape[1], LEAF)
        maxima = np.maximum.accumulate(np.maximum.reduceat(x, starts, axis=1), axis=1)
        of_leaves = np.repeat(maxima, min(LEAF, x.shape[1]), axis=1)[:, : x.shape[1]]
        e = xp.exp(xp.subtract(x, of_leaves))
        # -inf minus -inf is NaN, but a leaf that holds nothing but masked classes adds nothing.
        masked = x == -np.inf
        if masked.any():
            e[masked] = 0
        sums = leaf_sums(e.astype(self.accumulator.storage, copy=False))
        before, after = maxima[:, :-1], maxima[:, 1:]
        stays = after == before
        with np.errstate(all="ignore"):
            factors = xp.exp(xp.subtract(before, after)).astype(sums.dtype)
            # From one rise to the next, leaves are added one after the other.
            rises = np.flatnonzero(~stays.all(axis=0)) + 1
            total = _last_sum(sums[:, : rises[0] if rises.size else None])
            for leaf, end in pairwise([*rises.tolist(), sums.shape[1]]):
                here = slice(leaf - 1, leaf)
                total = np.where(stays[:, here], total, total * factors[:, here])
                total = _last_sum(np.concatenate([total, sums[:, leaf:end]], axis=1))
        return xp.working.round(total)


def _last_sum(values: Array) -> Array:
    """Add the columns one after the other; returns (rows, 1)."""
    return np.asarray(np.add.accumulate(values, axis=1)[:, -1:])


def build(target: FloatFormat) -> Rounded:
    """Return the model's arithmetic for a format."""
    return Rounded(target, target, TreeSummation(accumulator_of(target)))


def _depth(classes: int) -> int:
    """Return how often a partial sum is rounded: NumPy's recursion stops at 128 in 8 lanes."""
    return min(classes - 1, 24) + 3 + (-(-classes // LEAF) - 1).bit_length()


def sum_constant(classes: int, target: FloatFormat) -> float:
    """Return a with |sum error| <= a u Σ|addends|."""
    depth = _depth(classes)
    accumulator = accumulator_of(target)
    if accumulator == target:
        return float(depth)
    return depth * accumulator.unit_roundoff / target.unit_roundoff + 1


WIDE_SUM = Model(
    name="wide-sum",
    summary="every operation rounded to the format, sums accumulated in float32 "
    "(float64 for float64) and rounded once",
    build=build,
    sums_are_wide=True,
    same_as_wide_sum=lambda _: True,
    in_storage=False,
    supports=lambda _: True,
    sum_constant=sum_constant,
    reduction=ExactReduction,
)
