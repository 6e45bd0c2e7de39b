"""CSV and TSV files: text in batches of whole lines, parsed by `numpy.loadtxt`.

A batch that `loadtxt` refuses is read again cell by cell, with an eye for what a message needs.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.errors import InputError, UsageError
from softmax_tool.readers.origin import read_up_to
from softmax_tool.readers.shown import counted, quoted
from softmax_tool.readers.source import InputOverflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

    from softmax_tool.readers.origin import Origin

BATCH_BYTES = 1 << 20
LONGEST_LINE = 256 << 20
MOST_OVERFLOWS_KEPT = 100

_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
# Lines of blanks, with or without a comment, which `loadtxt` takes for cells. Tabs may be
# delimiters, so they are left to the closer look.
_LINE_OF_BLANKS = re.compile(r"^ +(?:#.*)?$", re.MULTILINE)
_DATA_LINE = re.compile(r"^[ \t]*[^\s#]", re.MULTILINE)
_IS_SPECIAL = np.isin(np.arange(256), [ord(each) for each in ",; \t\n#"])
_DELIMITERS = ("\t", ";", ",")


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole lines of a text file, and the number of the first of them, counted from 1."""

    text: str
    first_line: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line that holds cells: its number, and the cells without quotes and comment."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is laid out.

    Attributes
    ----------
    delimiter : str or None
        Between two cells; None stands for any run of blanks.
    columns : int
        Cells in every row.
    names : tuple of str or None
        The header row.
    header_line : int
        Line of the header row, or 0.
    first : Row
        The first row of data.
    single_row : bool
        Whether that is the only one.
    """

    delimiter: str | None
    columns: int
    names: tuple[str, ...] | None
    header_line: int
    first: Row
    single_row: bool


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


class OverflowLog:
    """Finite numbers beyond float64: the first of them, and how many there were."""

    def __init__(self) -> None:
        self.kept: list[InputOverflow] = []
        self.count = 0

    def extend(self, other: OverflowLog) -> None:
        """Count all of another log."""
        self.count += other.count
        self.kept.extend(other.kept[: MOST_OVERFLOWS_KEPT - len(self.kept)])

    def clear(self) -> None:
        """Forget all."""
        self.kept.clear()
        self.count = 0

    def add(self, overflow: InputOverflow) -> None:
        """Count one, and keep it while there are few."""
        self.count += 1
        if len(self.kept) < MOST_OVERFLOWS_KEPT:
            self.kept.append(overflow)


def batches(stream: BinaryIO, name: str) -> Iterator[Batch]:
    """Cut UTF-8 text into batches of whole lines, all line ends turned into newlines.

    Raises
    ------
    InputError
        It is not UTF-8 text, or has a line of unreasonable length.
    """
    line = 1
    pending: list[bytes] = []
    pending_bytes = 0
    start = True
    ended_in_return = False
    while True:
        chunk = read_up_to(stream, BATCH_BYTES)
        if start and chunk:
            chunk = _without_mark(chunk, name)
            start = False
        last = not chunk
        if b"\r" in chunk or ended_in_return:
            # A line end of two characters may be cut in two by the reading.
            if ended_in_return and chunk.startswith(b"\n"):
                chunk = chunk[1:]
                if not chunk:
                    ended_in_return = False
                    continue
            ended_in_return = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        cut = len(chunk) if last else chunk.rfind(b"\n") + 1
        if not cut and not last:
            _refuse_nul(chunk, name, line)
            pending.append(chunk)
            pending_bytes += len(chunk)
            if pending_bytes > LONGEST_LINE:
                raise InputError(
                    f"{name}:{line}: the line is longer than {LONGEST_LINE} bytes; is this a CSV?"
                )
            continue
        whole = b"".join((*pending, chunk[:cut]))
        pending = [chunk[cut:]]
        pending_bytes = len(pending[0])
        if whole:
            text = _decoded(whole, name, line)
            yield Batch(text, line)
            line += text.count("\n")
        if last:
            return


def rows_of_text(batch: Batch, delimiter: str | None) -> Iterator[Row]:
    """The lines of a batch that hold cells, split with care for quotes and comments."""
    for offset, line in enumerate(batch.text.split("\n")):
        cells = _cells(line, delimiter)
        if cells:
            yield Row(batch.first_line + offset, cells)


def is_number(cell: str) -> bool:
    """Whether a cell is a number as this reader understands it: no `1_0`, no `0x1p3`.

    >>> is_number("+1e5"), is_number("-Infinity"), is_number("1_0")
    (True, True, False)
    """
    return _NUMBER.fullmatch(cell) is not None


def sniffed(origin: Origin, header: str = "auto", *, refuse_counting: bool = True) -> Dialect:
    """Find out the delimiter, the header and the number of columns from the first two rows.

    The delimiter is the one that makes all cells of both rows numbers, or else all of the first,
    or all of the second; otherwise the first of tab, semicolon and comma that occurs, or runs of
    blanks.

    Raises
    ------
    InputError
        There is no row of data; the first row has an empty cell; or, where `refuse_counting` is
        true, it is exactly 0, 1, 2 … n−1, and `header` does not say what it is.
    """
    name = origin.name
    lines = _first_lines(origin, 3)
    if not lines:
        raise InputError(f"{name}: holds no data, only blank lines and comments")
    delimiter = _delimiter([text for _, text in lines[:2]])
    rows = [Row(number, _cells(text, delimiter)) for number, text in lines]
    first = rows[0]
    if header == "auto":
        has_header = not all(is_number(cell) for cell in first.cells)
        _refuse_unclear(name, first, refuse_counting=refuse_counting)
    else:
        has_header = header == "yes"
    if has_header:
        del rows[0]
        if not rows:
            raise InputError(
                f"{name}: holds a header row and no data; nothing to look at"
                + (
                    f" (line {first.line} is taken for the header, because "
                    f"{quoted(next(c for c in first.cells if not is_number(c)))} is not a number)"
                    if header == "auto"
                    else f" (line {first.line} is the header because of --header yes)"
                )
            )
    return Dialect(
        delimiter=delimiter,
        columns=len(first.cells),
        names=first.cells if has_header else None,
        header_line=first.line if has_header else 0,
        first=rows[0],
        single_row=len(rows) == 1,
    )


def parsed_batches(
    origin: Origin,
    dialect: Dialect,
    log: OverflowLog | None = None,
    label_column: int | None = None,
) -> Iterator[Parsed]:
    """Yield the rows of a text file, batch by batch.

    Numbers are rounded once to the nearest float64. Finite ones beyond its range become ±inf and
    are noted in `log`, but for those in the label column, which are errors there.

    Raises
    ------
    InputError
        A row has another number of cells, a cell is empty or not a number.
    """
    with origin.open(last=True) as stream:
        for batch in batches(stream, origin.name):
            body = _below_header(batch, dialect.header_line)
            values = _fast(body.text, dialect)
            if values is None:
                values = _careful(body, dialect, origin.name)
            if not len(values):
                continue
            parsed = Parsed(values, body, dialect.delimiter)
            if log is not None:
                _note_overflows(parsed, origin, log, label_column)
            yield parsed


def label_column_index(name: str, dialect: Dialect, column: str | int) -> int:
    """Place of the label column: a name of the header, or an index, negative from the end.

    Raises
    ------
    UsageError
        There is no such column, or more than one.
    """
    names = dialect.names or ()
    if isinstance(column, str) and column in names:
        if names.count(column) > 1:
            raise UsageError(
                f"{name}: {names.count(column)} columns are called {quoted(column)}; "
                "give the index of one as --label-column"
            )
        return names.index(column)
    try:
        index = int(column)
    except ValueError:
        known = (
            f"the columns are {', '.join(quoted(each) for each in names[:8])}"
            + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            if names
            else "it has no header row; give an index"
        )
        raise UsageError(
            f"{name}: --label-column {quoted(str(column))} does not exist: {known}"
        ) from None
    if not -dialect.columns <= index < dialect.columns:
        raise UsageError(
            f"{name}: --label-column {index} does not exist: "
            f"there {'is' if dialect.columns == 1 else 'are'} {counted(dialect.columns, 'column')}"
        )
    return index % dialect.columns


def _fast(text: str, dialect: Dialect) -> NDArray[np.float64] | None:
    """What `loadtxt` makes of a batch, or None where it needs a closer look."""
    if '"' in text:
        if not _quotes_say_nothing(text):
            return None
        text = text.replace('"', "")
    if _DATA_LINE.search(text) is None:
        return None
    values = _loaded(text, dialect)
    if values is None:
        shorter = _LINE_OF_BLANKS.sub("", text)
        values = _loaded(shorter, dialect) if shorter != text else None
    return values


def _loaded(text: str, dialect: Dialect) -> NDArray[np.float64] | None:
    try:
        values = np.loadtxt(text.split("\n"), delimiter=dialect.delimiter, comments="#", ndmin=2)
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


def _note_overflows(
    parsed: Parsed, origin: Origin, log: OverflowLog, label_column: int | None
) -> None:
    infinite = np.isinf(parsed.values)
    if label_column is not None:
        infinite[:, label_column] = False
    count = int(np.count_nonzero(infinite))
    if not count:
        return
    text = parsed.batch.text
    # Masked tables are full of infinities. Where as many are spelt out, none is an overflow.
    if "#" not in text and text.lower().count("inf") == count:
        return
    wanted = [int(row) for row in np.flatnonzero(infinite.any(axis=1))]
    for number, row in zip(wanted, parsed.rows(wanted), strict=True):
        for place in np.flatnonzero(infinite[number]):
            cell = row.cells[place]
            if cell.lstrip("+-")[:1] not in "iI":
                log.add(InputOverflow(origin.path, row.line, int(place), cell))


def _cells(line: str, delimiter: str | None) -> tuple[str, ...]:
    """The cells of a line without quotes and comment; none where it holds nothing else."""
    content = line.partition("#")[0]
    if '"' in content:
        return _quoted_cells(line, delimiter)
    if not content.strip() and (delimiter != "\t" or "\t" not in content):
        return ()
    if delimiter is None:
        return tuple(content.split())
    return tuple(cell.strip() for cell in content.split(delimiter))


def _quoted_cells(line: str, delimiter: str | None) -> tuple[str, ...]:
    """Like `_cells`; a quote inside quotes is written twice, and one that is not closed stays."""
    cells: list[str] = []
    cell = ""
    place = 0
    while place < len(line) and line[place] != "#":
        character = line[place]
        closing = _closing_quote(line, place) if character == '"' and not cell.strip() else 0
        after = line[closing + 1 : closing + 2]
        if closing and (not after or after.isspace() or after in {delimiter, "#"}):
            # Two quotes stand for an empty cell until the end: it must not vanish among blanks.
            cell = line[place + 1 : closing].replace('""', '"').strip() or '""'
            place = closing
        elif character == delimiter or (delimiter is None and character.isspace()):
            if delimiter is not None or cell:
                cells.append(cell.strip())
            cell = ""
        else:
            cell += character
        place += 1
    if delimiter is not None or cell:
        cells.append(cell.strip())
    return tuple("" if each == '""' else each for each in cells)


def _closing_quote(line: str, opening: int) -> int:
    place = opening + 1
    while (place := line.find('"', place)) != -1:
        if line[place + 1 : place + 2] != '"':
            return place
        place += 2
    return 0


def _first_lines(origin: Origin, count: int) -> list[tuple[int, str]]:
    """The first lines that hold data, with their numbers."""
    found: list[tuple[int, str]] = []
    with origin.open(last=False) as stream:
        for batch in batches(stream, origin.name):
            for offset, line in enumerate(batch.text.split("\n")):
                if _cells(line, ","):
                    found.append((batch.first_line + offset, line))
                    if len(found) == count:
                        return found
    return found


def _delimiter(lines: list[str]) -> str | None:
    for together in (lines, *([line] for line in lines)):
        for delimiter in (*_DELIMITERS, None):
            rows = [_cells(line, delimiter) for line in together]
            if (
                len(rows[0]) > 1
                and len({len(cells) for cells in rows}) == 1
                and all(is_number(cell) for cells in rows for cell in cells)
            ):
                return delimiter
    return next(
        (each for each in _DELIMITERS if any(len(_cells(line, each)) > 1 for line in lines)), None
    )


def _refuse_unclear(name: str, first: Row, *, refuse_counting: bool) -> None:
    if "" in first.cells:
        place = first.cells.index("")
        raise InputError(
            f"{name}:{first.line}: column {place} of the first row is empty: an index "
            "column? Write the table without it (pandas: index=False), or say --header yes to "
            "read it as logits"
        )
    counting = all(cell == str(place) for place, cell in enumerate(first.cells))
    if counting and refuse_counting:
        last = len(first.cells) - 1
        shown = ", ".join(map(str, range(last + 1))) if last < 3 else f"0, 1, … {last}"
        raise InputError(
            f"{name}:{first.line}: the first row is {shown}: column numbers or logits? "
            "Say --header yes if it is a header, --header no if it is data"
        )


def _below_header(batch: Batch, header_line: int) -> Batch:
    skipped = header_line - batch.first_line + 1
    if skipped <= 0:
        return batch
    parts = batch.text.split("\n", skipped)
    rest = parts[skipped] if len(parts) > skipped else ""
    return Batch(rest, header_line + 1)


def _without_mark(chunk: bytes, name: str) -> bytes:
    if chunk.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise InputError(f"{name}: is UTF-16 text; save it as UTF-8")
    return chunk.removeprefix(BOM_UTF8)


def _decoded(text: bytes, name: str, line: int) -> str:
    _refuse_nul(text, name, line)
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        at = line + text.count(b"\n", 0, error.start)
        raise InputError(
            f"{name}:{at}: byte 0x{text[error.start]:02x} is not UTF-8 text; save it as UTF-8"
        ) from None


def _refuse_nul(text: bytes, name: str, line: int) -> None:
    if b"\0" in text:
        at = line + text.count(b"\n", 0, text.index(b"\0"))
        raise InputError(
            f"{name}:{at}: holds a NUL byte: not a text file, or UTF-16; save it as UTF-8"
        )
