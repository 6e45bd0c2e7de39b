"""Whether a text file of results has a header, where its first row and what was said leave it open.

Results have as many rows as their logits: that tells a header from data.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from softmax_tool.readers.cells import without_comments
from softmax_tool.readers.dialect import is_counting, sniffed
from softmax_tool.readers.lines import batches
from softmax_tool.readers.numerals import is_number
from softmax_tool.readers.opening import is_text, open_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softmax_tool.readers import Source


def header_of_results(path: str, said: str, source: Source) -> str:
    """Return whether the first row of results is a header, "yes" or "no", or what was said of it.

    What was said may be meant for the logits, and goes where the rows fit neither way or cannot be
    counted beforehand.
    """
    if not _can_be_counted([path]) or not is_text(open_origin(path)):
        return said
    cells = sniffed(open_origin(path), "no").first.cells
    words = not all(map(is_number, cells))
    clear = not (words or is_counting(cells))
    if {"auto": clear or words, "yes": words, "no": clear}[said]:
        return said
    rows = _rows_of(source)
    return {1: "no", rows: "no", rows + 1: "yes"}.get(_lines(path), said) if rows else said


def _rows_of(source: Source) -> int | None:
    """Count the lines that results of a source have without a header; None for a pipe."""
    if source.shape is not None:
        return source.shape[0] if len(source.shape) == 2 else prod(source.shape) // source.classes
    if not _can_be_counted(source.paths):
        return None
    headers = len(source.paths) if source.column_names is not None else 0
    return sum(map(_lines, source.paths)) - headers


def _can_be_counted(paths: Sequence[str]) -> bool:
    """Return whether files can be read again."""
    return all(Path(path).is_file() for path in paths)


def _lines(path: str) -> int:
    """Count the lines that hold something."""
    origin = open_origin(path)
    with origin.open(last=True) as stream:
        texts = (batch.text for batch in batches(stream, origin.name))
        lines = (line for text in texts for line in text.split("\n"))
        return sum(bool(without_comments(line).strip()) for line in lines)
