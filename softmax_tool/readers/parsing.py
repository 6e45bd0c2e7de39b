"""The numbers of whole lines of text, and what is wrong with them.

Plain numerals are read by `table`, and what else there may be by `numpy.loadtxt`. What both refuse
is read again cell by cell, with an eye for what a message needs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.frozen import frozen
from softmax_tool.readers.cells import rows_of_text, without_comments
from softmax_tool.readers.log import ReadLog
from softmax_tool.readers.numerals import in_plain_characters, is_number, table
from softmax_tool.readers.shown import counted, quoted
from softmax_tool.readers.source import InputOverflow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.readers.cells import Row
    from softmax_tool.readers.classes import LabelColumn
    from softmax_tool.readers.dialect import Dialect
    from softmax_tool.readers.lines import Batch
    from softmax_tool.readers.origin import Origin

    Floats = NDArray[np.float64]

# How C libraries of Windows wrote infinities and nan until 2015.
_INFINITY_OF_OLD = re.compile(r"[+-]?[0-9]+\.#(?:INF|IND|[QS]NAN)", re.IGNORECASE)
# Lines of blanks, which `loadtxt` takes for cells. Tabs may be delimiters, so they are left to the
# closer look.
_LINE_OF_BLANKS = re.compile(r"^ +$", re.MULTILINE)
_IS_SPECIAL = np.isin(np.arange(256), [ord(each) for each in ",; \t\n#"])


@frozen
class Form:
    """What the lines of a text file are read by: its dialect, and its name for messages."""

    path: str
    name: str
    delimiter: str | None
    columns: int
    has_header: bool

    @classmethod
    def of(cls, origin: Origin, dialect: Dialect) -> Form:
        """Return what is the same for all lines of a file."""
        return cls(
            origin.path, origin.name, dialect.delimiter, dialect.columns, dialect.names is not None
        )


@frozen
class Parsed:
    """The rows of one batch: values, shape (rows, columns), and where they came from."""

    values: Floats
    batch: Batch
    delimiter: str | None

    def line_of(self, row: int) -> int:
        """Line of the file that holds a row of this batch."""
        return self.rows([row])[0].line

    def rows(self, wanted: list[int]) -> list[Row]:
        """Rows of this batch as text; `wanted` ascends."""
        found = []
        ask = iter(wanted)
        place = next(ask, None)
        for number, row in enumerate(rows_of_text(self.batch, self.delimiter)):
            if number == place:
                found.append(row)
                place = next(ask, None)
                if place is None:
                    break
        return found


def parsed(batch: Batch, form: Form) -> Parsed:
    """Read a batch of lines, none of which is the header.

    Raises
    ------
    InputError
        A row has another number of cells, a cell is empty or not a number.
    """
    plain = _without_quotes(batch.data)
    values = table(plain, (form.delimiter or " ").encode(), form.columns)
    if values is None:
        values = _loaded_lines(plain.decode("utf-8"), form)
    if values is None:
        values = _careful(batch, form)
    return Parsed(values, batch, form.delimiter)


def overflows(read: Parsed, path: str, label_column: LabelColumn | None) -> ReadLog:
    """Note the finite numbers beyond float64, but for the label column: they are errors there."""
    log = ReadLog()
    infinite = np.isinf(read.values)
    if label_column is not None:
        infinite[:, label_column.place] = False
    count = int(np.count_nonzero(infinite))
    if not count:
        return log
    text = read.batch.text
    # Masked tables are full of infinities. Where as many are spelt out, none is an overflow.
    if "#" not in text and text.lower().count("inf") == count:
        return log
    wanted = [int(row) for row in np.flatnonzero(infinite.any(axis=1))]
    for number, row in zip(wanted, read.rows(wanted), strict=True):
        for place in np.flatnonzero(infinite[number]):
            cell = row.cells[place]
            if cell.lstrip("+-")[:1] not in "iI":
                log.add(InputOverflow(path, row.line, int(place), cell))
    return log


def _loaded_lines(text: str, form: Form) -> Floats | None:
    """What `loadtxt` makes of a batch, or None where it needs a closer look."""
    data = without_comments(text)
    if not data or data.isspace():
        return None
    values = _loaded(data, form)
    if values is not None:
        return values
    shorter = _LINE_OF_BLANKS.sub("", data)
    return _loaded(shorter, form) if shorter != data else None


def _loaded(text: str, form: Form) -> Floats | None:
    try:
        values = np.loadtxt(text.split("\n"), delimiter=form.delimiter, comments=None, ndmin=2)
    except ValueError:
        return None
    return values if values.shape[1] == form.columns else None


def _without_quotes(text: bytes) -> bytes:
    """The text without quotes that say nothing; nothing at all where they may say something."""
    if b'"' not in text:
        return text
    return text.replace(b'"', b"") if _quotes_say_nothing(text) else b""


def _quotes_say_nothing(text: bytes) -> bool:
    """Whether all quotes stand around whole cells that hold nothing special, so can be dropped."""
    padded = np.frombuffer(b"".join((b"\n", text, b"\n")), np.uint8)
    quotes = np.flatnonzero(padded == ord('"'))
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) != len(closing):
        return False
    special = _IS_SPECIAL[padded]
    seen = np.cumsum(special, dtype=np.int32)
    return bool(
        special[opening - 1].all()
        and special[closing + 1].all()
        and (closing - opening > 1).all()
        and (seen[opening] == seen[closing]).all()
    )


def _careful(batch: Batch, form: Form) -> Floats:
    """Read a batch cell by cell: the values, or an error that names the cell."""
    values = []
    for row in rows_of_text(batch, form.delimiter):
        for place, cell in enumerate(row.cells):
            if not is_number(cell):
                raise InputError(not_a_number(form.name, row.line, place, cell))
        if len(row.cells) != form.columns:
            source = "the header row" if form.has_header else "the first row"
            raise InputError(
                f"{form.name}:{row.line}: has {counted(len(row.cells), 'column')}, but {source} "
                f"has {form.columns}"
            )
        values.append([float(cell) for cell in row.cells])
    return np.array(values, np.float64).reshape(-1, form.columns)


def not_a_number(name: str, line: int, place: int, cell: str) -> str:
    """Say that a cell is none, and how to mend it where that shows."""
    where = f"{name}:{line}"
    if not cell:
        return f"{where}: column {place} is empty; write nan where a value is missing"
    return f"{where}: column {place} is {quoted(cell)}, which is not a number{_advice(cell)}"


def _advice(cell: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", cell):
        return "; numbers have a decimal point and no thousands separator"
    if _INFINITY_OF_OLD.match(cell):
        return "; write inf, -inf or nan"
    if "#" in cell:
        return "; a comment begins at a # behind a blank"
    if is_number(cell.replace("_", "")):
        return "; write it without underscores"
    if is_number(in_plain_characters(cell)):
        return "; write it in ASCII characters"
    return ""
