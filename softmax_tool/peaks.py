"""Where rows have their largest values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Indices = NDArray[np.intp]


def largest_of_rows(places: Indices, some: Iterable[Array], classes: int) -> list[Indices]:
    """Return for each of `some` values where rows have their largest.

    Places are counted through the rows and in order, a few of every row; all values are of them.
    """
    starts = np.flatnonzero(np.diff(places // classes, prepend=-1))
    counts = np.diff(starts, append=len(places))
    found = []
    for values in some:
        largest = np.maximum.reduceat(values, starts)
        found.append(places[values == np.repeat(largest, counts)])
    return found


def changed_rows(mine: Indices, true: Indices, classes: int) -> int:
    """Count rows that have their largest values in other places than they should."""
    if np.array_equal(mine, true):
        return 0
    return np.unique(np.setxor1d(mine, true, assume_unique=True) // classes).size
