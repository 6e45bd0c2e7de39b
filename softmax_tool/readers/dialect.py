"""How a text file is laid out: its delimiter, its header and its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.errors import InputError, UsageError
from softmax_tool.frozen import frozen
from softmax_tool.readers.cells import Row, cells_of
from softmax_tool.readers.lines import batches
from softmax_tool.readers.numerals import is_number
from softmax_tool.readers.parsing import not_a_number
from softmax_tool.readers.shown import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softmax_tool.readers.origin import Origin

_DELIMITERS = ("\t", ";", ",")


@frozen
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


def sniffed(origin: Origin, header: str = "auto", *, refuse_counting: bool = True) -> Dialect:
    """Find out the delimiter, the header and the number of columns from the first two rows.

    The delimiter is the one that makes all cells of both rows numbers, or else all of the first,
    or all of the second; otherwise the first of tab, semicolon and comma that occurs, or runs of
    blanks.

    Raises
    ------
    InputError
        There is no row of data; the first row has an empty cell, or a number with a `#` right
        behind it; or, where `refuse_counting` is
        true, it is exactly 0, 1, 2 … n−1, and `header` does not say what it is.
    """
    name = origin.name
    lines = _first_lines(origin, 3)
    if not lines:
        raise InputError(f"{name}: holds no data, only blank lines and comments")
    delimiter = _delimiter([text for _, text in lines[:2]])
    rows = [Row(number, cells_of(text, delimiter)) for number, text in lines]
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


def is_counting(cells: Sequence[str]) -> bool:
    """Tell whether a row is exactly 0, 1, 2 … n−1, as column numbers are."""
    return all(cell == str(place) for place, cell in enumerate(cells))


def _first_lines(origin: Origin, count: int) -> list[tuple[int, str]]:
    """The first lines that hold data, with their numbers."""
    found: list[tuple[int, str]] = []
    with origin.open(last=False) as stream:
        for batch in batches(stream, origin.name):
            for offset, line in enumerate(batch.text.split("\n")):
                if cells_of(line, ","):
                    found.append((batch.first_line + offset, line))
                    if len(found) == count:
                        return found
    return found


def _delimiter(lines: list[str]) -> str | None:
    for together in (lines, *([line] for line in lines)):
        for delimiter in (*_DELIMITERS, None):
            rows = [cells_of(line, delimiter) for line in together]
            if (
                len(rows[0]) > 1
                and len({len(cells) for cells in rows}) == 1
                and all(is_number(cell) for cells in rows for cell in cells)
            ):
                return delimiter
    return next(
        (each for each in _DELIMITERS if any(len(cells_of(line, each)) > 1 for line in lines)), None
    )


def _refuse_unclear(name: str, first: Row, *, refuse_counting: bool) -> None:
    for place, cell in enumerate(first.cells):
        number, sign, _ = cell.partition("#")
        if sign and is_number(number):
            raise InputError(
                f"{not_a_number(name, first.line, place, cell)}; or say --header yes if this row "
                "is a header"
            )
    if "" in first.cells:
        place = first.cells.index("")
        if place and place == len(first.cells) - 1:
            raise InputError(
                f"{name}:{first.line}: column {place} of the first row, the last, is empty: a "
                "delimiter at the end of the lines? Write the table without it"
            )
        raise InputError(
            f"{name}:{first.line}: column {place} of the first row is empty: an index "
            "column? Write the table without it (pandas: index=False), or say --header yes to "
            "read it as logits"
        )
    if refuse_counting and is_counting(first.cells):
        last = len(first.cells) - 1
        shown = ", ".join(map(str, range(last + 1))) if last < 3 else f"0, 1, … {last}"
        raise InputError(
            f"{name}:{first.line}: the first row is {shown}: column numbers or logits? "
            "Say --header yes if it is a header, --header no if it is data"
        )
