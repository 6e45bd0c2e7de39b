"""A line that an error bound is nowhere below: telling cheaply where it need not be evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.bounds import Bound, Conditions

    Array = NDArray[Any]

_SAMPLE = 1024
# What the comparison leaves to the rounding errors of the bounds themselves.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Minorant:
    """For each row, base + slope · x is at most the bound of an element with logit x.

    Of softmax it is the bound relative to the true value. As a function of the distance v = m − x
    from the row's maximum every bound is convex and does not fall. So the chord c between the
    largest and the smallest logit is above it, by a gap that is concave and 0 at both ends: nowhere
    more than at one point in between, over the smaller of its shares of the distance to the ends.
    """

    base: Array  # (rows, 1)
    slope: Array
    highest: Array  # the largest bound of the row

    @classmethod
    def of(cls, quantity: str, logits: Array, conditions: Conditions, bound: Bound) -> Minorant:
        """Evaluate the bound of a formulation at three elements of each row."""
        columns = np.stack([logits.argmax(axis=1), logits.argmin(axis=1), _middle(logits)])
        rows = np.arange(len(logits))
        some = conditions.pick(np.tile(rows, 3), columns.reshape(-1))
        values = relative_bound(quantity, some, bound).reshape(3, -1)
        x = np.take_along_axis(logits, columns.T, axis=1).T.astype(np.float64)
        with np.errstate(all="ignore"):
            v = x[0] - x
            slope = (values[1] - values[0]) / v[1]
            share = v[2] / v[1]
            gap = values[0] + slope * v[2] - values[2]
            gap = np.maximum(gap, 0) / np.minimum(share, 1 - share)
            # The bound at the maximum will do where there is nothing between, or little to gain.
            flat = ~(gap < values[0] / 2)
            slope, gap = np.where(flat, 0.0, slope), np.where(flat, 0.0, gap)
            highest = values.max(axis=0)
            base = values[0] + slope * x[0] - gap - _SLACK * highest
        return cls(base[:, None], -slope[:, None], highest[:, None])

    def __getitem__(self, rows: Any) -> Minorant:
        return Minorant(self.base[rows], self.slope[rows], self.highest[rows])


def relative_bound(quantity: str, conditions: Conditions, bound: Bound) -> Array:
    """Return a bound; for softmax, relative to the true value."""
    with np.errstate(all="ignore"):
        limit = bound(conditions)
        return limit / conditions.reference.softmax.hi if quantity == "softmax" else limit


def _middle(logits: Array) -> NDArray[np.intp]:
    """Return a column of each row, of the first ones, with a logit halfway between the ends."""
    with np.errstate(all="ignore"):
        halfway = (logits.max(axis=1, keepdims=True) + logits.min(axis=1, keepdims=True)) / 2
        return np.asarray(np.abs(logits[:, :_SAMPLE] - halfway).argmin(axis=1))
