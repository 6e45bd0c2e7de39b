"""The quick way through rows of which only is asked what went wrong in them.

Rows in which nothing but rounding can have happened add to a summary how many results they hold,
and nothing else. Of most of them the bounds of errors tell so; the others are measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max
from softmax_tool.bounds import NOT_CONVEX
from softmax_tool.row_sets import rows_of
from softmax_tool.summary import Summary
from softmax_tool.suspects import Suspects
from softmax_tool.tiling import Scratch, tiles
from softmax_tool.ulp import Ruler, errors_with_tails

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.screening import Limit, Screen

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

_SHORT = 32  # rows of so few classes are measured in less time than their bounds are made
_FEW = 16  # more than one result in so many are measured with the rest of their rows
# A true value that float64 does not settle may be below a power of two: its ULP is half as large.
_CLEAR = 0.49
_SOUND = 0.25  # what is off by less of a normal true value is neither 0 nor subnormal


def glance(
    screen: Screen, got: Array, stalled: Mask, limit: Limit | None, top: int
) -> tuple[Mask, Summary]:
    """Return which rows are plain, and their summary.

    Parameters
    ----------
    screen : Screen
        The rows, and what their results are measured by.
    got : array, shape (rows, classes)
        Results of all rows, in the carrier of the format.
    stalled : bool array, shape (rows,)
        Rows in which a sum stalled, so that an error of any size has a kind.
    limit : Limit or None
        The error bound of the formulation, if there is one.
    top : int
        How many worst cases a summary lists; plain rows have none.
    """
    plain = screen.promising() & ~stalled
    if not plain.any():
        return plain, Summary(top)
    doubtful = np.flatnonzero(plain & ~_is_told(screen, limit, got))
    if 2 * doubtful.size > len(got):  # true values of the block are asked for more than once
        plain[doubtful] = _measured_plain(screen, got)[doubtful]
    elif doubtful.size:
        plain[doubtful] = _measured_plain(screen.of_rows(doubtful), rows_of(got, doubtful))
    rows = int(np.count_nonzero(plain))
    elements = rows * screen.yardsticks.rows.reference.classes
    return plain, Summary(top, rows=rows, elements=elements, judged=elements)


def _is_told(screen: Screen, limit: Limit | None, got: Array) -> Mask:
    """Tell in which promising rows a bound, and a few errors, show that no result has a kind."""
    if limit is None or limit.bound in NOT_CONVEX:
        return np.zeros(len(got), bool)
    if got.shape[1] <= _SHORT or screen.yardsticks.max_ulp is not None:
        return np.zeros(len(got), bool)
    reach = _reach(screen, limit, got)
    told = np.asarray(reach < np.inf)[:, 0]
    near = told & (reach >= 0)[:, 0]
    if not near.any():
        return told
    extremes = screen.yardsticks.extremes
    with np.errstate(all="ignore"):
        least = np.where(near[:, None], extremes.maximum - reach, np.inf)
    rows, columns = np.divmod(extremes.not_below(least), got.shape[1])
    if rows.size > got.size // _FEW:
        told[rows] = False
        return told
    reference = screen.yardsticks.rows.reference.pick(rows, columns)
    true = reference.softmax if screen.quantity == "softmax" else reference.log_softmax
    errors = Ruler.of(true, screen.target).errors(got[rows, columns][:, None])[:, 0]
    told[rows[~(errors <= _CLEAR * screen.limits_at(rows, columns))]] = False
    return told


def _reach(screen: Screen, limit: Limit, got: Array) -> Array:
    """Return how far from a row's maximum results may have a kind, by the bound of their error.

    Nowhere is -1, anywhere infinity, (rows, 1). Further away the bound is not above the one that
    errors are held against, and below a part of the true value, so that no result is 0 or
    subnormal. Where something overflows, which bounds do not know of, no result is finite and
    not 0.

    As functions of the distance from the maximum both are convex: the chord of the first is above
    it, and a line below the second is known.
    """
    from softmax_tool.attempt import lines  # noqa: PLC0415  # small inputs do not come here

    norm = screen.norm
    same = limit.bound is norm.bound and limit.conditions is norm.conditions
    both = lines(screen, [limit] if same else [limit, norm])
    own, end = both[0], screen.yardsticks.samples.end[:, None]
    near, far = screen.least_and_most()
    with np.errstate(all="ignore"):
        slope = (own.highest - own.lowest) / end
        reach = _crossing(own.lowest - _SOUND * near, slope - _SOUND * (far - near) / end, end)
        if not same:
            norms = both[1]
            crossing = _crossing(own.lowest - norms.base, slope - norms.slope, end)
            reach = np.maximum(reach, crossing)
    first = got[:, :1]
    return np.where(np.isfinite(first) & (first != 0), reach, np.inf)


def _crossing(above: Array, rise: Array, end: Array) -> Array:
    """Return from where on lines stay at 0 or below: -1 if they begin there, infinity if not."""
    nowhere = (above <= 0) & (above + rise * end <= 0)
    return np.where(nowhere, -1.0, np.where(rise < 0, above / -rise, np.inf))


def _measured_plain(screen: Screen, got: Array) -> Mask:
    """Tell which promising rows have no result whose error has a kind."""
    ruler, limits = screen.ruler, screen.least_limits()
    finite = np.ones(len(got), bool)
    suspects = Suspects()
    distances, errors = Scratch(got.shape), Scratch(got.shape)
    with np.errstate(all="ignore"):
        for tile in tiles(got.shape):
            above = tile[0]
            y = ruler.exact.hi[tile]
            distance, error = distances.like(y), errors.like(y)
            np.copyto(distance, got[tile])
            np.subtract(distance, y, out=distance)
            if ruler.exact.tail is None:
                np.multiply(distance, ruler.scale[tile], out=error)
                np.abs(error, out=error)
            else:
                errors_with_tails(distance, ruler.scale[tile], y, ruler.exact.tail[tile], error)
            largest = row_max(error)
            if not (largest <= limits[above]).all():
                finite[above] &= np.isfinite(largest[:, 0])
                error[~finite[above]] = 0  # judged in any case
                places = np.flatnonzero(error > limits[above])
                row, column = np.divmod(places, error.shape[1])
                suspects.add(row + above.start, column + tile[1].start, error.reshape(-1)[places])
    beyond, _ = suspects.parted(screen.limits_at)
    finite[beyond.rows] = False
    return finite
