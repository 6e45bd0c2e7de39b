"""Rows of a text file that have not been parsed yet, which any process can do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen
from softmax_tool.readers.classes import checked_classes, line_place
from softmax_tool.readers.log import ReadLog
from softmax_tool.readers.parsing import overflows, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from softmax_tool.readers.classes import LabelColumn
    from softmax_tool.readers.lines import Batch
    from softmax_tool.readers.parsing import Form, Parsed

    Array = NDArray[Any]
    Chunk = tuple[Array, Array | None]


@frozen
class TextRows:
    """Batches of lines below the header; `count` is how many rows they are, where that is known."""

    form: Form
    batches: tuple[Batch, ...]
    count: int | None
    column: LabelColumn | None

    def read(self) -> tuple[Array, Array | None, ReadLog]:
        """Parse the lines: logits, the label column, and what was noticed.

        Raises
        ------
        InputError
            A row has another number of cells, a cell is empty or not a number, a label no class.
        """
        log = ReadLog()
        chunks = []
        for batch in self.batches:
            read = parsed(batch, self.form)
            log.extend(overflows(read, self.form.path, self.column))
            chunks.append(split(read, self.column, self.form.name))
        return *joined(chunks), log


def split(read: Parsed, column: LabelColumn | None, name: str) -> Chunk:
    """Part logits from the label column, where there is one."""
    if column is None:
        return read.values, None
    labels = checked_classes(
        read.values[:, column.place],
        column.classes,
        column.ignore_index,
        partial(line_place, name, read),
    )
    return np.delete(read.values, column.place, axis=1), labels


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Put rows one below the other, read-only."""
    # Always a copy: a part of a batch that a block kept would keep the whole batch.
    logits = np.concatenate([logits for logits, _ in chunks])
    logits.setflags(write=False)
    columns = [labels for _, labels in chunks if labels is not None]
    if not columns:
        return logits, None
    labels = np.concatenate(columns)
    labels.setflags(write=False)
    return logits, labels
