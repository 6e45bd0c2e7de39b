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
from softmax_tool.ulp import errors_with_tails

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.screening import Limit, Screen

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

_SHORT = 32  # rows of so few classes are measured as soon as their bounds are evaluated
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
    told = plain.any() and got.shape[1] > _SHORT and screen.yardsticks.max_ulp is None
    if told and limit is not None and limit.bound not in NOT_CONVEX:
        rows = np.flatnonzero(plain & ~_are_bounded(screen, limit, got))
    else:
        rows = np.flatnonzero(plain)
    if rows.size == len(got):
        plain = _measured_plain(screen, got)
    elif rows.size:
        plain[rows] = _measured_plain(screen.of_rows(rows), rows_of(got, rows))
    count = int(np.count_nonzero(plain))
    elements = count * screen.yardsticks.rows.reference.classes
    return plain, Summary(top, rows=count, elements=elements, judged=elements)


def _are_bounded(screen: Screen, limit: Limit, got: Array) -> Mask:
    """Tell in which promising rows no result can have a kind, by the bound of its error.

    That bound is nowhere above the one that errors are held against, and below a part of every true
    value, so that no result is 0 or subnormal. Where something overflows, which bounds do not know
    of, no result is finite and not 0.

    As functions of the distance from the row's maximum both are convex: the chord of the first is
    above it, a line below the second is known, and beside the true values the first is largest at
    one of the ends.
    """
    from softmax_tool.attempt import lines  # noqa: PLC0415  # small inputs do not come here

    norm = screen.norm
    both = lines(screen, [limit, norm])
    own, norms = both[0], both[1]
    near, far = screen.least_and_most()
    with np.errstate(all="ignore"):
        sound = (own.lowest <= _SOUND * near) & (own.highest <= _SOUND * far)
        if limit.bound is not norm.bound or limit.conditions is not norm.conditions:
            at_end = norms.base + norms.slope * screen.yardsticks.samples.end[:, None]
            sound &= (own.lowest <= norms.base) & (own.highest <= at_end)
    first = got[:, :1]
    return np.asarray((sound & np.isfinite(first) & (first != 0))[:, 0])


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
