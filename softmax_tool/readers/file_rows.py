"""Rows of an NPY file that have not been read yet, which any process can do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

from softmax_tool.errors import InputError
from softmax_tool.frozen import frozen
from softmax_tool.readers.log import ReadLog
from softmax_tool.readers.npy import exact, room
from softmax_tool.readers.origin import fill_array, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

    from softmax_tool.readers.layout import Layout
    from softmax_tool.readers.npy import Header, Numbers
    from softmax_tool.readers.origin import Origin, Stamp

    Array = NDArray[Any]


@frozen
class FileRows:
    """Consecutive rows that a file holds in one piece; `start` counts the rows before them."""

    path: str
    name: str
    stamp: Stamp
    offset: int  # bytes before them
    start: int
    count: int
    classes: int
    numbers: Numbers

    def read(self) -> tuple[Array, Array | None, ReadLog]:
        """Return the logits; there are no labels beside them, and nothing to notice.

        Raises
        ------
        InputError
            The file is not what it was, or holds an integer that is too large.
        """
        part = room(self.name, self.count, self.classes, self.numbers.stored)
        with reading(self.name), io.FileIO(self.path) as file:
            stream = cast("BinaryIO", file)
            stream.seek(self.offset)
            got = fill_array(stream, part)
            if got < part.nbytes:
                raise InputError(f"{self.name}: became shorter while it was read")
            self.stamp.check(stream, self.name)
        return exact(part, self.numbers, self.name, self.start), None, ReadLog()


def file_rows(
    origin: Origin, header: Header, numbers: Numbers, layout: Layout, rows: int
) -> Iterator[FileRows]:
    """Yield all rows of a file on disk whose rows are consecutive, at most `rows` at a time."""
    assert origin.stamp is not None  # noqa: S101  (the caller has looked)
    row_bytes = layout.classes * numbers.stored.itemsize
    for start in range(0, layout.rows, rows):
        yield FileRows(
            origin.path,
            origin.name,
            origin.stamp,
            header.data_start + start * row_bytes,
            start,
            min(rows, layout.rows - start),
            layout.classes,
            numbers,
        )
