"""`strict`: every operation rounded to the format, sums running left to right in it as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.protocol import Model
from softmax_tool.arithmetic.reduction import RunningReduction
from softmax_tool.arithmetic.rounded import Rounded
from softmax_tool.arithmetic.running import running_sums
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]


@frozen
class LeftToRight:
    """Running sums from class 0 on, each partial sum rounded to the format."""

    def sum(self, xp: Rounded, x: Array) -> Array:
        """Sum each row; returns (rows, 1)."""
        return running_sums(xp.working, x)[:, -1:]

    def sum_of_repeated(self, *_: Any) -> None:
        """Every partial sum depends on the order."""

    def online_sum(self, xp: Rounded, x: Array) -> Array:
        """Take one class after the other, rescaling the running sum where the maximum rises."""
        maxima = np.maximum.accumulate(x, axis=1)
        rises = x[:, 1:] > maxima[:, :-1]
        addends = xp.exp(xp.subtract(x, maxima))
        addends[np.isneginf(x)] = 0  # -inf minus -inf; a masked class adds nothing
        if x.shape[1] < len(x) + np.count_nonzero(rises):
            return _by_column(xp, maxima, rises, addends)
        sums = [_by_stretch(xp, *row) for row in zip(maxima, rises, addends, strict=True)]
        return np.concatenate(sums) if sums else addends[:, :1]


def _by_column(xp: Rounded, maxima: Array, rises: Array, addends: Array) -> Array:
    """Sum all rows at once, one class after the other."""
    total = addends[:, :1].copy()
    for column in range(1, addends.shape[1]):
        here = rises[:, column - 1]
        if here.any():
            old = maxima[here, column - 1 : column]
            factor = xp.exp(xp.subtract(old, maxima[here, column : column + 1]))
            # 0 · exp(-inf) while every class so far is masked.
            total[here] = xp.multiply(total[here], factor)
        total = xp.add(total, addends[:, column : column + 1])
    return total


def _by_stretch(xp: Rounded, maxima: Array, rises: Array, addends: Array) -> Array:
    """Sum one row, a stretch at a time in which the maximum stays; returns (1, 1)."""
    total = addends[None, :1]
    starts = np.flatnonzero(rises) + 1
    first = 1
    for start in (*starts, len(addends)):
        stretch = addends[None, first:start]
        total = running_sums(xp.working, np.concatenate([total, stretch], axis=1))[:, -1:]
        if start < len(addends):
            factor = xp.exp(
                xp.subtract(maxima[None, start - 1 : start], maxima[None, start : start + 1])
            )
            total = xp.multiply(total, factor)
        first = start
    return total


def build(target: FloatFormat) -> Rounded:
    """Return the model's arithmetic for a format."""
    return Rounded(target, target, LeftToRight())


STRICT = Model(
    name="strict",
    summary="every operation rounded to the format, sums running left to right in the format",
    build=build,
    sums_are_wide=False,
    same_as_wide_sum=lambda _: False,
    in_storage=False,
    supports=lambda _: True,
    sum_constant=lambda classes, _: classes - 1,
    reduction=RunningReduction,
)
