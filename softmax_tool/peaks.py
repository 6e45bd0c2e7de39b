"""Where rows have their largest values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]


class Peaks:
    """Gathers, tile by tile, where each row of a block has its largest values.

    No row's largest value may be below `at_least`, (rows, 1): smaller ones need no look.
    """

    def __init__(self, classes: int, at_least: Array) -> None:
        self._classes, self._largest = classes, at_least.copy()
        self._places = [np.empty(0, np.intp)]
        self._values = [np.empty(0, at_least.dtype)]

    def add(self, tile: Tile, values: Array) -> bool:
        """Take the values of a tile; say no where one of them is NaN."""
        largest = row_max(values)
        before = self._largest[tile[0]]
        if not (largest < before).all():
            if np.isnan(largest).any():
                return False
            np.maximum(before, largest, out=before)
            rows, columns = np.divmod(np.flatnonzero(values == before), values.shape[1])
            self._values.append(before[rows, 0])
            rows += tile[0].start
            self._places.append(rows * self._classes + columns + tile[1].start)
        return True

    def places(self) -> Indices:
        """Return the places of the largest values, counted through the rows, ascending by row."""
        places, values = np.concatenate(self._places), np.concatenate(self._values)
        return np.asarray(places[values == self._largest[places // self._classes, 0]])


def changed_rows(mine: Indices, true: Indices, classes: int) -> int:
    """Count rows that have their largest values in other places than they should."""
    if np.array_equal(mine, true):
        return 0
    return np.unique(np.setxor1d(mine, true, assume_unique=True) // classes).size
