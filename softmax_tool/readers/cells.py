"""The lines of a text file that hold cells, split with care for quotes and comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softmax_tool.readers.lines import Batch

# Behind anything else the sign is part of a cell: `C#` is a name, `1.#INF` an infinity of old.
_COMMENT = re.compile(r"#(?<![^\s,;]#).*")


@frozen
class Row:
    """One line that holds cells: its number, and the cells without quotes and comment."""

    line: int
    cells: tuple[str, ...]


def rows_of_text(batch: Batch, delimiter: str | None) -> Iterator[Row]:
    """The lines of a batch that hold cells, split with care for quotes and comments."""
    for offset, line in enumerate(batch.text.split("\n")):
        cells = cells_of(line, delimiter)
        if cells:
            yield Row(batch.first_line + offset, cells)


def without_comments(text: str) -> str:
    """Lines without comments, which begin at a `#` behind a blank, a delimiter or nothing.

    >>> without_comments("1,2 # C# 3\\n4#5")
    '1,2 \\n4#5'
    """
    return _COMMENT.sub("", text) if "#" in text else text


def cells_of(line: str, delimiter: str | None) -> tuple[str, ...]:
    """The cells of a line without quotes and comment; none where it holds nothing else."""
    content = without_comments(line)
    if '"' in content:
        return _quoted_cells(line, delimiter)
    if not content.strip() and (delimiter != "\t" or "\t" not in content):
        return ()
    if delimiter is None:
        return tuple(content.split())
    return tuple(cell.strip() for cell in content.split(delimiter))


def _quoted_cells(line: str, delimiter: str | None) -> tuple[str, ...]:
    """Like `cells_of`; a quote inside quotes is written twice, and one that is not closed stays.

    A comment may follow a quote at once.
    """
    cells: list[str] = []
    parts: list[str] = []  # of the cell that is being read
    is_blank = True
    place = 0
    while place < len(line) and not _begins_comment(line, place):
        character = line[place]
        closing = _closing_quote(line, place) if character == '"' and is_blank else 0
        after = line[closing + 1 : closing + 2]
        if closing and (not after or after.isspace() or after in {delimiter, "#"}):
            # Two quotes stand for an empty cell until the end: it must not vanish among blanks.
            parts = [line[place + 1 : closing].replace('""', '"').strip() or '""']
            place, is_blank = closing, False
        elif character == delimiter or (delimiter is None and character.isspace()):
            if delimiter is not None or parts:
                cells.append("".join(parts).strip())
            parts, is_blank = [], True
        else:
            parts.append(character)
            is_blank = is_blank and character.isspace()
        place += 1
    if delimiter is not None or parts:
        cells.append("".join(parts).strip())
    return tuple("" if each == '""' else each for each in cells)


def _begins_comment(line: str, place: int) -> bool:
    before = line[place - 1 : place]
    return line[place] == "#" and (not before or before.isspace() or before in ',;"')


def _closing_quote(line: str, opening: int) -> int:
    place = opening + 1
    while (place := line.find('"', place)) != -1:
        if line[place + 1 : place + 2] != '"':
            return place
        place += 2
    return 0
