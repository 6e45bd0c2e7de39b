"""Blocks of rows cut into tiles that stay in a core's own cache, and scratch to work on them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

    Tile = tuple[slice, slice]

# 256 kB of float64: long enough that NumPy's own cost of a call does not show, and a handful of
# such arrays fit a second-level cache.
TILE = 1 << 15


def tiles(shape: tuple[int, ...], elements: int = TILE) -> Iterator[Tile]:
    """Cut (rows, classes) into tiles of whole rows, or of one row where rows are long."""
    rows, classes = shape
    height, width = max(1, elements // max(classes, 1)), min(classes, elements)
    for top in range(0, rows, height):
        for left in range(0, classes, width):
            yield slice(top, min(top + height, rows)), slice(left, min(left + width, classes))


class Scratch:
    """One array that is written again and again, in the shape of each tile of a block's shape."""

    def __init__(
        self, shape: tuple[int, ...], dtype: DTypeLike = np.float64, elements: int = TILE
    ) -> None:
        self._flat = aligned.empty((min(shape[0] * shape[1], elements),), dtype)

    def like(self, tile: NDArray[Any]) -> NDArray[Any]:
        """Return the part of it that has the shape of a tile."""
        return self._flat[: tile.size].reshape(tile.shape)
