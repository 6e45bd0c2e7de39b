"""NPY files: the header, checked before it is believed, and the rows, block by block."""

from __future__ import annotations

import io
import warnings
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy_format

from softmax_tool import aligned
from softmax_tool.errors import InputError, UsageError
from softmax_tool.frozen import frozen
from softmax_tool.readers.layout import Layout, StoredArray
from softmax_tool.readers.origin import Origin, fill_array, read_up_to, spooled
from softmax_tool.readers.shown import counted, quoted, visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 64 << 10
_FLOATS = {2: "float16", 4: "float32", 8: "float64"}
# What holds every value of an unsigned type. Of uint64 the upper half does not fit: refused
# where it occurs.
_SIGNED = {1: "int16", 2: "int32", 4: "int64", 8: "int64"}
# Formats of that width whose bits this version cannot read.
_UNREAD = {1: "float8_e4m3fn or float8_e5m2", 2: "bfloat16"}


@frozen
class Header:
    """What an NPY file says about itself, and where its data start."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    data_start: int

    @property
    def nbytes(self) -> int:
        """Bytes of the data."""
        return prod(self.shape) * self.dtype.itemsize


@frozen
class Numbers:
    """How the stored bytes are read: viewed as `stored`, then converted to `given` exactly."""

    name: str
    stored: np.dtype[Any]
    given: np.dtype[Any]


def read_header(origin: Origin, *, single: bool = False) -> Header:
    """Read and check the header of an NPY file; a `single` number may do for an array.

    Raises
    ------
    InputError
        It is not an NPY header, its shape is impossible, holds nothing, or does not fit the
        size of the file.
    """
    with origin.open(last=False) as stream:
        header = _parsed(stream, origin.name)
    name, shape = origin.name, header.shape
    if header.dtype.hasobject:
        raise InputError(
            f"{name}: is an array of Python objects, which are never unpickled; "
            "save it with a floating dtype"
        )
    if any(length < 0 for length in shape):
        raise InputError(f"{name}: the header says shape {_shown(shape)}: no length is negative")
    if not shape and not single:
        raise InputError(f"{name}: holds a single number, not rows of classes")
    if 0 in shape:
        raise InputError(f"{name}: shape {_shown(shape)} holds no elements; nothing to look at")
    if header.nbytes >= 1 << 62:
        raise InputError(f"{name}: the header says shape {_shown(shape)}, which no file can hold")
    if origin.size is not None:
        check_length(name, header, origin.size - header.data_start)
    return header


def check_length(name: str, header: Header, available: int) -> None:
    """Raise unless a file has as many bytes of data as its header says."""
    if available < header.nbytes:
        raise InputError(
            f"{name}: is cut short: shape {_shown(header.shape)} of {header.dtype.name} needs "
            f"{header.nbytes} bytes of data, but there are {available}"
        )
    if available > header.nbytes:
        raise InputError(
            f"{name}: {available - header.nbytes} bytes follow the array that the header "
            "describes; one array a file"
        )


def numbers_of(
    name: str, dtype: np.dtype[Any], input_dtype: str | None, taken: set[str] | None = None
) -> Numbers:
    """Decide what stored numbers mean; raw bytes and unsigned integers need `input_dtype`.

    With `taken` it may be meant for another file; it is added where it is needed here.

    Raises
    ------
    InputError
        The dtype holds no real numbers.
    UsageError
        `input_dtype` is needed, does not fit, or is given where the file itself says it.
    """
    _refuse_no_numbers(name, dtype)
    kind, width = dtype.kind, dtype.itemsize
    if kind in "fi":
        if input_dtype is not None and taken is None:
            raise UsageError(
                f"{name}: holds {dtype.name}, which says what it means; leave out --input-dtype"
            )
        native = dtype.newbyteorder("=")
        return Numbers(dtype.name, dtype, native)
    if taken is not None:
        taken.add("input_dtype")
    fitting = _FLOATS.get(width)
    choices = [*([dtype.name] if kind == "u" else []), *([fitting] if fitting else [])]
    if input_dtype == dtype.name and kind == "u":
        return Numbers(dtype.name, dtype, np.dtype(_SIGNED[width]))
    if input_dtype is not None and input_dtype == fitting:
        order = "<" if dtype.byteorder == "|" else dtype.byteorder
        return Numbers(input_dtype, np.dtype(f"{order}f{width}"), np.dtype(input_dtype))
    held = f"holds {dtype.name}" if kind == "u" else f"holds raw {width}-byte items"
    unread = _UNREAD.get(width, "")
    if input_dtype is not None and input_dtype in unread.split(" or "):
        raise UsageError(
            f"{name}: {held}, and this version does not read {input_dtype}; "
            "save them as float32, which is exact"
        )
    asked = (
        f"which --input-dtype {quoted(input_dtype)} does not fit"
        if input_dtype is not None
        else "which may mean several things"
    )
    ways = (
        [f"use {' or '.join(f'--input-dtype {choice}' for choice in choices)}"] if choices else []
    )
    if unread:
        ways.append(f"if they are {unread}, save them as float32, which is exact")
    raise UsageError(f"{name}: {held}, {asked}; {'; '.join(ways)}")


def checked_axis(name: str, axis: int, rank: int) -> int:
    """The class axis counted from the front.

    Raises
    ------
    UsageError
        There is no such axis.
    """
    if not -rank <= axis < rank:
        axes = counted(rank, "axis", "axes")
        raise UsageError(f"{name}: --axis {axis} does not exist: the array has {axes}")
    return axis % rank


def array_chunks(
    origin: Origin, header: Header, numbers: Numbers, layout: Layout, rows: int
) -> Iterator[NDArray[Any]]:
    """Yield the rows of an NPY file, at most `rows` at a time, each block in a fresh buffer."""
    if layout.rows_are_consecutive:
        parts = _consecutive(origin, header, numbers, layout, rows)
    else:
        parts = _scattered(origin, header, numbers, layout, rows)
    done = 0
    for part in parts:
        yield exact(part, numbers, origin.name, done)
        done += len(part)


def exact(part: NDArray[Any], numbers: Numbers, name: str, start: int) -> NDArray[Any]:
    """Rows in native byte order, unsigned integers as signed ones, no value changed."""
    if part.dtype == np.uint64 and (too_large := part > np.iinfo(np.int64).max).any():
        row, column = (int(place[0]) for place in np.nonzero(too_large))
        raise InputError(
            f"{name}: row {start + row}, column {column}: {part[row, column]} is beyond "
            "2**63 - 1, the largest integer that is read"
        )
    part = part.astype(numbers.given, copy=False)
    part.setflags(write=False)
    return part


def _consecutive(
    origin: Origin, header: Header, numbers: Numbers, layout: Layout, rows: int
) -> Iterator[NDArray[Any]]:
    with origin.open(last=True) as stream:
        _skip_header(stream, origin, header)
        left = layout.rows
        while left:
            part = room(origin.name, min(rows, left), layout.classes, numbers.stored)
            got = fill_array(stream, part)
            if got < part.nbytes:
                row_bytes = layout.classes * part.itemsize
                check_length(origin.name, header, (layout.rows - left) * row_bytes + got)
            left -= len(part)
            yield part
        if extra := len(read_up_to(stream, 1)):
            check_length(origin.name, header, header.nbytes + extra + _rest(stream))


def _scattered(
    origin: Origin, header: Header, numbers: Numbers, layout: Layout, rows: int
) -> Iterator[NDArray[Any]]:
    if not origin.seekable:
        origin = spooled(origin)
        assert origin.size is not None  # noqa: S101  # a temporary file knows its size
        check_length(origin.name, header, origin.size - header.data_start)
    with origin.open(last=True) as stream:
        yield from StoredArray(stream, origin.name, header.data_start, numbers.stored, layout).rows(
            rows
        )


def _parsed(stream: BinaryIO, name: str) -> Header:
    start = read_up_to(stream, len(MAGIC) + 2)
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + 2:
        raise InputError(f"{name}: is cut short in its NPY header")
    version = (start[-2], start[-1])
    if version not in {(1, 0), (2, 0), (3, 0)}:
        raise InputError(
            f"{name}: NPY version {version[0]}.{version[1]} is unknown; 1.0, 2.0 and 3.0 are read"
        )
    width = 2 if version == (1, 0) else 4
    length_bytes = read_up_to(stream, width)
    length = int.from_bytes(length_bytes, "little")
    if length > _LONGEST_HEADER:
        raise InputError(f"{name}: the NPY header claims {length} bytes; the file is damaged")
    text = read_up_to(stream, length)
    if len(length_bytes) < width or len(text) < length:
        raise InputError(f"{name}: is cut short in its NPY header")
    # Version 3.0 only adds UTF-8 field names to 2.0, and arrays with fields are refused anyway.
    parse = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers written by Python 2 are fine
            shape, fortran, dtype = parse(io.BytesIO(length_bytes + text))
    except Exception:  # a hostile header makes Python's own parsers raise nearly anything
        raise InputError(f"{name}: the NPY header is damaged: {quoted(_text(text))}") from None
    return Header(
        tuple(int(length) for length in shape),
        bool(fortran),
        dtype,
        len(start) + width + length,
    )


def _refuse_no_numbers(name: str, dtype: np.dtype[Any]) -> None:
    if dtype.names is not None or dtype.subdtype is not None:
        raise InputError(f"{name}: is a structured array; save one field of it as a plain array")
    raw = dtype.kind == "V" and dtype.itemsize in {1, 2} and dtype.name.startswith("void")
    if not (raw or dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize in _FLOATS)):
        raise InputError(
            f"{name}: holds {visible(dtype.name)}; "
            "float16, float32, float64 and integers are read: convert it first"
        )


def _skip_header(stream: BinaryIO, origin: Origin, header: Header) -> None:
    if len(read_up_to(stream, header.data_start)) < header.data_start:
        raise InputError(f"{origin.name}: became shorter while it was read")


def room(name: str, rows: int, classes: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return memory for some rows.

    Raises
    ------
    InputError
        There is not enough of it.
    """
    try:
        return aligned.empty((rows, classes), dtype)
    except (MemoryError, ValueError):
        size = rows * classes * dtype.itemsize
        raise InputError(
            f"{name}: {counted(rows, 'row')} of {counted(classes, 'class', 'classes')} "
            f"would take {size} bytes of memory"
        ) from None


def _rest(stream: BinaryIO) -> int:
    total = 0
    while part := stream.read(1 << 20):
        total += len(part)
    return total


def _text(header: bytes) -> str:
    return header.decode("latin-1").strip()


def _shown(shape: tuple[int, ...]) -> str:
    text = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    return text if len(text) <= 80 else f"{text[:79]}…"
