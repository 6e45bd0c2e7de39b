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

    No row's largest value may be below `at_least`, (1 + results, rows, 1): where true values show
    that none of a tile reaches that, results need no look.
    """

    def __init__(self, classes: int, at_least: Array) -> None:
        self._classes, self._at_least = classes, at_least.astype(np.float64)
        self._places: list[Indices] = []
        self._values: list[list[Array]] = [[] for _ in at_least]

    def add(
        self, tile: Tile, true: Array, results: Sequence[Array], within: Sequence[float]
    ) -> None:
        """Take a tile of the true values, rounded, and of results `within` so much of them."""
        top = row_max(true)
        reach = np.array([0.0, *within])[:, None, None]
        floor = (self._at_least[:, tile[0]] - reach * (1 + _A_LITTLE)).min(axis=0)
        floor = (floor - _A_LITTLE * np.abs(floor)).astype(np.float32)
        if (top < floor).all():
            return
        places = np.flatnonzero(true >= floor)
        rows, columns = np.divmod(places, true.shape[1])
        self._places.append((rows + tile[0].start) * self._classes + columns + tile[1].start)
        for found, values in zip(self._values, [true, *results], strict=True):
            found.append(values.reshape(-1)[places])

    def drop(self, indices: Collection[int]) -> None:
        """Forget some of the results."""
        left = [index for index in range(len(self._values)) if index not in indices]
        self._at_least = self._at_least[left]
        self._values = [self._values[index] for index in left]

    def places(self) -> list[Indices]:
        """Return for each the places of the largest, counted through the rows, by row."""
        places = np.concatenate(self._places)
        starts = np.flatnonzero(np.diff(places // self._classes, prepend=-1))
        counts = np.diff(starts, append=len(places))
        found = []
        for some in self._values:
            values = np.concatenate(some)
            largest = np.maximum.reduceat(values, starts)
            found.append(places[values == np.repeat(largest, counts)])
        return found


def changed_rows(mine: Indices, true: Indices, classes: int) -> int:
    """Count rows that have their largest values in other places than they should."""
    if np.array_equal(mine, true):
        return 0
    return np.unique(np.setxor1d(mine, true, assume_unique=True) // classes).size
