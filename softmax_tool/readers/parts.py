"""The kinds of part a table is made of: an NPY array, a text file, an array in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.readers.csv import ReadLog, parsed_batches, parser_count
from softmax_tool.readers.labels import checked_classes, line_place
from softmax_tool.readers.layout import Layout, boxes, rows_of
from softmax_tool.readers.npy import Header, Numbers, array_chunks, exact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.readers.csv import Parsed
    from softmax_tool.readers.dialect import Dialect
    from softmax_tool.readers.origin import Origin
    from softmax_tool.readers.table import Chunk

TEXT = "text"


@dataclass(frozen=True, slots=True)
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

    @property
    def parsers(self) -> int:
        return 0

    def chunks(self, rows: int, log: ReadLog) -> Iterator[Chunk]:
        if self.noticed is not None:
            log.extend(self.noticed)
        for part in array_chunks(self.origin, self.header, self.numbers, self.layout, rows):
            yield part, None


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text file whose lines are the rows; `label_column` is the place of the labels in it."""

    origin: Origin
    dialect: Dialect
    label_column: int | None = None
    label_name: str | None = None
    ignore_index: int = -100
    threads: int = 1

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

    @property
    def parsers(self) -> int:
        return parser_count(self.origin, self.threads)

    def chunks(self, rows: int, log: ReadLog) -> Iterator[Chunk]:
        parsed = parsed_batches(self.origin, self.dialect, log, self.label_column, self.threads)
        return _regrouped((self._split(batch) for batch in parsed), rows)

    def _split(self, parsed: Parsed) -> Chunk:
        if self.label_column is None:
            return parsed.values, None
        labels = checked_classes(
            parsed.values[:, self.label_column],
            self.classes,
            self.ignore_index,
            partial(line_place, self.name, parsed),
        )
        return np.delete(parsed.values, self.label_column, axis=1), labels


@dataclass(frozen=True, slots=True)
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

    @property
    def parsers(self) -> int:
        return 0

    def chunks(self, rows: int, log: ReadLog) -> Iterator[Chunk]:  # noqa: ARG002
        for part in memory_rows(self.array, self.layout, rows):
            yield exact(part, self.numbers, self.name, 0), None


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
                yield _joined(pending)
                pending, held = [], 0
    if held:
        yield _joined(pending)


def _joined(pending: list[Chunk]) -> Chunk:
    # Always a copy: a part of a batch that a block kept would keep the whole batch.
    logits = np.concatenate([logits for logits, _ in pending])
    logits.setflags(write=False)
    columns = [labels for _, labels in pending if labels is not None]
    if not columns:
        return logits, None
    labels = np.concatenate(columns)
    labels.setflags(write=False)
    return logits, labels
