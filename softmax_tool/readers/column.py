"""One number for each row of something, such as its loss: of any shape, or a single one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool.errors import InputError
from softmax_tool.frozen import frozen
from softmax_tool.readers.csv import parsed_batches
from softmax_tool.readers.dialect import sniffed
from softmax_tool.readers.layout import Layout
from softmax_tool.readers.npy import MAGIC, array_chunks, numbers_of, read_header
from softmax_tool.readers.npz import ZIP_MAGIC, member
from softmax_tool.readers.opening import open_origin
from softmax_tool.readers.origin import head
from softmax_tool.readers.parts import TEXT
from softmax_tool.readers.shown import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from softmax_tool.readers.origin import Origin

    Array = NDArray[Any]


@frozen
class Column:
    """Numbers in the order of the rows; `blocks(n)` yields at most n at a time, (n, 1).

    `shape` is () for a single number, and None for text, whose lines are not counted yet.
    """

    stored_dtype: str
    shape: tuple[int, ...] | None
    blocks: Callable[[int], Iterator[Array]]


def open_column(
    path: str,
    *,
    key: str | None = None,
    header: str = "auto",
    input_dtype: str | None = None,
    taken: set[str] | None = None,
) -> Column:
    """Open a file of numbers: NPY or NPZ of any shape; text, one a line or all on one line.

    With `taken`, options are said of other files as well: those that fit this one are added.

    Raises
    ------
    InputError
        It cannot be read, or has several columns and lines.
    """
    origin = open_origin(path)
    if head(origin, len(ZIP_MAGIC)) == ZIP_MAGIC:
        origin = member(origin, key, taken=taken)
    if head(origin, len(MAGIC)) == MAGIC:
        return _of_array(origin, input_dtype, taken)
    if taken is not None:
        taken.add("header")
    return _of_text(origin, header)


def _of_array(origin: Origin, input_dtype: str | None, taken: set[str] | None) -> Column:
    header = read_header(origin, single=True)
    numbers = numbers_of(origin.name, header.dtype, input_dtype, taken)
    layout = Layout((*header.shape, 1), len(header.shape), header.fortran)
    return Column(
        numbers.name,
        header.shape,
        lambda rows: array_chunks(origin, header, numbers, layout, rows),
    )


def _of_text(origin: Origin, header: str) -> Column:
    dialect = sniffed(origin, header, refuse_counting=False)
    if dialect.columns > 1 and not dialect.single_row:
        raise InputError(
            f"{origin.name}: numbers are one a line, or all on one line, not "
            f"{counted(dialect.columns, 'column')} and several lines"
        )

    def blocks(rows: int) -> Iterator[Array]:
        for parsed in parsed_batches(origin, dialect):
            column = parsed.values.reshape(-1, 1)
            for start in range(0, len(column), rows):
                yield column[start : start + rows]

    return Column(TEXT, None, blocks)
