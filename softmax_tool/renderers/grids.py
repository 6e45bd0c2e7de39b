"""Prose and tables before any format lays them out, and how tables are put together.

A table comes in several variants, from the widest to the narrowest; whoever has a limited width
takes the first that fits, so that columns are left out or stacked on purpose and never cut.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Literal

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence


Style = Literal["", "bad", "lost", "faint", "good", "strong", "quiet"]


Align = Literal["left", "right"]


@frozen
class Cell:
    """A piece of text with its mark; `\\n` separates the lines of a cell."""

    text: str
    style: Style = ""


@frozen
class Column:
    """A column: its heading, and on which side its text stands.

    Of one that `repeats`, narrower variants say elsewhere what it says.
    """

    header: str
    align: Align = "right"
    repeats: bool = False


@frozen
class Row:
    """A line of a table; `heading` marks one that names those below it; `note` stands beneath."""

    cells: tuple[Cell, ...]
    heading: bool = False
    note: str = ""


@frozen
class Grid:
    """A table; what its footer says belongs to the answer, its legend explains signs."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    legend: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()


@frozen
class Prose:
    """Lines of text under a title; the one that `stands_out` is the one to remember."""

    title: str
    lines: tuple[str, ...]
    stands_out: bool = False


@frozen
class Tables:
    """One table, or several in a stack, in variants from the widest to the narrowest."""

    variants: tuple[tuple[Grid, ...], ...]


Section = Prose | Tables


def left_out(widest: Sequence[Grid], chosen: Sequence[Grid]) -> tuple[str, ...]:
    """Return the headings of what a variant does not tell and the widest one does."""
    kept = {column.header for grid in chosen for column in grid.columns}
    whole = (column for grid in widest for column in grid.columns if not column.repeats)
    gone = (column.header for column in whole if column.header not in kept)
    return tuple(dict.fromkeys(" ".join(header.split()) for header in gone))


def grouped(
    title: str,
    columns: Sequence[tuple[Column, Sequence[Cell]]],
    groups: Sequence[str],
    legend: tuple[str, ...],
) -> Grid:
    """Put columns together, with a heading line above each group of equal neighbours."""
    rows: list[Row] = []
    lines = zip(*(cells for _, cells in columns), strict=True)
    for quantity, members in groupby(zip(groups, lines, strict=True), key=lambda pair: pair[0]):
        blank = tuple(Cell("") for _ in columns[1:])
        rows.append(Row((Cell(quantity, "strong"), *blank), heading=True))
        rows += [Row(tuple(cells)) for _, cells in members]
    return Grid(title, tuple(column for column, _ in columns), tuple(rows), legend)


def noted(
    title: str, columns: Sequence[tuple[Column, Sequence[Cell]]], notes: Sequence[str]
) -> Grid:
    """Put columns together, with a note beneath each line."""
    lines = zip(*(cells for _, cells in columns), strict=True)
    rows = (Row(tuple(cells), note=note) for cells, note in zip(lines, notes, strict=True))
    return Grid(title, tuple(column for column, _ in columns), tuple(rows))


def table(
    title: str,
    columns: Sequence[tuple[Column, Sequence[Cell]]],
    legend: tuple[str, ...] = (),
) -> Grid:
    """Put columns together."""
    lines = zip(*(cells for _, cells in columns), strict=True)
    return Grid(
        title, tuple(column for column, _ in columns), tuple(Row(tuple(x)) for x in lines), legend
    )


def aligned(texts: Sequence[str | None]) -> list[Cell]:
    """Pad numbers so that their decimal points stand one below the other; nan and inf have none."""
    after = [len(text) - _point(text) if text and _is_finite(text) else 0 for text in texts]
    width = max(after, default=0)
    return [
        Cell(text + " " * (width - beyond) if _is_finite(text) else text)
        for text, beyond in zip((text or "" for text in texts), after, strict=True)
    ]


def _is_finite(text: str) -> bool:
    return text[-1:].isdigit()


def _point(text: str) -> int:
    """Find where the digits before the decimal point end.

    Examples
    --------
    >>> _point("-1.5"), _point("12"), _point("3e-07")
    (2, 2, 1)
    """
    ends = (place for place, letter in enumerate(text) if letter not in "-0123456789")
    return next(ends, len(text))
