"""A line that an error bound is nowhere below: telling cheaply where it need not be evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.extremes import Extremes

    Array = NDArray[Any]
    Indices = NDArray[np.intp]

_SAMPLE = 1024
# What the comparison leaves to the rounding errors of the bounds themselves.
_SLACK = 1e-9


@frozen
class Samples:
    """Three elements of each row: at the largest logit, at the smallest, and at one in between."""

    columns: Indices  # (3, rows), in that order
    end: Array  # how far the smallest logit is from the largest, (rows,)
    between: Array  # and that one
    room: Array  # the smaller of its shares of the distance to the ends

    @classmethod
    def of(cls, extremes: Extremes) -> Samples:
        """Choose them."""
        first, last = extremes.highest, extremes.lowest
        with np.errstate(all="ignore"):
            top, bottom = extremes.at(first), extremes.at(last)
            halfway = (top + bottom) / 2
            between = np.abs(extremes.logits[:, :_SAMPLE] - halfway).argmin(axis=1)
            top = top.astype(np.float64)
            v = (top - extremes.at(between))[:, 0]
            end = (top - bottom)[:, 0]
            share = v / end
            return cls(np.array([first, last, between]), end, v, np.minimum(share, 1 - share))


@frozen
class Minorant:
    """For each row, base + slope · v is at most the bound of an element v below the maximum.

    Of softmax it is the bound relative to the true value. As a function of the distance v = m − x
    from the row's maximum every bound is convex and does not fall. So the chord c between the
    largest and the smallest logit is above it, by a gap that is concave and 0 at both ends: nowhere
    more than at one point in between, over the smaller of its shares of the distance to the ends.
    """

    base: Array  # (rows, 1); of several bounds (bounds, rows, 1), as all others
    slope: Array
    lowest: Array  # the bound at the row's maximum, below all others
    highest: Array  # that at its minimum, above all others

    @classmethod
    def of(cls, samples: Samples, values: Array) -> Minorant:
        """Draw it from the bounds at three elements of each row, (3, rows).

        Of several bounds, (bounds, 3, rows), all lines are drawn at once.
        """
        first, last, between = values[..., 0, :], values[..., 1, :], values[..., 2, :]
        with np.errstate(all="ignore"):
            slope = (last - first) / samples.end
            gap = first + slope * samples.between - between
            gap = np.maximum(gap, 0) / samples.room
            # The bound at the maximum will do where there is nothing between, or little to gain.
            flat = ~(gap < first / 2)
            slope, gap = np.where(flat, 0.0, slope), np.where(flat, 0.0, gap)
            base = first - gap - _SLACK * last
        return cls(base[..., None], slope[..., None], first[..., None], last[..., None])

    def __getitem__(self, bound: int) -> Minorant:
        """Return the line of one of several bounds."""
        return Minorant(
            self.base[bound], self.slope[bound], self.lowest[bound], self.highest[bound]
        )
