"""CSV and TSV files: text in batches of whole lines, and the numbers of each.

Plain numerals are read by `table`, those of large files by processes of their own, and what else
there may be by `numpy.loadtxt`. A batch that both refuse is read again cell by cell, with an eye
for what a message needs.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.ahead import until_failure
from softmax_tool.errors import InputError
from softmax_tool.readers.cells import rows_of_text
from softmax_tool.readers.lines import Batch, batches
from softmax_tool.readers.numerals import is_number, table
from softmax_tool.readers.shown import counted, quoted
from softmax_tool.readers.source import InputOverflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

    from softmax_tool.readers.cells import Row
    from softmax_tool.readers.dialect import Dialect
    from softmax_tool.readers.origin import Origin

MOST_OVERFLOWS_KEPT = 100
WORTH_PROCESSES = 16 << 20  # bytes, which take about as long as processes take to start

# Lines of blanks, with or without a comment, which `loadtxt` takes for cells. Tabs may be
# delimiters, so they are left to the closer look.
_LINE_OF_BLANKS = re.compile(r"^ +(?:#.*)?$", re.MULTILINE)
_DATA_LINE = re.compile(r"^[ \t]*[^\s#]", re.MULTILINE)
_IS_SPECIAL = np.isin(np.arange(256), [ord(each) for each in ",; \t\n#"])


@dataclass(frozen=True, slots=True)
class Parsed:
    """The rows of one batch: values, shape (rows, columns), and where they came from."""

    values: NDArray[np.float64]
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


class ReadLog:
    """How much text has been read, and finite numbers in it beyond float64: the first, and all."""

    def __init__(self) -> None:
        self.characters = 0
        self.kept: list[InputOverflow] = []
        self.count = 0

    def extend(self, other: ReadLog) -> None:
        """Count all of another log."""
        self.characters += other.characters
        self.count += other.count
        self.kept.extend(other.kept[: MOST_OVERFLOWS_KEPT - len(self.kept)])

    def clear(self) -> None:
        """Forget all."""
        self.characters = 0
        self.kept.clear()
        self.count = 0

    def add(self, overflow: InputOverflow) -> None:
        """Count one, and keep it while there are few."""
        self.count += 1
        if len(self.kept) < MOST_OVERFLOWS_KEPT:
            self.kept.append(overflow)


def parsed_batches(
    origin: Origin,
    dialect: Dialect,
    log: ReadLog | None = None,
    label_column: int | None = None,
    threads: int = 1,
) -> Iterator[Parsed]:
    """Yield the rows of a text file, batch by batch; of a large one, half as many processes help.

    Numbers are rounded once to the nearest float64. Finite ones beyond its range become ±inf and
    are noted in `log`, but for those in the label column, which are errors there; so is how much
    text has been read.

    Raises
    ------
    InputError
        A row has another number of cells, a cell is empty or not a number.
    """
    delimiter = dialect.delimiter or " "
    here = partial(_here, delimiter, dialect.columns)
    with ExitStack() as stack:
        stream = stack.enter_context(origin.open(last=True))
        failure: list[InputError] = []
        questions = until_failure(_questions(stream, dialect, origin.name), failure)
        count = parser_count(origin, threads)
        if count:
            from softmax_tool.readers.parsers import parsers  # noqa: PLC0415  # for large files

            found = stack.enter_context(parsers(count, delimiter, dialect.columns, origin.name))
            answers = found.tables(questions, here)
        else:
            answers = ((text, here(text.plain)) for text, _ in questions)
        for text, values in answers:
            parsed = _parsed(text, values, dialect, origin.name)
            noted = _overflows(parsed, origin.path, label_column)
            noted.characters = text.characters
            if log is not None:
                log.extend(noted)
            if len(parsed.values):
                yield parsed
        if failure:
            raise failure[0]


def parser_count(origin: Origin, threads: int) -> int:
    """Return how many processes parse a file: half of what there is, as the others compute."""
    large = origin.size is not None and origin.size >= WORTH_PROCESSES
    return threads // 2 if large and os.name == "posix" else 0


@dataclass(frozen=True, slots=True)
class _Text:
    """A batch without a header."""

    body: Batch
    plain: str  # the text without quotes that say nothing; empty where they may say something
    characters: int  # those of the header among them


def _questions(stream: BinaryIO, dialect: Dialect, name: str) -> Iterator[tuple[_Text, str]]:
    for batch in batches(stream, name):
        body = _below_header(batch, dialect.header_line)
        plain = body.text
        if '"' in plain:
            plain = plain.replace('"', "") if _quotes_say_nothing(plain) else ""
        yield _Text(body, plain, len(batch.text)), plain


def _here(delimiter: str, columns: int, text: str) -> NDArray[np.float64] | None:
    return table(text.encode(), delimiter.encode(), columns)


def _parsed(text: _Text, values: NDArray[np.float64] | None, dialect: Dialect, name: str) -> Parsed:
    """Return the rows of a batch: what `table` made of it, or else a closer look."""
    if values is None:
        values = _fast(text.plain, dialect)
    if values is None:
        values = _careful(text.body, dialect, name)
    return Parsed(values, text.body, dialect.delimiter)


def _fast(text: str, dialect: Dialect) -> NDArray[np.float64] | None:
    """What `loadtxt` makes of a batch, or None where it needs a closer look."""
    if _DATA_LINE.search(text) is None:
        return None
    values = _loaded(text, dialect)
    if values is not None:
        return values
    shorter = _LINE_OF_BLANKS.sub("", text)
    return _loaded(shorter, dialect) if shorter != text else None


def _loaded(text: str, dialect: Dialect) -> NDArray[np.float64] | None:
    comments = "#" if "#" in text else None
    try:
        values = np.loadtxt(
            text.split("\n"), delimiter=dialect.delimiter, comments=comments, ndmin=2
        )
    except ValueError:
        return None
    return values if values.shape[1] == dialect.columns else None


def _quotes_say_nothing(text: str) -> bool:
    """Whether all quotes stand around whole cells that hold nothing special, so can be dropped."""
    padded = np.frombuffer(f"\n{text}\n".encode(), np.uint8)
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


def _careful(batch: Batch, dialect: Dialect, name: str) -> NDArray[np.float64]:
    """Read a batch cell by cell: the values, or an error that names the cell."""
    values = []
    for row in rows_of_text(batch, dialect.delimiter):
        for place, cell in enumerate(row.cells):
            if not is_number(cell):
                raise InputError(_not_a_number(name, row.line, place, cell))
        if len(row.cells) != dialect.columns:
            source = "the header row" if dialect.names else "the first row"
            raise InputError(
                f"{name}:{row.line}: has {counted(len(row.cells), 'column')}, but {source} has "
                f"{dialect.columns}"
            )
        values.append([float(cell) for cell in row.cells])
    return np.array(values, np.float64).reshape(-1, dialect.columns)


def _not_a_number(name: str, line: int, place: int, cell: str) -> str:
    where = f"{name}:{line}"
    if not cell:
        return f"{where}: column {place} is empty; write nan where a value is missing"
    advice = (
        "; numbers have a decimal point and no thousands separator"
        if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", cell)
        else "; write it without underscores"
        if is_number(cell.replace("_", ""))
        else ""
    )
    return f"{where}: column {place} is {quoted(cell)}, which is not a number{advice}"


def _overflows(parsed: Parsed, path: str, label_column: int | None) -> ReadLog:
    log = ReadLog()
    infinite = np.isinf(parsed.values)
    if label_column is not None:
        infinite[:, label_column] = False
    count = int(np.count_nonzero(infinite))
    if not count:
        return log
    text = parsed.batch.text
    # Masked tables are full of infinities. Where as many are spelt out, none is an overflow.
    if "#" not in text and text.lower().count("inf") == count:
        return log
    wanted = [int(row) for row in np.flatnonzero(infinite.any(axis=1))]
    for number, row in zip(wanted, parsed.rows(wanted), strict=True):
        for place in np.flatnonzero(infinite[number]):
            cell = row.cells[place]
            if cell.lstrip("+-")[:1] not in "iI":
                log.add(InputOverflow(path, row.line, int(place), cell))
    return log


def _below_header(batch: Batch, header_line: int) -> Batch:
    skipped = header_line - batch.first_line + 1
    if skipped <= 0:
        return batch
    parts = batch.text.split("\n", skipped)
    rest = parts[skipped] if len(parts) > skipped else ""
    return Batch(rest, header_line + 1)
