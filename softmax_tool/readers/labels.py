"""Labels: class indices or rows of probabilities, checked, in step with the logits.

What a file of labels holds follows from its shape, in this order:

NPY, where the logits have `rows` rows:
1. the logits' shape without the class axis, or `rows` numbers in one axis: class indices;
2. the logits' shape, floating: probabilities;
3. one column or one row of `rows` numbers: class indices.

Text:
1. one column: a class index a line;
2. a single line, while the logits have more than one row: class indices;
3. as many columns as the logits, or as there are classes: probabilities.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.frozen import frozen
from softmax_tool.readers.classes import checked_classes, line_place
from softmax_tool.readers.csv import parsed_batches
from softmax_tool.readers.dialect import sniffed
from softmax_tool.readers.layout import Layout
from softmax_tool.readers.npy import MAGIC, array_chunks, numbers_of, read_header
from softmax_tool.readers.origin import head
from softmax_tool.readers.shown import counted
from softmax_tool.readers.stream import RowStream
from softmax_tool.readers.text import spooled_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from softmax_tool.readers.dialect import Dialect
    from softmax_tool.readers.origin import Origin
    from softmax_tool.readers.parsing import Parsed

_NUMBERS_AT_A_TIME = 1 << 16


@frozen
class Expected:
    """What is known of the logits before they are read; labels must fit it.

    Attributes
    ----------
    name : str
        For messages.
    shape : tuple of int, or None
        None for text, whose rows are not counted yet.
    axis : int
        The class axis, not negative.
    classes : int
        How many classes.
    single_row : bool
        Whether there is only one row; known for text, too.
    """

    name: str
    shape: tuple[int, ...] | None
    axis: int
    classes: int
    single_row: bool

    @property
    def rows(self) -> int | None:
        """How many rows, where known."""
        return None if self.shape is None else prod(self.shape) // self.classes


@frozen
class Labels:
    """One file or array of labels; `chunks` yields them checked, in order.

    `kind` is "classes" (chunks of shape (rows,), int64) or "probabilities" (chunks of shape
    (rows, classes), float64). `count` is the number of labels, where known beforehand.
    """

    path: str
    name: str
    kind: str
    count: int | None
    chunks: Callable[[], Iterator[NDArray[Any]]]


class Feed:
    """Hands out labels in the portions in which the logits come."""

    def __init__(self, labels: Labels, chunks: Iterator[NDArray[Any]]) -> None:
        self.labels = labels
        self._rows = RowStream(chunks)

    def take(self, count: int) -> NDArray[Any]:
        """The next `count` labels, read-only; fewer only at the end."""
        taken = self._rows.take(count)
        taken.setflags(write=False)
        return taken

    def check_end(self, name: str, rows: int) -> None:
        """Read on to the end, and raise unless there was one label for each row."""
        check_count(self.labels, self._rows.taken + self._rows.left(), name, rows)


def open_labels(origin: Origin, expected: Expected, ignore_index: int) -> Labels:
    """Open a file of labels: CSV or NPY, class indices or probabilities.

    Raises
    ------
    InputError
        It cannot be read, or its shape does not fit the logits.
    """
    if head(origin, len(MAGIC)) == MAGIC:
        return _array_labels(origin, expected, ignore_index)
    return _text_labels(origin, expected, ignore_index)


def label_kind(name: str, shape: tuple[int, ...], floating: bool, expected: Expected) -> str:
    """What an array of labels holds, by its shape: "classes" or "probabilities".

    Raises
    ------
    InputError
        The shape does not fit the logits.
    """
    rows = expected.rows
    if expected.shape is None:
        shapes_of_classes: list[tuple[int, ...]] = [shape] if len(shape) == 1 else []
        logits_shape: tuple[int, ...] = (shape[0] if shape else 0, expected.classes)
    else:
        others = tuple(
            length for axis, length in enumerate(expected.shape) if axis != expected.axis
        )
        shapes_of_classes = [others, (prod(others),)]
        logits_shape = expected.shape
    if shape in shapes_of_classes:
        return "classes"
    if shape == logits_shape and floating:
        return "probabilities"
    line = len(shape) == 2 and 1 in shape
    if line and rows in {None, prod(shape)}:
        return "classes"
    if shape == logits_shape:
        raise InputError(
            f"{name}: integers in the shape of the logits; class indices have one number a row, "
            "and probabilities are floating"
        )
    if rows is not None and (len(shape) == 1 or line):
        raise InputError(_miscounted(name, prod(shape), expected.name, rows))
    shown = "rows × classes" if expected.shape is None else str(logits_shape)
    fitting = (
        "one class index a row"
        if expected.shape is None
        else f"{' or '.join(dict.fromkeys(str(each) for each in shapes_of_classes))} class indices"
    )
    raise InputError(
        f"{name}: labels of shape {shape} do not fit {expected.name}; "
        f"{fitting} would, or probabilities of shape {shown}"
    )


def checked_probabilities(
    values: NDArray[Any], where: Callable[[int, int], str]
) -> NDArray[np.float64]:
    """Rows of probabilities as float64; `where` names the place of one for a message.

    Raises
    ------
    InputError
        One is not between 0 and 1.
    """
    fitting = (values >= 0) & (values <= 1)
    if not fitting.all():
        row, column = (int(place[0]) for place in np.nonzero(~fitting))
        raise InputError(
            f"{where(row, column)}: {values[row, column]} is not a probability, "
            "which lies between 0 and 1"
        )
    return values.astype(np.float64)


def check_count(labels: Labels, count: int, name: str, rows: int) -> None:
    """Raise unless there is one label for each row."""
    if count != rows:
        raise InputError(_miscounted(labels.name, count, name, rows))


def class_chunks(
    name: str, parts: Iterator[NDArray[Any]], expected: Expected, ignore_index: int
) -> Iterator[NDArray[np.int64]]:
    """Check class indices that come from an array, as rows of one number each."""
    done = 0
    for part in parts:
        where = partial(_row_place, name, done)
        yield checked_classes(part[:, 0], expected.classes, ignore_index, where)
        done += len(part)


def probability_chunks(name: str, parts: Iterator[NDArray[Any]]) -> Iterator[NDArray[np.float64]]:
    """Check rows of probabilities that come from an array."""
    done = 0
    for part in parts:
        yield checked_probabilities(part, partial(_cell_place, name, done))
        done += len(part)


def rows_at_a_time(classes: int) -> int:
    """How many rows of labels are read together."""
    return max(1, _NUMBERS_AT_A_TIME // classes)


def _miscounted(labels_name: str, count: int, name: str, rows: int) -> str:
    return f"{labels_name}: {counted(count, 'label')} for {counted(rows, 'row')} of {name}"


def _row_place(name: str, start: int, row: int) -> str:
    return f"{name}: row {start + row}"


def _cell_place(name: str, start: int, row: int, column: int) -> str:
    return f"{name}: row {start + row}, column {column}"


def _field_place(name: str, parsed: Parsed, row: int, column: int) -> str:
    return f"{name}:{parsed.line_of(row)}: column {column}"


def _array_labels(origin: Origin, expected: Expected, ignore_index: int) -> Labels:
    name = origin.name
    header = read_header(origin)
    if header.dtype.kind not in "iuf":
        raise InputError(
            f"{name}: holds {header.dtype.name}; labels are whole numbers, "
            "or probabilities in a floating dtype"
        )
    numbers = numbers_of(name, header.dtype, header.dtype.name * (header.dtype.kind == "u") or None)
    kind = label_kind(name, header.shape, header.dtype.kind == "f", expected)
    count = prod(header.shape) // (1 if kind == "classes" else expected.classes)

    def chunks() -> Iterator[NDArray[Any]]:
        if kind == "classes":
            # Each label is a row of one number, so any rank and order is read as logits are.
            layout = Layout((*header.shape, 1), len(header.shape), header.fortran)
            parts = array_chunks(origin, header, numbers, layout, rows_at_a_time(1))
            return class_chunks(name, parts, expected, ignore_index)
        layout = Layout(header.shape, expected.axis, header.fortran)
        parts = array_chunks(origin, header, numbers, layout, rows_at_a_time(layout.classes))
        return probability_chunks(name, parts)

    return Labels(origin.path, name, kind, count, chunks)


def _text_labels(origin: Origin, expected: Expected, ignore_index: int) -> Labels:
    dialect = sniffed(origin, refuse_counting=False)
    columns, rows = dialect.columns, expected.rows
    in_a_line = dialect.single_row and not expected.single_row and rows in {None, columns}
    transposed = expected.shape is not None and len(expected.shape) == 2 and expected.axis == 0
    kind, count, read = "probabilities", None, partial(_lines_of_probabilities, origin, dialect)
    if columns == 1:
        kind = "classes"
        read = partial(_column_of_classes, origin, dialect, expected, ignore_index)
    elif in_a_line:
        kind, count = "classes", columns
        read = partial(_line_of_classes, origin, dialect, expected, ignore_index)
    elif transposed and columns == rows:
        read = partial(_transposed_probabilities, origin, dialect, expected)
    elif transposed or columns != expected.classes:
        raise InputError(
            f"{origin.name}:{dialect.first.line}: {columns} columns of labels do not fit "
            f"{expected.name}; one class index a line would, or all on one line, or the "
            f"probabilities of {counted(expected.classes, 'class', 'classes')} in its shape"
        )
    return Labels(origin.path, origin.name, kind, count, read)


def _column_of_classes(
    origin: Origin, dialect: Dialect, expected: Expected, ignore_index: int
) -> Iterator[NDArray[Any]]:
    for parsed in parsed_batches(origin, dialect):
        where = partial(line_place, origin.name, parsed)
        yield checked_classes(parsed.values[:, 0], expected.classes, ignore_index, where)


def _line_of_classes(
    origin: Origin, dialect: Dialect, expected: Expected, ignore_index: int
) -> Iterator[NDArray[Any]]:
    for parsed in parsed_batches(origin, dialect):
        where = partial(_field_place, origin.name, parsed, 0)
        yield checked_classes(parsed.values[0], expected.classes, ignore_index, where)


def _lines_of_probabilities(origin: Origin, dialect: Dialect) -> Iterator[NDArray[Any]]:
    for parsed in parsed_batches(origin, dialect):
        yield checked_probabilities(parsed.values, partial(_field_place, origin.name, parsed))


def _transposed_probabilities(
    origin: Origin, dialect: Dialect, expected: Expected
) -> Iterator[NDArray[Any]]:
    spool, header = spooled_table(origin, dialect)
    if header.shape != expected.shape:
        raise InputError(
            f"{origin.name}: probabilities of shape {header.shape} do not fit {expected.name} "
            f"of shape {expected.shape}"
        )
    numbers = numbers_of(origin.name, header.dtype, None)
    layout = Layout(header.shape, expected.axis)
    parts = array_chunks(spool, header, numbers, layout, rows_at_a_time(layout.classes))
    # Read by a generator, so that the temporary file lives as long as it is read.
    yield from probability_chunks(origin.name, parts)
