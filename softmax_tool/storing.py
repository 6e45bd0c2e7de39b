"""Bytes that the system does not take: where they were to go, why not, and what to do."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from softmax_tool.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def storing(where: str, instead: str = "name a file elsewhere") -> Iterator[None]:
    """Turn what the system says of bytes, which names no file, into an error that names `where`.

    A reader that is gone is no such error.

    Raises
    ------
    StorageError
        For every other `OSError` of the block; where a disk is full, with what to do `instead`.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StorageError(f"{where}: {refusal(error, instead)}") from error


def refusal(error: OSError, instead: str) -> str:
    """Say why bytes were not taken, and where a disk is full what to do.

    Examples
    --------
    >>> refusal(OSError(errno.ENOSPC, "No space left on device"), "name another file")
    'No space left on device; free some, or name another file'
    >>> refusal(OSError(errno.EIO, "Input/output error"), "name another file")
    'Input/output error'
    """
    said = error.strerror or str(error)
    return f"{said}; free some, or {instead}" if error.errno in _FULL else said


def temporary_file() -> BinaryIO:
    """Open an unnamed file in the system's folder for them, which is gone when it is closed.

    Raises
    ------
    StorageError
        If there is no such folder, or none with room.
    """
    import tempfile  # noqa: PLC0415  # 1 ms that few need

    with storing_for_now():
        return cast("BinaryIO", tempfile.TemporaryFile())


@contextmanager
def storing_for_now() -> Iterator[None]:
    """Turn what the system says of a `temporary_file` into an error that names the folder.

    Raises
    ------
    StorageError
        As `storing` does.
    """
    with storing(_temporary_files(), "set TMPDIR to a folder with more"):
        yield


def _temporary_files() -> str:
    import tempfile  # noqa: PLC0415  # 1 ms that few need

    try:
        return f"temporary files in {tempfile.gettempdir()}"
    except FileNotFoundError:  # there is no such folder, which whoever wants one says better
        return "temporary files"
