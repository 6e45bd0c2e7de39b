"""From the options of input to an open source, with the settings that belong to it."""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from softmax_tool.ignored import ignored_label
from softmax_tool.renderers.display import files

from .options import STDIN, one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from softmax_tool.readers.source import Source

    from .output import Messages

HEADERS = ("auto", "yes", "no")
CELLS_SAID = 8
"""So many cells of a doubtful header are told."""


def open_source(
    paths: Sequence[str],
    messages: Messages,
    *,
    axis: int,
    header: str,
    key: str | None,
    input_dtype: str | None,
    labels: Sequence[str] | None,
    label_column: str | None,
    ignore_index: int | None,
    taken: set[str] | None = None,
    passed_over: frozenset[str] = frozenset(),
) -> Source:
    """Open the logits and labels that a command was given.

    See `open_logits` for `taken` and `passed_over`.

    Raises
    ------
    SoftmaxToolError
        If they cannot be read or do not fit each other.
    """
    from softmax_tool.readers import open_logits

    header = one_of("--header", header, HEADERS)
    if STDIN in paths and sys.stdin is not None and sys.stdin.isatty():
        messages.note("reading logits from the terminal; end with Ctrl-D")
    source = open_logits(
        list(paths),
        axis=axis,
        header=header,
        key=key,
        input_dtype=input_dtype,
        labels=tuple(labels or ()),
        label_column=label_column,
        ignore_index=ignored_label(ignore_index),
        taken=taken,
        passed_over=passed_over,
    )
    if header == "auto":
        _question_header(source, messages)
    return source


def _question_header(source: Source, messages: Messages) -> None:
    """Warn of a header that holds numbers: it may be a row of data with a slip in it."""
    names = source.column_names
    if names is None:
        return
    from softmax_tool.readers.numerals import looks_like_number
    from softmax_tool.readers.shown import shortened

    like = [looks_like_number(name) for name in names]
    if not any(like):
        return
    cells = ", ".join(map(shortened, names[:CELLS_SAID])) + (
        ", …" if len(names) > CELLS_SAID else ""
    )
    held = "badly written numbers" if all(like) else "numbers and words"
    messages.warning(
        f"{files(source.paths)}: the first row, {cells}, holds {held} and was read as a "
        "header; --header no refuses it instead, --header yes takes it for granted"
    )


def read_weights(path: str | None, source: Source) -> NDArray[np.float64] | None:
    """Read a weight for every class of a source; None where no file is named."""
    from softmax_tool.readers import read_vector

    return None if path is None else read_vector(path, source.classes)
