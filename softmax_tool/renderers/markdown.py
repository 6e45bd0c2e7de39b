"""Report to Markdown: the tables of the screen, whole, as pipe tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from softmax_tool.renderers.grids import Prose
from softmax_tool.renderers.sections import sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from softmax_tool.renderers.grids import Column, Grid, Row
    from softmax_tool.report import Report

SPECIAL = re.compile(r"([\\`*_\[\]|~$]|^[#+-](?=\s)|^#)")
"""Signs that Markdown may take for more than themselves; `<`, `>` and `&` become entities."""


def render(report: Report, stream: TextIO) -> None:
    """Write a report with headings, pipe tables and the verdict as a list."""
    stream.write("".join(f"{line}\n" for line in _lines(report)).lstrip("\n"))


def escape(text: str) -> str:
    r"""Make text stand for itself in a cell: no markup, no HTML, no link, no mention, one line.

    Examples
    --------
    >>> escape("a|b <i> [x](y)")
    'a\\|b &lt;i&gt; \\[x\\](y)'
    >>> escape("log-of-\nzero"), escape("rows\nhit"), escape("-1.5e-07"), escape("# x")
    ('log-of-zero', 'rows hit', '-1.5e-07', '\\# x')
    """
    one_line = re.sub(r"\s*\n\s*", " ", re.sub(r"-\n", "-", text)).strip()
    entities = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(r"\\\1", entities).replace("://", ":&#47;&#47;").replace("www.", "www&#46;")


def _lines(report: Report) -> Iterator[str]:
    for place, section in enumerate(sections(report)):
        if isinstance(section, Prose):
            if section.title:
                yield from ("", f"{'##' if place == 0 else '###'} {escape(section.title)}")
            bullet = "" if section.title == "" else "- "
            yield from ("", *(f"{bullet}{escape(line)}" for line in section.lines))
        else:
            for grid in section.variants[0]:
                yield from _grid(grid)


def _grid(grid: Grid) -> Iterator[str]:
    if grid.title:
        yield from ("", f"### {escape(grid.title)}")
    noted = any(row.note for row in grid.rows)
    headers = [_header(grid, place) for place in range(len(grid.columns))] + ["why"] * noted
    yield from ("", _pipes(headers))
    yield _pipes([_rule(column) for column in grid.columns] + [":--"] * noted)
    yield from (_pipes(_row(row, noted=noted)) for row in grid.rows)
    for line in (*grid.footer, *grid.legend):
        yield from ("", escape(line))


def _header(grid: Grid, place: int) -> str:
    """Write the header of a column in lines where its cells are."""
    text = grid.columns[place].header
    in_lines = any("\n" in row.cells[place].text for row in grid.rows)
    return _stacked(text) if in_lines else escape(text)


def _row(row: Row, *, noted: bool) -> list[str]:
    cells = [_stacked(cell.text) for cell in row.cells]
    if row.heading:
        cells[0] = f"**{cells[0]}**"
    return cells + [escape(row.note)] * noted


def _stacked(text: str) -> str:
    """Make lines of text stand one above the other in a cell, as on the screen."""
    return "<br>".join(map(escape, text.split("\n")))


def _rule(column: Column) -> str:
    return ":--" if column.align == "left" else "--:"


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
