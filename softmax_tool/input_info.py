"""What a source is, as far as reports and errors tell it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from softmax_tool.errors import InputError
from softmax_tool.renderers.display import files
from softmax_tool.report import InputInfo, LabelsInfo

if TYPE_CHECKING:
    from softmax_tool.readers import Source


def row_count(source: Source) -> int | None:
    """Return how many rows there are; None where only reading all of them tells."""
    if source.shape is None:
        return None
    return prod(n for axis, n in enumerate(source.shape) if axis != source.axis)


def input_info(source: Source, rows_read: int = 0) -> InputInfo:
    """Say what was read; of rows that nobody has counted there are at least those read."""
    labels = None
    if source.label_kind is not None:
        labels = LabelsInfo(tuple(source.label_paths), source.label_kind)
    return InputInfo(
        tuple(source.paths),
        source.shape or (rows_read, source.classes),
        source.stored_dtype,
        labels,
        source.axis,
        uncounted=source.shape is None,
    )


def nothing_to_look_at(source: Source) -> InputError:
    """Return what to raise where a source has no row."""
    return InputError(f"{files(source.paths)}: no rows; there is nothing to look at")
