"""Where rows have their largest values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Indices = NDArray[np.intp]


def rank_changes(rows: Indices, values: Array, count: int) -> list[int]:
    """Count, for each of some values but the first, rows that have their largest elsewhere than it.

    Values, (some, places), are of a few places of each of so many rows; of which, is told in order.
    """
    starts = np.searchsorted(rows, np.arange(count))
    leads = values == np.maximum.reduceat(values, starts, axis=1)[:, rows]
    differs = leads[1:] != leads[0]
    if not differs.any():
        return [0] * len(differs)
    changed = np.logical_or.reduceat(differs, starts, axis=1)
    return [int(number) for number in np.count_nonzero(changed, axis=1)]


def leaders_by_row(rows: Indices, values: Array, count: int) -> Indices:
    """Return how many values of each row are its largest, (count,); of a few places of each."""
    largest = np.maximum.reduceat(values, np.searchsorted(rows, np.arange(count)))
    return np.bincount(rows[values == largest[rows]], minlength=count)


def changed_rows(mine: Indices, true: Indices, classes: int) -> int:
    """Count rows that have their largest values in other places than they should."""
    if np.array_equal(mine, true):
        return 0
    rows = np.setxor1d(mine, true, assume_unique=True) // classes  # sorted
    return 1 + int(np.count_nonzero(np.diff(rows)))
