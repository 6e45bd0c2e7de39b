"""One vector of finite numbers, such as the weights of the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.readers.csv import parsed_batches
from softmax_tool.readers.dialect import sniffed
from softmax_tool.readers.layout import Layout
from softmax_tool.readers.npy import MAGIC, array_chunks, numbers_of, read_header
from softmax_tool.readers.npz import ZIP_MAGIC
from softmax_tool.readers.opening import open_origin
from softmax_tool.readers.origin import head
from softmax_tool.readers.shown import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.readers.origin import Origin


def read_vector(path: str, length: int) -> NDArray[np.float64]:
    """Read exactly `length` finite numbers from a CSV or NPY file: weights.

    Text has them one a line or all on one line. Negative numbers are fine.

    Raises
    ------
    InputError
        The file cannot be read, has another number of them, or one is not finite.
    """
    origin = open_origin(path)
    if head(origin, len(ZIP_MAGIC)) == ZIP_MAGIC:
        raise InputError(
            f"{origin.name}: is a zip archive, as NPZ files are; save the weights alone, as NPY "
            "(numpy.save) or CSV"
        )
    is_array = head(origin, len(MAGIC)) == MAGIC
    return _from_array(origin, length) if is_array else _from_text(origin, length)


def _from_array(origin: Origin, length: int) -> NDArray[np.float64]:
    header = read_header(origin)
    if len(header.shape) != 1:
        raise InputError(
            f"{origin.name}: weights of shape {header.shape}; one axis of {length} is needed"
        )
    _check_length(origin.name, header.shape[0], length)
    as_numbers = header.dtype.name if header.dtype.kind == "u" else None
    numbers = numbers_of(origin.name, header.dtype, as_numbers)
    (row,) = array_chunks(origin, header, numbers, Layout(header.shape, 0), 1)
    values: NDArray[np.float64] = row[0].astype(np.float64)
    _check_finite(values, lambda place: f"{origin.name}: element {place}")
    return values


def _from_text(origin: Origin, length: int) -> NDArray[np.float64]:
    dialect = sniffed(origin, refuse_counting=False)
    values: list[NDArray[np.float64]] = []
    count = 0
    for parsed in parsed_batches(origin, dialect):
        if dialect.columns > 1 and not dialect.single_row:
            raise InputError(
                f"{origin.name}: weights are one a line, or all on one line, not "
                f"{counted(dialect.columns, 'column')} and several lines"
            )

        def where(place: int, parsed: Any = parsed) -> str:
            if dialect.columns > 1:
                return f"{origin.name}:{dialect.first.line}:{place + 1}"
            return f"{origin.name}:{parsed.line_of(place)}"

        part = parsed.values.reshape(-1)
        _check_finite(part, where)
        count += part.size
        if count <= length:  # a file that is far too long is counted, not kept
            values.append(part)
    _check_length(origin.name, count, length)
    return np.concatenate(values)


def _check_length(name: str, count: int, length: int) -> None:
    if count != length:
        raise InputError(f"{name}: holds {count} weights, but {length} are needed")


def _check_finite(values: NDArray[np.float64], where: Callable[[int], str]) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        place = int(np.argmin(finite))
        raise InputError(f"{where(place)}: weights must be finite, not {values[place]}")
