"""Labels counted before anything is computed: what a mean divides by, for the gradient of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from softmax_tool.errors import UsageError
from softmax_tool.frozen import frozen
from softmax_tool.readers.portions import Portion, ReadRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.plan import Options
    from softmax_tool.readers import Block, Source

_HELD = 1 << 23
"""So many logits of a text are held rather than read twice: 64 MB."""


@frozen
class Held:
    """A source whose blocks have been read already."""

    source: Source
    held: tuple[Block, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def blocks(self, _: int) -> Iterator[Block]:
        """Yield the blocks as they were read."""
        yield from self.held

    def portions(self, _: int) -> Iterator[Portion]:
        """Yield the blocks as they were read."""
        for block in self.held:
            yield Portion(block.start, ReadRows(block.logits, block.labels), None)


def with_label_counts(options: Options, source: Source, rows: int) -> tuple[Options, Source]:
    """Return options that know how many rows of each class count, and the source to read on from.

    Rows are read so many at a time. Rows of probabilities count as the first class; there are no
    counts where every row is ignored.

    Raises
    ------
    UsageError
        For a long text, which can be read only once.
    """
    counts, source = _label_counts(source, options.ignore_index, rows)
    return replace(options, label_counts=counts), source


def _label_counts(
    source: Source, ignore_index: int, rows: int
) -> tuple[NDArray[np.int64] | None, Source]:
    counts, held = np.zeros(source.classes, np.int64), []
    reads_again = source.shape is not None
    for block in source.blocks(rows):
        assert block.labels is not None  # noqa: S101  (the plan has seen to that)
        if block.labels.ndim > 1:
            counts[0] += len(block.labels)
        else:
            kept = block.labels[block.labels != ignore_index]
            counts += np.bincount(kept, minlength=source.classes)
        if not reads_again:
            held.append(block)
            if sum(b.logits.size for b in held) > _HELD:
                raise UsageError(
                    "the gradient of a mean needs the labels of all rows before the first, and a "
                    "long text is read only once; use --reduction sum, or save the input as NPY"
                )
    again = source if reads_again else cast("Source", Held(source, tuple(held)))
    return (counts if counts.any() else None), again
