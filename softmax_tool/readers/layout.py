"""Where the rows of an array of any rank and order lie, and reading boxes of it from a file."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.frozen import frozen
from softmax_tool.readers.origin import fill_array

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

    Box = tuple[slice, ...]

# Rows that lie scattered are read ahead until this many bytes are at hand.
READ_AHEAD = 8 << 20
# A hole in a file costs the time of a copy when it is read over, and a system call when it is
# skipped: about equal at this many bytes.
_WORTH_SKIPPING = 8 << 10
_WINDOW = 1 << 20


@frozen
class Layout:
    """The shape of an array, its class axis (not negative), and the order it is stored in."""

    shape: tuple[int, ...]
    axis: int
    fortran: bool = False

    @property
    def classes(self) -> int:
        """Length of the class axis."""
        return self.shape[self.axis]

    @property
    def other_axes(self) -> tuple[int, ...]:
        """All axes but that of the classes: the rows run over them in C order."""
        return tuple(axis for axis in range(len(self.shape)) if axis != self.axis)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return prod(self.shape[axis] for axis in self.other_axes)

    @property
    def stored_axes(self) -> tuple[int, ...]:
        """The axes in the order in which a file holds them, the slowest first."""
        axes = tuple(range(len(self.shape)))
        return axes[::-1] if self.fortran else axes

    @property
    def rows_are_consecutive(self) -> bool:
        """Whether the file holds row after row, each in one piece."""
        logical = (*self.other_axes, self.axis)
        return _longer_than_one(self.stored_axes, self.shape) == _longer_than_one(
            logical, self.shape
        )


def boxes(layout: Layout, rows: int) -> Iterator[Box]:
    """Cut an array into boxes of consecutive rows, at most `rows` in each, in order of the rows.

    Each box is a tuple of slices, one for each axis; the class axis is always whole.
    """
    axes = layout.other_axes
    lengths = [layout.shape[axis] for axis in axes]
    # The first axis whose steps are not more than `rows` rows is the one that is cut; those
    # before it advance one by one, those after it stay whole.
    cut = next(
        (place for place in range(len(axes)) if prod(lengths[place + 1 :]) <= rows), len(axes)
    )
    if cut == len(axes):
        yield tuple(slice(0, length) for length in layout.shape)
        return
    step = max(1, rows // prod(lengths[cut + 1 :]))
    box = [slice(0, length) for length in layout.shape]
    for outer in np.ndindex(*lengths[:cut]):
        for axis, place in zip(axes[:cut], outer, strict=True):
            box[axis] = slice(place, place + 1)
        for start in range(0, lengths[cut], step):
            box[axes[cut]] = slice(start, min(start + step, lengths[cut]))
            yield tuple(box)


def rows_of(box: NDArray[Any], axis: int) -> NDArray[Any]:
    """The rows of a box: C-contiguous, shape (rows, classes)."""
    return np.ascontiguousarray(np.moveaxis(box, axis, -1)).reshape(-1, box.shape[axis])


@frozen
class StoredArray:
    """An array of any layout in a file that can seek; `start` is its first byte."""

    stream: BinaryIO
    name: str
    start: int
    dtype: np.dtype[Any]
    layout: Layout

    def rows(self, rows: int) -> Iterator[NDArray[Any]]:
        """Yield the rows, wherever they lie, at most `rows` at a time, in fresh buffers."""
        layout = self.layout
        ahead = max(rows, READ_AHEAD // (layout.classes * self.dtype.itemsize))
        stored = layout.stored_axes
        shape = tuple(layout.shape[axis] for axis in stored)
        for box in boxes(layout, ahead):
            ranges = tuple(box[axis] for axis in stored)
            part = np.empty(tuple(one.stop - one.start for one in ranges), self.dtype)
            self._read_box(self.start, shape, ranges, part)
            chunk = rows_of(np.transpose(part, np.argsort(stored)), layout.axis)
            del part
            if len(chunk) <= rows:
                yield chunk
                continue
            for first in range(0, len(chunk), rows):
                # A copy, so that a block that is kept does not keep the whole chunk.
                yield chunk[first : first + rows].copy()

    def _read_box(
        self, start: int, shape: tuple[int, ...], ranges: Box, into: NDArray[Any]
    ) -> None:
        itemsize = into.dtype.itemsize
        steps = [prod(shape[place + 1 :]) * itemsize for place in range(len(shape))]
        pairs = list(zip(ranges, steps, strict=True))
        first = start + sum(one.start * step for one, step in pairs)
        span = itemsize + sum((one.stop - 1 - one.start) * step for one, step in pairs)
        if span == into.nbytes:
            self._read_at(first, into)
        elif span <= _WINDOW:
            window = np.empty(span, np.uint8)
            self._read_at(first, window)
            into[...] = np.ndarray(into.shape, into.dtype, window.data, strides=steps)
        elif steps[0] <= _WORTH_SKIPPING:
            together = _WINDOW // steps[0]
            begin, end = ranges[0].start, ranges[0].stop
            for place in range(begin, end, together):
                upto = min(place + together, end)
                within = (slice(place, upto), *ranges[1:])
                self._read_box(start, shape, within, into[place - begin : upto - begin])
        else:
            for place, target in enumerate(into, ranges[0].start):
                self._read_box(start + place * steps[0], shape[1:], ranges[1:], target)

    def _read_at(self, position: int, into: NDArray[Any]) -> None:
        self.stream.seek(position)
        if fill_array(self.stream, into) < into.nbytes:
            raise InputError(f"{self.name}: became shorter while it was read")


def _longer_than_one(axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis for axis in axes if shape[axis] > 1)
