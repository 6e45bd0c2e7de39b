"""Where bytes come from: a file, a pipe, or what a gzip or zip wraps, opened from the start."""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import weakref
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.frozen import frozen
from softmax_tool.readers.shown import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

STDIN = "-"
_COPY_BYTES = 1 << 20


class Opens(Protocol):
    """Opens a stream at its first byte, and closes it; `last` says that it is for the last time."""

    def __call__(self, *, last: bool) -> AbstractContextManager[BinaryIO]: ...


@frozen
class Stamp:
    """Which file it was, and when and how long it was written."""

    device: int
    number: int
    size: int
    modified: int  # in nanoseconds

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Take it from what the system says of a file."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def check(self, stream: BinaryIO, name: str) -> None:
        """Raise an `InputError` where what was read is not the file as it was."""
        if self.of(os.fstat(stream.fileno())) != self:
            raise InputError(
                f"{name}: changed while it was read; run again when nothing writes to it"
            )


@frozen
class Origin:
    """Bytes that can be opened from the first one.

    Attributes
    ----------
    path : str
        As the caller gave it.
    name : str
        As messages show it.
    open : callable
        A context that gives a binary stream at the first byte. A pipe keeps what was read for
        the next opening until `last` is true; after that it cannot be opened again.
    seekable : bool
        Whether the stream can seek.
    size : int or None
        Bytes, where known beforehand.
    stamp : Stamp or None
        What the file at `path` was, which every process can read; None of anything else.
    """

    path: str
    name: str
    open: Opens
    seekable: bool
    size: int | None
    stamp: Stamp | None = None


def origin_of(path: str, stdin: BinaryIO | None = None) -> Origin:
    """The bytes behind a path, or standard input for `-`.

    Raises
    ------
    InputError
        The file is missing, a directory, empty or unreadable.
    """
    if path == STDIN:
        # Python has no standard input where the caller closed it.
        stream = stdin or getattr(sys.stdin, "buffer", None)
        if stream is None:
            raise InputError("<stdin>: is closed; name a file instead of -")
        return _probed(_pipe(path, "<stdin>", stream))
    if not path:
        raise InputError("'': a file name is empty; name a file, or - for standard input")
    name = visible(path)
    if "\0" in path:
        raise InputError(f"{name}: a file name cannot hold a NUL byte")
    with reading(name):
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{name}: is a directory; name the file in it")
        if stat.S_ISREG(status.st_mode):
            stamp = Stamp.of(status)
            opener = _file_opener(path, name, stamp)
            origin = Origin(path, name, opener, True, status.st_size, stamp)
        else:  # a named pipe or a device gives its bytes only once
            device = io.FileIO(path)
            origin = _pipe(path, name, cast("BinaryIO", device), close=device.close)
    return _probed(origin)


def head(origin: Origin, count: int) -> bytes:
    """The first bytes, at most `count` of them."""
    with origin.open(last=False) as stream:
        return read_up_to(stream, count)


def read_up_to(stream: BinaryIO, count: int) -> bytes:
    """Read `count` bytes, fewer only at the end."""
    parts = []
    while count > 0 and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def fill_array(stream: BinaryIO, array: NDArray[Any]) -> int:
    """Read into a whole C-contiguous array; returns how many bytes came, fewer at the end."""
    return fill(stream, memoryview(array.reshape(-1).view(np.uint8).data))


def fill(stream: BinaryIO, buffer: memoryview) -> int:
    """Read into a whole buffer; returns how many bytes came, fewer only at the end."""
    done = 0
    while done < len(buffer):
        # Plain, zip and gzip streams all have it, BinaryIO just does not say so.
        count = cast("io.RawIOBase", stream).readinto(buffer[done:])
        if not count:
            break
        done += count
    return done


def gunzipped(origin: Origin) -> Origin:
    """What a gzip file holds."""

    @contextmanager
    def opened(*, last: bool) -> Iterator[BinaryIO]:
        with (
            reading(origin.name),
            origin.open(last=last) as packed,
            gzip.GzipFile(fileobj=packed, mode="rb") as stream,
        ):
            yield cast("BinaryIO", stream)

    return Origin(origin.path, origin.name, opened, False, None)


def spooled(origin: Origin) -> Origin:
    """The same bytes in an unnamed temporary file, which can seek and be opened again."""
    from softmax_tool.storing import storing_for_now, temporary_file  # noqa: PLC0415  # 1 ms that few need

    spool = temporary_file()  # closed by the finalizer of the origin
    with reading(origin.name), origin.open(last=True) as stream:
        while part := stream.read(_COPY_BYTES):
            with storing_for_now():
                spool.write(part)
    with storing_for_now():
        spool.flush()
    return spool_origin(origin.path, origin.name, spool)


def spool_origin(path: str, name: str, spool: BinaryIO) -> Origin:
    """An origin over a temporary file, which is closed when the origin is no longer used."""

    @contextmanager
    def opened(*, last: bool) -> Iterator[BinaryIO]:  # noqa: ARG001  # can be opened again
        with reading(name):
            spool.seek(0)
            yield spool

    weakref.finalize(opened, spool.close)
    return Origin(path, name, opened, True, spool.seek(0, os.SEEK_END))


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what reading a file can raise into an `InputError` that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except PermissionError:
        raise InputError(f"{name}: no permission to read it") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a directory; name the file in it") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        told = "is cut short" if isinstance(error, EOFError) else "is damaged"
        raise InputError(f"{name}: the compressed data {told}; write or copy it again") from None
    except zipfile.BadZipFile:
        raise InputError(f"{name}: the zip archive is damaged; write or copy it again") from None
    except OSError as error:
        reason = str(error) if error.errno is None else os.strerror(error.errno)
        raise InputError(f"{name}: cannot be read ({visible(reason)})") from None


def _file_opener(path: str, name: str, stamp: Stamp) -> Opens:
    @contextmanager
    def opened(*, last: bool) -> Iterator[BinaryIO]:  # noqa: ARG001  # can be opened again
        with reading(name), io.FileIO(path) as file:
            stream = cast("BinaryIO", file)
            yield stream
            stamp.check(stream, name)

    return opened


class _Replayed(io.RawIOBase):
    """A pipe read from its first byte again: what is on record, then the pipe itself."""

    def __init__(self, stream: BinaryIO, record: bytearray, *, recording: bool) -> None:
        self._stream = stream
        self._record = record
        self._recording = recording
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        known = self._record[self._position : self._position + len(buffer)]
        if known:
            buffer[: len(known)] = known
            self._position += len(known)
            if not self._recording and self._position == len(self._record):
                self._record.clear()
                self._position = 0
            return len(known)
        if self._recording:
            fresh = self._stream.read(len(buffer))
            self._record += fresh
            self._position += len(fresh)
            buffer[: len(fresh)] = fresh
            return len(fresh)
        return fill(self._stream, memoryview(buffer))


def _pipe(
    path: str, name: str, stream: BinaryIO, close: Callable[[], object] | None = None
) -> Origin:
    record = bytearray()
    spent = False

    @contextmanager
    def opened(*, last: bool) -> Iterator[BinaryIO]:
        nonlocal spent
        if spent:
            raise InputError(f"{name}: a pipe can be read only once; give a file instead")
        spent = last
        with reading(name):
            yield cast("BinaryIO", _Replayed(stream, record, recording=not last))

    if close is not None:
        weakref.finalize(opened, close)
    return Origin(path, name, opened, False, None)


def _probed(origin: Origin) -> Origin:
    if not head(origin, 1):
        raise InputError(f"{origin.name}: is empty")
    return origin
