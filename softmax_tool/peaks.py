"""Where rows have their largest values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]

_A_LITTLE = 2.0**-22  # relatively, more than rounding to float32 takes away


class Peaks:
    """Gathers, tile by tile, where each row has its largest values: true ones, and some results.

    No row's largest value may be below `at_least`, (1 + results, rows, 1): smaller ones need no
    look.
    """

    def __init__(self, classes: int, at_least: Array) -> None:
        self._classes, self._largest = classes, at_least.copy()
        self._places = [[np.empty(0, np.intp)] for _ in at_least]
        self._values = [[np.empty(0, at_least.dtype)] for _ in at_least]

    def add(self, tile: Tile, true: Array, results: Sequence[Array], within: Sequence[float]) -> None:
        """Take a tile of the true values, rounded, and of results `within` so much of them."""
        top = np.maximum.reduce(true, axis=1, keepdims=True).astype(np.float64)
        reach = np.array([0.0, *within])[:, None, None] * (1 + _A_LITTLE) + _A_LITTLE * np.abs(top)
        below = top + reach < self._largest[:, tile[0]]
        if below.all():
            return
        for index in np.flatnonzero(~below.all(axis=(1, 2))).tolist():
            self._look(index, tile, results[index - 1] if index else true)

    def _look(self, index: int, tile: Tile, values: Array) -> None:
        largest, before = row_max(values), self._largest[index, tile[0]]
        if (largest < before).all():
            return
        np.maximum(before, largest, out=before)
        rows, columns = np.divmod(np.flatnonzero(values == before), values.shape[1])
        self._values[index].append(before[rows, 0])
        rows += tile[0].start
        self._places[index].append(rows * self._classes + columns + tile[1].start)

    def drop(self, indices: Collection[int]) -> None:
        """Forget some of the results."""
        left = [index for index in range(len(self._places)) if index not in indices]
        self._largest = self._largest[left]
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
