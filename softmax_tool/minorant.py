"""A line that an error bound is nowhere below: telling cheaply where it need not be evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.extremes import Extremes

    Array = NDArray[Any]

_SAMPLE = 1024
# What the comparison leaves to the rounding errors of the bounds themselves.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Minorant:
    """For each row, base + slope · v is at most the bound of an element v below the maximum.

    Of softmax it is the bound relative to the true value. As a function of the distance v = m − x
    from the row's maximum every bound is convex and does not fall. So the chord c between the
    largest and the smallest logit is above it, by a gap that is concave and 0 at both ends: nowhere
    more than at one point in between, over the smaller of its shares of the distance to the ends.
    """

    base: Array  # (rows, 1)
    slope: Array
    lowest: Array  # the bound at the row's maximum, below all others
    highest: Array  # that at its minimum, above all others

    @classmethod
    def of(cls, logits: Array, columns: NDArray[np.intp], values: Array) -> Minorant:
        """Draw it from the bounds in three `columns` of each row, those that `samples` returns.

        Both are (3, rows).
        """
        x = logits[np.arange(len(logits)), columns].astype(np.float64)
        with np.errstate(all="ignore"):
            v = x[0] - x
            slope = (values[1] - values[0]) / v[1]
            share = v[2] / v[1]
            gap = values[0] + slope * v[2] - values[2]
            gap = np.maximum(gap, 0) / np.minimum(share, 1 - share)
            # The bound at the maximum will do where there is nothing between, or little to gain.
            flat = ~(gap < values[0] / 2)
            slope, gap = np.where(flat, 0.0, slope), np.where(flat, 0.0, gap)
            base = values[0] - gap - _SLACK * values[1]
        return cls(base[:, None], slope[:, None], values[0][:, None], values[1][:, None])


def samples(extremes: Extremes) -> NDArray[np.intp]:
    """Return columns of each row's maximum, its minimum, and of a logit in between, (3, rows)."""
    first, last = extremes.highest, extremes.lowest
    with np.errstate(all="ignore"):
        halfway = (extremes.at(first) + extremes.at(last)) / 2
        between = np.abs(extremes.logits[:, :_SAMPLE] - halfway).argmin(axis=1)
    return np.array([first, last, between])
