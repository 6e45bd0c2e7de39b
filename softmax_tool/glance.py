"""The quick way through rows of which only is asked what went wrong in them.

Rows in which nothing but rounding can have happened add to a summary how many results they hold,
how many of these are right, and how far the others are off at most. Nothing else is added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max
from softmax_tool.distinct import count
from softmax_tool.summary import Summary
from softmax_tool.suspects import Suspects
from softmax_tool.tiling import Scratch, tiles
from softmax_tool.ulp import UlpStatistics, errors_with_tails

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.screening import Screen

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


def glance(screen: Screen, got: Array, stalled: Mask, top: int) -> tuple[Mask, Summary]:
    """Return which rows are plain, and their summary.

    Parameters
    ----------
    screen : Screen
        The rows, and what their results are measured by.
    got : array, shape (rows, classes)
        Results of all rows, in the carrier of the format.
    stalled : bool array, shape (rows,)
        Rows in which a sum stalled, so that an error of any size has a kind.
    top : int
        How many worst cases a summary lists; plain rows have none.
    """
    plain = screen.promising() & ~stalled
    if not plain.any():
        return plain, Summary(top)
    ruler, limits = screen.ruler, screen.least_limits()
    largest = np.zeros((len(got), 1))
    suspects = Suspects()
    distances, errors = Scratch(got.shape), Scratch(got.shape)
    with np.errstate(all="ignore"):
        for tile in tiles(got.shape):
            above = tile[0]
            if not plain[above].any():
                continue
            y = ruler.exact.hi[tile]
            distance, error = distances.like(y), errors.like(y)
            np.copyto(distance, got[tile])
            np.subtract(distance, y, out=distance)
            if ruler.exact.tail is None:
                np.multiply(distance, ruler.scale[tile], out=error)
                np.abs(error, out=error)
            else:
                errors_with_tails(distance, ruler.scale[tile], y, ruler.exact.tail[tile], error)
            largest[above] = np.maximum(largest[above], row_max(error))
            if not (largest[above] <= limits[above]).all():
                error[~(plain & np.isfinite(largest[:, 0]))[above]] = 0  # judged in any case
                places = np.flatnonzero(error > limits[above])
                row, column = np.divmod(places, error.shape[1])
                suspects.add(row + above.start, column + tile[1].start, error.reshape(-1)[places])
    plain &= np.isfinite(largest[:, 0])
    beyond, _ = suspects.parted(screen.limits_at)
    plain[beyond.rows] = False
    rows = screen.yardsticks.rows
    weights = None if rows.weights is None else rows.weights[plain]
    right = (got == ruler.rounded)[plain]
    elements = int(np.count_nonzero(plain)) * rows.reference.classes
    summary = Summary(
        top,
        rows=int(np.count_nonzero(plain)),
        elements=elements,
        judged=elements,
        correctly_rounded=count(right, weights),
        ulp=UlpStatistics(largest=float(largest[plain].max(initial=0.0))),
    )
    return plain, summary
