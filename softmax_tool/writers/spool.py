"""An array on its way to a file: its values in row order in a file of their own, read in pieces."""

from __future__ import annotations

import mmap
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

PIECE_BYTES = 1 << 22
"""How much of an array is in memory while it is copied to its place."""


@dataclass(slots=True)
class Spool:
    """One array: blocks of rows, the class axis last, as raw values from byte `start` of a file.

    What the system says where it does not take them is told as `storing` tells it.
    """

    dtype: np.dtype[Any]
    file: IO[bytes]
    storing: Callable[[], AbstractContextManager[None]]
    start: int = 0
    block_rank: int = 0
    rows: int = 0

    def write(self, start_row: int, block: NDArray[Any]) -> None:
        """Take the next block: (rows, classes), (rows,) for a loss per row, () for one number."""
        if not self.rows:
            self.file.seek(self.start)
        self.block_rank = block.ndim
        if block.ndim:
            if start_row != self.rows:
                raise ValueError(f"block of row {start_row} where row {self.rows} was due")
            self.rows += len(block)
        with self.storing():
            self.file.write(np.ascontiguousarray(block, dtype=self.dtype).data)

    def is_in_order(self, shape: tuple[int, ...], axis: int) -> bool:
        """Whether the values lie as they are to be: the class axis, if there is one, is last."""
        return self.block_rank < 2 or axis % len(shape) == len(shape) - 1

    def array(self, shape: tuple[int, ...], axis: int) -> NDArray[Any]:
        """The whole array, mapped into memory and read-only, the class axis where it belongs."""
        return self._mapped(shape, axis)[0]

    def pieces(self, shape: tuple[int, ...], axis: int) -> Iterator[NDArray[Any]]:
        """Yield the elements in C order, as contiguous parts; no more than one is in memory."""
        array, forget = self._mapped(shape, axis)
        for piece in pieces(array, PIECE_BYTES):
            yield piece
            forget()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self.file.close()

    def _mapped(
        self, shape: tuple[int, ...], axis: int
    ) -> tuple[NDArray[Any], Callable[[], object]]:
        with self.storing():
            self.file.flush()
        if 0 in shape:
            return np.empty(shape, self.dtype), lambda: None
        mapping = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        values = np.frombuffer(mapping, self.dtype, offset=self.start)
        forget = partial(_forget, mapping)
        if self.block_rank < 2:
            return values.reshape(shape), forget
        axis %= len(shape)
        rows_first = (*shape[:axis], *shape[axis + 1 :], shape[axis])
        return np.moveaxis(values.reshape(rows_first), -1, axis), forget


def pieces(array: NDArray[Any], limit: int) -> Iterator[NDArray[Any]]:
    """Yield the elements of an array in C order as contiguous parts of at most `limit` bytes."""
    if array.ndim == 0 or array.nbytes <= limit:
        yield np.ascontiguousarray(array)
        return
    lines = max(1, limit // (array.nbytes // len(array)))
    for start in range(0, len(array), lines):
        part = array[start : start + lines]
        if part.nbytes > limit and len(part) == 1 and part.ndim > 1:
            yield from pieces(part[0], limit)
        else:
            yield np.ascontiguousarray(part)


def _forget(mapping: mmap.mmap) -> None:
    """Let go of the pages that have been read, where the system can be told."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
