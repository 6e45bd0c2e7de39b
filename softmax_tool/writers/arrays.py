"""Arrays to a file, block by block: NPY, NPZ or CSV, whole or not at all.

Blocks arrive in row order with the class axis last, and the shape is known only after the last one.
So each array is spooled to an unnamed temporary file first; at the end it is read back through a
memory map, the class axis where it belongs, in pieces of bounded size. No array is ever held whole.
"""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from softmax_tool.errors import InputError, UsageError
from softmax_tool.writers.text import destination, is_regular, open_binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

SUFFIXES = (".npy", ".npz", ".csv")

PIECE_BYTES = 1 << 22
"""How much of an array is in memory while it is copied to its place."""


class ArrayWriter(Protocol):
    """Takes arrays block by block; `finish` or `abort` ends it."""

    def write(self, index: int, start_row: int, block: NDArray[Any]) -> None:
        """Take the next block of array `index`, whose first row is `start_row`.

        Shape (rows, classes); (rows,) for a loss per row; () for one number.
        """

    def finish(self, shapes: Sequence[tuple[int, ...]], axis: int) -> None:
        """Write everything; the logical shape of each array, and where its class axis goes."""

    def abort(self) -> None:
        """Forget everything; no file is left behind."""


def check_path(path: str) -> str:
    """Give the suffix of a file for arrays, before anything is computed.

    Raises
    ------
    UsageError
        If the suffix names no format for arrays.
    InputError
        If no file can be made there.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise UsageError(f"{path}: arrays are written to {known}; end the name in one of them")
    if not is_regular(destination(path)):
        raise InputError(f"{path}: is not an ordinary file; arrays need one")
    return suffix


def open_arrays(path: str, names: Sequence[str], dtypes: Sequence[np.dtype[Any]]) -> ArrayWriter:
    """Begin a file of arrays called `names`, in the order of `write`'s `index`.

    Raises
    ------
    UsageError
        If the suffix is unknown, or several arrays go to a format that holds one.
    InputError
        If no file can be made there.
    """
    suffix = check_path(path)
    if suffix != ".npz" and len(names) != 1:
        raise UsageError(
            f"{path}: {suffix} holds one array, and these are {len(names)} ({', '.join(names)}); "
            "use .npz, or choose one with --op and --formulation"
        )
    return _FileWriter(path, suffix, tuple(names), _Spools.open(dtypes, destination(path).parent))


def open_values(dtypes: Sequence[np.dtype[Any]]) -> ValuesWriter:
    """Begin arrays that are kept in unnamed temporary files and come back memory-mapped."""
    return ValuesWriter(_Spools.open(dtypes, None))


@dataclass(slots=True)
class ValuesWriter:
    """An `ArrayWriter` whose arrays are given back, read-only, instead of written anywhere."""

    _spools: _Spools
    arrays: tuple[NDArray[Any], ...] = ()

    def write(self, index: int, start_row: int, block: NDArray[Any]) -> None:
        """Take the next block of array `index`."""
        self._spools.write(index, start_row, block)

    def finish(self, shapes: Sequence[tuple[int, ...]], axis: int) -> None:
        """Leave the arrays in `arrays`."""
        self.arrays = self._spools.arrays(shapes, axis)

    def abort(self) -> None:
        """Forget everything."""
        self._spools.close()


@dataclass(slots=True)
class _FileWriter:
    path: str
    suffix: str
    names: tuple[str, ...]
    spools: _Spools

    def write(self, index: int, start_row: int, block: NDArray[Any]) -> None:
        self.spools.write(index, start_row, block)

    def finish(self, shapes: Sequence[tuple[int, ...]], axis: int) -> None:
        try:
            arrays = self.spools.arrays(shapes, axis)
            if self.suffix == ".csv" and arrays[0].ndim > 2:
                raise UsageError(
                    f"{self.path}: .csv holds rows and columns, and {self.names[0]} has "
                    f"{arrays[0].ndim} axes; use .npy"
                )
            with open_binary(self.path) as stream:
                if self.suffix == ".npz":
                    _write_npz(stream, self.names, arrays)
                elif self.suffix == ".npy":
                    _write_npy(stream, arrays[0])
                else:
                    _write_csv(stream, arrays[0], by_rows=self.spools.has_classes(0))
        finally:
            self.spools.close()

    def abort(self) -> None:
        self.spools.close()


@dataclass(slots=True)
class _Spool:
    """One array on its way: raw values in row order in a file that has no name."""

    dtype: np.dtype[Any]
    file: IO[bytes]
    block_rank: int = 0
    rows: int = 0

    def write(self, start_row: int, block: NDArray[Any]) -> None:
        self.block_rank = block.ndim
        if block.ndim:
            if start_row != self.rows:
                raise ValueError(f"block of row {start_row} where row {self.rows} was due")
            self.rows += len(block)
        self.file.write(np.ascontiguousarray(block, dtype=self.dtype).data)

    def array(self, shape: tuple[int, ...], axis: int) -> NDArray[Any]:
        self.file.flush()
        spooled = shape
        if self.block_rank == 2:
            axis %= len(shape)
            spooled = (*shape[:axis], *shape[axis + 1 :], shape[axis])
        if 0 in shape:
            array: NDArray[Any] = np.empty(spooled, self.dtype)
        else:
            array = np.memmap(self.file, dtype=self.dtype, mode="r", shape=spooled or (1,))
            array = array.reshape(spooled)
        return np.moveaxis(array, -1, axis) if self.block_rank == 2 else array


@dataclass(frozen=True, slots=True)
class _Spools:
    spools: tuple[_Spool, ...] = field(default=())

    @classmethod
    def open(cls, dtypes: Sequence[np.dtype[Any]], folder: Path | None) -> _Spools:
        return cls(
            tuple(_Spool(np.dtype(dtype), tempfile.TemporaryFile(dir=folder)) for dtype in dtypes)
        )

    def write(self, index: int, start_row: int, block: NDArray[Any]) -> None:
        self.spools[index].write(start_row, block)

    def arrays(self, shapes: Sequence[tuple[int, ...]], axis: int) -> tuple[NDArray[Any], ...]:
        return tuple(
            spool.array(tuple(shape), axis)
            for spool, shape in zip(self.spools, shapes, strict=True)
        )

    def has_classes(self, index: int) -> bool:
        return self.spools[index].block_rank == 2

    def close(self) -> None:
        for spool in self.spools:
            with suppress(OSError):
                spool.file.close()


def pieces(array: NDArray[Any], limit: int = PIECE_BYTES) -> Iterator[NDArray[Any]]:
    """Yield the elements of an array in C order as contiguous parts of at most `limit` bytes."""
    if array.ndim == 0 or array.nbytes <= limit:
        yield np.ascontiguousarray(array)
        return
    lines = max(1, limit // (array.nbytes // len(array)))
    for start in range(0, len(array), lines):
        part = array[start : start + lines]
        if part.nbytes > limit and len(part) == 1 and part.ndim > 1:
            yield from pieces(part[0], limit)
        else:
            yield np.ascontiguousarray(part)


def _write_npy(stream: IO[bytes], array: NDArray[Any]) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": array.shape,
    }
    np.lib.format.write_array_header_1_0(stream, header)
    for piece in pieces(array):
        stream.write(piece.data)


def _write_npz(stream: BinaryIO, names: Sequence[str], arrays: Sequence[NDArray[Any]]) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in zip(names, arrays, strict=True):
            # A ZipInfo without a date gives the same bytes for the same arrays on any day.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                _write_npy(member, array)


def _write_csv(stream: BinaryIO, array: NDArray[Any], *, by_rows: bool) -> None:
    """Write a line a row; a vector of classes is one row, a vector of losses a line each."""
    table = (
        array.reshape(1, -1) if array.ndim < 2 and by_rows else array.reshape(-1, *array.shape[1:])
    )
    text = io.TextIOWrapper(stream, encoding="ascii", newline="")
    try:
        writer = csv.writer(text, lineterminator="\n")
        for row in table:
            writer.writerow(
                [repr(value) for value in np.atleast_1d(row).astype(np.float64).tolist()]
            )
    finally:
        text.detach()
