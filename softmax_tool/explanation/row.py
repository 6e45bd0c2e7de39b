"""One row out of a source, which is read no further than that."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from softmax_tool.errors import UsageError
from softmax_tool.input_info import nothing_to_look_at, row_count
from softmax_tool.readers import Block
from softmax_tool.renderers.display import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softmax_tool.readers import Source

_ELEMENTS = 1 << 17  # a row is looked for in blocks of so many


def read_row(source: Source, row: int) -> Block:
    """Return one row as a block of its own; negative ones count from the end.

    Raises
    ------
    InputError
        There is no row at all.
    UsageError
        There is no such row.
    """
    total = row_count(source)
    if row < 0 and total is not None:
        if -row > total:
            raise _missing(source, row, total)
        row += total
    # Where rows are not counted beforehand, as many as may be wanted are kept.
    last: deque[Block] = deque(maxlen=max(-row, 1))
    seen = 0
    for block in _single_rows(source):
        if block.start == row:
            return block
        last.append(block)
        seen += 1
    if not seen:
        raise nothing_to_look_at(source)
    if row >= 0 or -row > seen:
        raise _missing(source, row, seen)
    return last[0]


def _single_rows(source: Source) -> Iterator[Block]:
    for block in source.blocks(max(1, _ELEMENTS // source.classes)):
        for place in range(len(block.logits)):
            here = slice(place, place + 1)
            labels = None if block.labels is None else block.labels[here]
            yield Block(block.start + place, block.logits[here], labels)


def _missing(source: Source, row: int, total: int) -> UsageError:
    return UsageError(
        f"row {row}: {files(source.paths)} has {total} {'row' if total == 1 else 'rows'} "
        f"(0…{total - 1}, or -{total}…-1 from the end)"
    )
