"""Where rows have their largest values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]


class Peaks:
    """Gathers, tile by tile, where several results of a block have each row's largest values.

    No row's largest value may be below `at_least`, (results, rows, 1): smaller ones need no look.
    """

    def __init__(self, classes: int, at_least: Array) -> None:
        self._classes, self._largest = classes, at_least.copy()
        self._of_tile = np.empty_like(at_least)
        self._places = [[np.empty(0, np.intp)] for _ in at_least]
        self._values = [[np.empty(0, at_least.dtype)] for _ in at_least]

    def add(self, tile: Tile, results: Sequence[Array]) -> list[int]:
        """Take the values of a tile of each; return those that hold NaN."""
        rows = tile[0]
        largest, before = self._of_tile[:, rows], self._largest[:, rows]
        for values, of_rows in zip(results, largest, strict=True):
            np.maximum.reduce(values, axis=1, keepdims=True, out=of_rows)
        below = largest < before
        if below.all():
            return []
        with_nan = []
        for index in np.flatnonzero(~below.all(axis=(1, 2))).tolist():
            if np.isnan(largest[index]).any():
                with_nan.append(index)
            else:
                np.maximum(before[index], largest[index], out=before[index])
                self._find(index, tile, results[index], before[index])
        return with_nan

    def _find(self, index: int, tile: Tile, values: Array, largest: Array) -> None:
        rows, columns = np.divmod(np.flatnonzero(values == largest), values.shape[1])
        self._values[index].append(largest[rows, 0])
        rows += tile[0].start
        self._places[index].append(rows * self._classes + columns + tile[1].start)

    def drop(self, indices: Collection[int]) -> None:
        """Forget some of the results."""
        left = [index for index in range(len(self._places)) if index not in indices]
        self._largest, self._of_tile = self._largest[left], self._of_tile[left]
        self._places = [self._places[index] for index in left]
        self._values = [self._values[index] for index in left]

    def places(self) -> list[Indices]:
        """Return for each the places of the largest, counted through the rows, by row."""
        found = []
        for index, largest in enumerate(self._largest):
            places = np.concatenate(self._places[index])
            values = np.concatenate(self._values[index])
            found.append(places[values == largest[places // self._classes, 0]])
        return found


def changed_rows(mine: Indices, true: Indices, classes: int) -> int:
    """Count rows that have their largest values in other places than they should."""
    if np.array_equal(mine, true):
        return 0
    return np.unique(np.setxor1d(mine, true, assume_unique=True) // classes).size
