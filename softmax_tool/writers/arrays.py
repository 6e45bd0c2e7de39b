"""Arrays to a file, block by block: NPY, NPZ or CSV, whole or not at all.

Blocks arrive in row order with the class axis last, and the shape is known only after the last one.
An array that is to stay in that order goes straight into the NPY file to be, behind room for its
header. Any other is spooled to an unnamed temporary file first, and read back from there in pieces,
the class axis where it belongs. No array is ever held whole.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from softmax_tool.errors import InputError, UsageError
from softmax_tool.storing import storing, storing_for_now, temporary_file
from softmax_tool.writers.spool import Spool
from softmax_tool.writers.text import destination, is_regular, open_binary, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    Shape = tuple[int, ...]

SUFFIXES = (".npy", ".npz", ".csv")

HEADER_BYTES = 128
"""Room for the header of an NPY file: what NumPy takes where there are few axes."""


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
    target = destination(path)
    if suffix == ".npy":
        with storing(path):
            temporary, stream = temporary_beside(target)
        spool = Spool(np.dtype(dtypes[0]), stream, partial(storing, path), HEADER_BYTES)
        return _NpyWriter(path, target, temporary, spool)
    with storing(path):
        folder = target.parent
        files = [tempfile.TemporaryFile(dir=folder) for _ in dtypes]  # noqa: SIM115  # the writer does
    return _FileWriter(path, suffix, tuple(names), _spools(dtypes, files, partial(storing, path)))


def open_values(dtypes: Sequence[np.dtype[Any]]) -> ValuesWriter:
    """Begin arrays that are kept in unnamed temporary files and come back memory-mapped."""
    files = [temporary_file() for _ in dtypes]
    return ValuesWriter(_spools(dtypes, files, storing_for_now))


@dataclass(slots=True)
class ValuesWriter:
    """An `ArrayWriter` whose arrays are given back, read-only, instead of written anywhere."""

    _spools: tuple[Spool, ...]
    arrays: tuple[NDArray[Any], ...] = ()

    def write(self, index: int, start_row: int, block: NDArray[Any]) -> None:
        """Take the next block of array `index`."""
        self._spools[index].write(start_row, block)

    def finish(self, shapes: Sequence[Shape], axis: int) -> None:
        """Leave the arrays in `arrays`."""
        self.arrays = tuple(
            spool.array(tuple(shape), axis)
            for spool, shape in zip(self._spools, shapes, strict=True)
        )

    def abort(self) -> None:
        """Forget everything."""
        for spool in self._spools:
            spool.close()


@dataclass(slots=True)
class _NpyWriter:
    """One array to NPY, in the temporary file that takes the name."""

    path: str
    target: Path
    temporary: Path
    spool: Spool

    def write(self, index: int, start_row: int, block: NDArray[Any]) -> None:  # noqa: ARG002
        self.spool.write(start_row, block)

    def finish(self, shapes: Sequence[Shape], axis: int) -> None:
        try:
            (shape,) = shapes
            header = _npy_header(self.spool.dtype, shape)
            if self.spool.is_in_order(shape, axis) and len(header) == HEADER_BYTES:
                with storing(self.path):
                    self.spool.file.seek(0)
                    self.spool.file.write(header)
                    self.spool.file.close()
                    self.temporary.replace(self.target)
            else:
                with open_binary(self.path) as stream:
                    _write_npy(stream, self.spool, shape, axis)
        finally:
            self.abort()

    def abort(self) -> None:
        self.spool.close()
        self.temporary.unlink(missing_ok=True)


@dataclass(slots=True)
class _FileWriter:
    path: str
    suffix: str
    names: tuple[str, ...]
    spools: tuple[Spool, ...]

    def write(self, index: int, start_row: int, block: NDArray[Any]) -> None:
        self.spools[index].write(start_row, block)

    def finish(self, shapes: Sequence[Shape], axis: int) -> None:
        try:
            if self.suffix == ".csv" and len(shapes[0]) > 2:
                raise UsageError(
                    f"{self.path}: .csv holds rows and columns, and {self.names[0]} has "
                    f"{len(shapes[0])} axes; use .npy"
                )
            with open_binary(self.path) as stream:
                if self.suffix == ".npz":
                    _write_npz(stream, self.names, self.spools, shapes, axis)
                else:
                    _write_csv(stream, self.spools[0], shapes[0], axis)
        finally:
            self.abort()

    def abort(self) -> None:
        for spool in self.spools:
            spool.close()


def _spools(
    dtypes: Sequence[np.dtype[Any]],
    files: Sequence[IO[bytes]],
    stores: Callable[[], AbstractContextManager[None]],
) -> tuple[Spool, ...]:
    pairs = zip(dtypes, files, strict=True)
    return tuple(Spool(np.dtype(dtype), file, stores) for dtype, file in pairs)


def _npy_header(dtype: np.dtype[Any], shape: Shape) -> bytes:
    stream = io.BytesIO()
    description = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": description, "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def _write_npy(stream: IO[bytes], spool: Spool, shape: Shape, axis: int) -> None:
    stream.write(_npy_header(spool.dtype, shape))
    for piece in spool.pieces(shape, axis):
        stream.write(piece.data)


def _write_npz(
    stream: BinaryIO,
    names: Sequence[str],
    spools: Sequence[Spool],
    shapes: Sequence[Shape],
    axis: int,
) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, spool, shape in zip(names, spools, shapes, strict=True):
            # A ZipInfo without a date gives the same bytes for the same arrays on any day.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                _write_npy(member, spool, tuple(shape), axis)


def _write_csv(stream: BinaryIO, spool: Spool, shape: Shape, axis: int) -> None:
    """Write a line a row; a vector of classes is one row, a vector of losses a line each."""
    columns = shape[-1] if len(shape) == 2 or spool.block_rank == 2 else 1
    written = 0  # cells of the line that is begun: a piece may end within one
    for piece in spool.pieces(shape, axis):
        cells = piece.reshape(-1).astype(np.float64).tolist()
        place = 0
        while place < len(cells):
            part = cells[place : place + columns - written]
            start = "," if written else ""
            written = (written + len(part)) % columns
            end = "" if written else "\n"
            stream.write(f"{start}{','.join(map(repr, part))}{end}".encode("ascii"))
            place += len(part)
