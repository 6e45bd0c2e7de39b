"""Class indices, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import InputError, LabelError
from softmax_tool.frozen import frozen
from softmax_tool.readers.shown import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.readers.parsing import Parsed


@frozen
class LabelColumn:
    """The column of a text file that holds class indices, and which indices there may be."""

    place: int
    classes: int
    ignore_index: int


def checked_classes(
    values: NDArray[Any], classes: int, ignore_index: int, where: Callable[[int], str]
) -> NDArray[np.int64]:
    """Class indices as int64; `where` names the place of one for a message.

    Raises
    ------
    InputError
        A label is not a whole number, or neither a class nor `ignore_index`.
    """
    if values.dtype.kind == "f" and not (whole := values == np.trunc(values)).all():
        place = int(np.argmin(whole))
        raise InputError(f"{where(place)}: label {values[place]} is not a whole number")
    wrong = ((values < 0) | (values >= classes)) & (values != ignore_index)
    if wrong.any():
        place = int(np.argmax(wrong))
        value = values[place]
        # Beyond int64 a number is no index that could be ignored, and too long to be spelt out.
        is_index = abs(float(value)) < 2.0**63
        label = str(int(value)) if is_index else f"{float(value):g}"
        skip = f"; use --ignore-index {label} to skip it" if is_index else ""
        span = f"0…{classes - 1}" if classes > 1 else "0"
        raise LabelError(
            f"{where(place)}: label {label}, but the logits have "
            f"{counted(classes, 'class', 'classes')} ({span}){skip}"
        )
    return values.astype(np.int64)


def line_place(name: str, parsed: Parsed, row: int) -> str:
    """Where a row of a text file stands."""
    return f"{name}:{parsed.line_of(row)}"
