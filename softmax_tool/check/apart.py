"""Elements whose error is not that of their row.

A sum over many classes may be off by hundreds of ULP, and so are, by one and the same factor, all
elements of its row. What a single element is off beside that has no such excuse.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max, row_min
from softmax_tool.check.careful import log_softmax_bound, softmax_bound
from softmax_tool.formats import FLOAT32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.bounds import Conditions
    from softmax_tool.tally import Results

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_SEVERAL = 16  # of fewer elements none is the row's


def apart(results: Results, conditions: Conditions) -> Mask:
    """Return the elements that are further from their row's median error than careful ones can be.

    With b the bound of an element as if the sum were exact, relative for softmax and absolute for
    log-softmax: a careful element is within b of the error that its row has in common, and so is
    the median, by the largest b of the row. Results in narrower formats keep their sums in wider
    ones, and need none of this.
    """
    got, exact, target = results.got, results.exact.hi, results.target
    nothing = np.zeros(got.shape, bool)
    if target.precision < FLOAT32.precision or got.shape[1] < _SEVERAL:
        return nothing
    alone = replace(conditions, sum_constant=0.0)
    least = target.smallest_normal / target.unit_roundoff  # below, what underflows counts
    usable = results.judged.counted & np.isfinite(got) & (np.abs(exact) > least)
    with np.errstate(all="ignore"):
        if results.quantity == "softmax":
            error, own = got / exact - 1, softmax_bound(alone) / exact
        else:
            error, own = got - exact, log_softmax_bound(alone)
        found, rows = nothing, _doubtful(error, own, usable)
        if rows.size:
            among, limit = usable[rows], own[rows]
            limit = limit + row_max(np.where(among, limit, -np.inf))
            off = np.abs(error[rows] - _medians(error[rows], among))
            found[rows] = among & (off > limit)
    return found


def _medians(values: Array, among: Mask) -> Array:
    """Return the median of some elements of each row, at least one, (rows, 1)."""
    count = np.count_nonzero(among, axis=1)[:, None]
    middle = np.concatenate([(count - 1) // 2, count // 2], axis=1)
    parted = np.partition(np.where(among, values, np.inf), np.unique(middle), axis=1)
    return np.asarray(np.take_along_axis(parted, middle, axis=1).mean(axis=1, keepdims=True))


def _doubtful(error: Array, own: Array, usable: Mask) -> Indices:
    """Return the rows whose errors are further apart than the least limit of an element."""
    spread = row_max(np.where(usable, error, -np.inf)) - row_min(np.where(usable, error, np.inf))
    least = row_min(np.where(usable, own, np.inf)) + row_max(np.where(usable, own, -np.inf))
    several = np.count_nonzero(usable, axis=1) >= _SEVERAL
    return np.flatnonzero(several & ~(spread <= least)[:, 0])
