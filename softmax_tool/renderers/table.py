"""Report to a screen: tables laid out by Rich, whose columns are left out or stacked, never cut."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from softmax_tool.renderers import display
from softmax_tool.renderers.grids import Grid, Prose, Tables, left_out
from softmax_tool.renderers.sections import sections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from softmax_tool.renderers.grids import Cell, Column, Section, Style
    from softmax_tool.report import Report

STYLES: dict[Style, str] = {
    "": "",
    "bad": "bold red",
    "lost": "yellow",
    "faint": "cyan",
    "good": "green",
    "strong": "bold",
    "quiet": "dim",
}
"""Colours of the terminal's own theme, so that they are readable on a light and a dark one."""

GAP = 2
"""Blanks between two columns."""

NATURAL = 100_000
"""A width that no content reaches: the console then is as wide as what is printed."""

READABLE = 100
"""Prose is wrapped here at the latest, however wide the screen."""

HEAD = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
ASCII_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def render(
    report: Report, stream: TextIO, *, width: int | None, color: bool, ascii_only: bool
) -> None:
    """Write a report for reading.

    Parameters
    ----------
    width : int or None
        Columns of the screen; None is as wide as the content, for a pipe or a file. A table whose
        narrowest variant is wider still is printed whole.
    color : bool
        Whether to write escape sequences; every mark is a word or a sign as well.
    ascii_only : bool
        Whether the stream can carry nothing but ASCII.
    """
    page = _Page(width, color=color, ascii_only=ascii_only)
    for section in sections(report):
        page.add(section)
    stream.write(page.text())


class _Page:
    """Text as it grows downwards."""

    def __init__(self, width: int | None, *, color: bool, ascii_only: bool) -> None:
        self._width = width
        self._ascii_only = ascii_only
        self._lines: list[str] = []
        # Making a console takes longer than printing a line.
        self._console = Console(
            file=io.StringIO(),
            width=NATURAL,
            force_terminal=color,
            color_system="standard" if color else None,
            no_color=not color,
            legacy_windows=False,
            markup=False,
            emoji=False,
            highlight=False,
            _environ={},
        )

    def add(self, section: Section) -> None:
        if self._lines:
            self._lines.append("")
        if isinstance(section, Prose):
            self._lines += self._prose(section)
        else:
            self._lines += self._tables(section)

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def _prose(self, prose: Prose) -> Iterator[str]:
        if prose.stands_out:
            yield from self._print(self._rule(prose.title))
        elif prose.title:
            yield from self._print(self._text(prose.title, "bold"))
        limit = None if self._width is None else min(self._width, READABLE)
        bullet = "• " if prose.stands_out else ""
        for line in prose.lines:
            yield from self._wrapped(line, limit, bullet=bullet)

    def _rule(self, title: str) -> Text:
        rest = min(self._width or READABLE, READABLE) - cell_len(title) - 4
        return self._text(f"── {title} {'─' * max(rest, 2)}", "bold")

    def _tables(self, tables: Tables) -> Iterator[str]:
        chosen = next((x for x in tables.variants if self._fits(x)), tables.variants[-1])
        for place, grid in enumerate(chosen):
            if place:
                yield ""
            yield from self._grid(grid)
        if gone := left_out(tables.variants[0], chosen):
            line = f"left out, for want of width: {'; '.join(gone)}"
            yield from self._wrapped(line, self._width, style="dim")

    def _fits(self, grids: tuple[Grid, ...]) -> bool:
        return self._width is None or all(self._measured(x) <= self._width for x in grids)

    def _measured(self, grid: Grid) -> int:
        widths = [
            max(
                cell_len(self._folded(line))
                for text in (column.header, *(row.cells[place].text for row in grid.rows))
                for line in text.split("\n")
            )
            for place, column in enumerate(grid.columns)
        ]
        return sum(widths) + GAP * (len(widths) - 1)

    def _grid(self, grid: Grid) -> Iterator[str]:
        if grid.title:
            yield from self._wrapped(grid.title, self._width, style="bold")
        table = self._table(grid)
        lines = list(self._print(table))
        heights = [max(x.text.count("\n") for x in row.cells) + 1 for row in grid.rows]
        head = len(lines) - sum(heights)
        yield from lines[:head]
        start = head
        for row, height in zip(grid.rows, heights, strict=True):
            yield from lines[start : start + height]
            start += height
            if row.note:
                yield from self._wrapped(row.note, self._width, indent=4)
        for line in grid.footer:
            yield from self._wrapped(line, self._width)
        for line in grid.legend:
            yield from self._wrapped(line, self._width, style="dim")

    def _table(self, grid: Grid) -> Table:
        table = Table(
            box=ASCII_HEAD if self._ascii_only else HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            header_style="",
            show_header=any(column.header for column in grid.columns),
        )
        tallest = max(column.header.count("\n") for column in grid.columns)
        for column in grid.columns:
            self._add_column(table, column, tallest)
        for row in grid.rows:
            table.add_row(*(self._cell(cell) for cell in row.cells))
        return table

    def _add_column(self, table: Table, column: Column, tallest: int) -> None:
        header = "\n" * (tallest - column.header.count("\n")) + column.header
        table.add_column(
            self._text(header, "bold"), justify=column.align, no_wrap=True, overflow="fold"
        )

    def _cell(self, cell: Cell) -> Text:
        return self._text(cell.text, STYLES[cell.style])

    def _text(self, text: str, style: str = "") -> Text:
        return Text(self._folded(text), style=style, end="")

    def _folded(self, text: str) -> str:
        return display.plain(text, ascii_only=self._ascii_only)

    def _wrapped(
        self, line: str, limit: int | None, *, bullet: str = "", indent: int = 0, style: str = ""
    ) -> Iterator[str]:
        """Wrap prose at blanks, hanging after the bullet; a long word is never broken."""
        margin = indent or len(bullet)
        room = max((limit or NATURAL) - margin, 20)
        text = self._text(line, style)
        for place, part in enumerate(_words(text.plain, room)):
            lead = self._folded(bullet) if bullet and not place else " " * margin
            yield from self._print(Text(lead + part, style=style))

    def _print(self, content: Text | Table) -> Iterator[str]:
        with self._console.capture() as printed:
            self._console.print(content, soft_wrap=isinstance(content, Text))
        return (line.rstrip() for line in printed.get().splitlines())


_BINDING = re.compile(r" (?!%|ULP\b)")
"""A blank at which a line may end: a number and its unit stay together."""


def _words(text: str, room: int) -> Iterator[str]:
    """Break text at blanks into lines of at most `room` cells, but never within a word."""
    line = ""
    for word in _BINDING.split(text):
        if line and cell_len(f"{line} {word}") > room:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
