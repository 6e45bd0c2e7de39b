"""The kinds of part a table is made of: an NPY array, a text file, an array in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool.frozen import frozen
from softmax_tool.ignored import IGNORED_LABEL
from softmax_tool.readers.classes import LabelColumn
from softmax_tool.readers.csv import parsed_batches, text_rows
from softmax_tool.readers.file_rows import file_rows
from softmax_tool.readers.layout import Layout, boxes, rows_of
from softmax_tool.readers.npy import Header, Numbers, array_chunks, exact
from softmax_tool.readers.portions import ReadRows
from softmax_tool.readers.text_rows import joined, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.readers.dialect import Dialect
    from softmax_tool.readers.log import ReadLog
    from softmax_tool.readers.origin import Origin
    from softmax_tool.readers.portions import Rows
    from softmax_tool.readers.table import Chunk

TEXT = "text"


@frozen
class ArrayPart:
    """An array in a file: NPY, a member of an NPZ, or a text table spooled for its columns."""

    origin: Origin
    header: Header
    numbers: Numbers
    layout: Layout
    stored_dtype: str
    column_names: tuple[str, ...] | None = None
    # What was noticed while a text table was spooled.
    noticed: ReadLog | None = None

    @property
    def path(self) -> str:
        return self.origin.path

    @property
    def name(self) -> str:
        return self.origin.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.layout.shape

    @property
    def axis(self) -> int:
        return self.layout.axis

    @property
    def classes(self) -> int:
        return self.layout.classes

    @property
    def single_row(self) -> bool:
        return self.layout.rows == 1

    @property
    def label_path(self) -> None:
        return None

    @property
    def text_bytes(self) -> None:
        return None

    def chunks(self, rows: int, log: ReadLog) -> Iterator[Chunk]:
        if self.noticed is not None:
            log.extend(self.noticed)
        for part in array_chunks(self.origin, self.header, self.numbers, self.layout, rows):
            yield part, None

    def portions(self, rows: int, log: ReadLog) -> Iterator[Rows]:
        if self.origin.stamp is not None and self.layout.rows_are_consecutive:
            return file_rows(self.origin, self.header, self.numbers, self.layout, rows)
        return (ReadRows(*chunk) for chunk in self.chunks(rows, log))


@frozen
class TextPart:
    """A text file whose lines are the rows; `label_column` is the place of the labels in it."""

    origin: Origin
    dialect: Dialect
    label_column: int | None = None
    label_name: str | None = None
    ignore_index: int = IGNORED_LABEL

    @property
    def path(self) -> str:
        return self.origin.path

    @property
    def name(self) -> str:
        return self.origin.name

    @property
    def shape(self) -> None:
        return None

    @property
    def axis(self) -> int:
        return 1

    @property
    def classes(self) -> int:
        return self.dialect.columns - (self.label_column is not None)

    @property
    def single_row(self) -> bool:
        return self.dialect.single_row

    @property
    def stored_dtype(self) -> str:
        return TEXT

    @property
    def column_names(self) -> tuple[str, ...] | None:
        names = self.dialect.names
        if names is None or self.label_column is None:
            return names
        return names[: self.label_column] + names[self.label_column + 1 :]

    @property
    def label_path(self) -> str | None:
        return None if self.label_name is None else f"{self.path}:{self.label_name}"

    @property
    def text_bytes(self) -> int | None:
        return self.origin.size

    def chunks(self, rows: int, log: ReadLog) -> Iterator[Chunk]:
        column = self._column
        read = parsed_batches(self.origin, self.dialect, log, column)
        return _regrouped((split(batch, column, self.name) for batch in read), rows)

    def portions(self, rows: int, log: ReadLog) -> Iterator[Rows]:
        return text_rows(self.origin, self.dialect, rows, log, self._column)

    @property
    def _column(self) -> LabelColumn | None:
        if self.label_column is None:
            return None
        return LabelColumn(self.label_column, self.classes, self.ignore_index)


@frozen
class MemoryPart:
    """An array in memory."""

    name: str
    array: NDArray[Any]
    numbers: Numbers
    layout: Layout

    @property
    def path(self) -> str:
        return self.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.layout.shape

    @property
    def axis(self) -> int:
        return self.layout.axis

    @property
    def classes(self) -> int:
        return self.layout.classes

    @property
    def single_row(self) -> bool:
        return self.layout.rows == 1

    @property
    def stored_dtype(self) -> str:
        return self.numbers.name

    @property
    def column_names(self) -> None:
        return None

    @property
    def label_path(self) -> None:
        return None

    @property
    def text_bytes(self) -> None:
        return None

    def chunks(self, rows: int, log: ReadLog) -> Iterator[Chunk]:  # noqa: ARG002
        for part in memory_rows(self.array, self.layout, rows):
            yield exact(part, self.numbers, self.name, 0), None

    def portions(self, rows: int, log: ReadLog) -> Iterator[Rows]:
        return (ReadRows(*chunk) for chunk in self.chunks(rows, log))


def memory_rows(array: NDArray[Any], layout: Layout, rows: int) -> Iterator[NDArray[Any]]:
    """The rows of an array in memory, at most `rows` at a time, without a copy where possible."""
    for box in boxes(layout, rows):
        yield rows_of(array[box], layout.axis)


def _regrouped(chunks: Iterator[Chunk], rows: int) -> Iterator[Chunk]:
    """The same rows in blocks of exactly `rows`, but for the last."""
    pending: list[Chunk] = []
    held = 0
    for logits, labels in chunks:
        first = 0
        while first < len(logits):
            upto = first + min(rows - held, len(logits) - first)
            pending.append((logits[first:upto], None if labels is None else labels[first:upto]))
            held += upto - first
            first = upto
            if held == rows:
                yield joined(pending)
                pending, held = [], 0
    if held:
        yield joined(pending)
