"""Arrays of the caller as a `Source`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.ignored import IGNORED_LABEL
from softmax_tool.readers.arrays import as_array
from softmax_tool.readers.labels import (
    Expected,
    Labels,
    class_chunks,
    label_kind,
    probability_chunks,
    rows_at_a_time,
)
from softmax_tool.readers.layout import Layout
from softmax_tool.readers.npy import checked_axis, numbers_of
from softmax_tool.readers.parts import MemoryPart, memory_rows
from softmax_tool.readers.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from softmax_tool.readers.source import Source

_READ = ("float16", "float32", "float64", "int8", "int16", "int32", "int64")


def from_arrays(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    axis: int = -1,
    ignore_index: int = IGNORED_LABEL,
    name: str = "<array>",
) -> Source:
    """Treat arrays in memory as an input, by the rules that files follow.

    Parameters
    ----------
    logits : array_like
        Floating or signed integer; any rank from 1.
    labels : array_like, optional
        Class indices in the shape of the logits without the class axis, or one axis of them; or
        floating probabilities in the shape of the logits.
    axis : int
        The class axis.
    ignore_index : int
        The label that is allowed though it is not a class.
    name : str
        What messages and reports call the logits.

    Raises
    ------
    InputError
        An array holds no real numbers, nothing at all, or shapes do not fit.
    UsageError
        There is no such axis.
    """
    array = _checked(logits, name)
    layout = Layout(array.shape, checked_axis(name, axis, array.ndim))
    part = MemoryPart(name, array, numbers_of(name, array.dtype, None), layout)
    if labels is None:
        return Table([part])
    expected = Expected(name, array.shape, layout.axis, layout.classes, layout.rows == 1)
    return Table([part], [_labels(labels, expected, ignore_index)])


def _checked(values: ArrayLike, name: str) -> NDArray[Any]:
    array = as_array(values, name, ", for instance with -inf")
    if array.dtype.kind == "u":
        raise InputError(
            f"{name}: holds {array.dtype.name}: numbers or bit patterns? Convert it with "
            "astype(numpy.int64), or view it as the floating dtype it is"
        )
    if array.dtype.kind not in "if" or array.dtype.name not in _READ:
        raise InputError(
            f"{name}: holds {array.dtype.name}; float16, float32, float64 and signed integers "
            "are taken: convert it first"
        )
    if not array.ndim:
        raise InputError(f"{name}: is a single number, not rows of classes")
    if not array.size:
        raise InputError(f"{name}: shape {array.shape} holds no elements; nothing to look at")
    return array


def _labels(values: ArrayLike, expected: Expected, ignore_index: int) -> Labels:
    name = "<labels>"
    array = as_array(values, name, ": class indices with the ignored label, probabilities with 0")
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"{name}: holds {array.dtype.name}; labels are whole numbers, or probabilities in a "
            "floating dtype"
        )
    kind = label_kind(name, array.shape, array.dtype.kind == "f", expected)

    def chunks() -> Iterator[NDArray[Any]]:
        if kind == "classes":
            column = array[..., np.newaxis]
            parts = memory_rows(column, Layout(column.shape, array.ndim), rows_at_a_time(1))
            return class_chunks(name, parts, expected, ignore_index)
        layout = Layout(array.shape, expected.axis)
        parts = memory_rows(array, layout, rows_at_a_time(layout.classes))
        return probability_chunks(name, parts)

    # The kind follows from a shape that fits, so there are as many labels as rows.
    return Labels(name, name, kind, expected.rows, chunks)
