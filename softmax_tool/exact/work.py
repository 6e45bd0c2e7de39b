"""Where the double-double reference works: pieces of a block, and arrays written again for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Tile = tuple[slice, slice]

PIECE = 1 << 13
"""Elements of a piece: a dozen arrays of 64 kB are at home in the second-level cache."""
SHORT = 256
"""Rows of fewer classes are worked on class by class, so that loops run along the rows."""


def pieces(shape: tuple[int, ...]) -> Iterator[Tile]:
    """Cut (rows, classes) into pieces of whole rows, or of one row where rows are long."""
    rows, classes = shape
    height, width = max(1, PIECE // max(classes, 1)), min(classes, PIECE)
    for top in range(0, rows, height):
        for left in range(0, classes, width):
            yield slice(top, min(top + height, rows)), slice(left, min(left + width, classes))


class Work:
    """Some arrays of float64, given out in the shape of each piece; one thread's own."""

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        self._order = 1 if shape[1] >= SHORT else -1
        self._flat = [np.empty(min(shape[0] * shape[1], PIECE)) for _ in range(count)]

    def like(self, piece: Array) -> list[Array]:
        """Return the arrays as (rows, classes) of a piece, in the order in memory that is fast."""
        shape = piece.shape[:: self._order]
        flat = (array[: piece.size].reshape(shape) for array in self._flat)
        return list(flat) if self._order > 0 else [array.T for array in flat]
