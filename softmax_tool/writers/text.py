"""Text and bytes to a file, whole or not at all."""

from __future__ import annotations

import io
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from softmax_tool.errors import InputError
from softmax_tool.storing import storing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@contextmanager
def open_text(path: str) -> Iterator[TextIO]:
    """Open a UTF-8 text file that appears at `path` when the block ends without an exception.

    Raises
    ------
    InputError
        If `path` cannot become a file: a folder, or in a folder that is missing.
    StorageError
        If the system does not take the text.
    """
    with open_binary(path) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="", write_through=False)
        try:
            yield text
        finally:
            with suppress(ValueError):
                text.flush()
                text.detach()


@contextmanager
def open_binary(path: str) -> Iterator[BinaryIO]:
    """Open a binary file that appears at `path` when the block ends without an exception.

    The bytes go to a new file beside it, with the permissions of any new file, which then takes
    the name. A device or a pipe (`/dev/stdout`) has no name to take: it is written directly.

    Raises
    ------
    InputError
        If `path` cannot become a file.
    StorageError
        If the system does not take the bytes.
    """
    target = destination(path)
    with storing(path), _opened(target) as stream:
        yield stream


@contextmanager
def _opened(target: Path) -> Iterator[BinaryIO]:
    """Open the device, or a file beside the target that takes its place in the end."""
    if target.exists() and not target.is_file():
        with target.open("wb") as device:
            yield device
        return
    temporary, stream = temporary_beside(target)
    try:
        with stream:
            yield stream
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def destination(path: str) -> Path:
    """Give the file that writing to `path` would make, links followed.

    Raises
    ------
    InputError
        If there can be no such file.
    """
    if not path or "\0" in path:
        raise InputError(f"{path!r} is not a path; name a file to write to")
    given = Path(path)
    if given.exists() and not given.is_dir() and not is_regular(given):
        return given  # a device or a pipe, whose links may lead to no path (/dev/stdout)
    target = Path(os.path.realpath(path))
    if target.is_dir() or path.endswith(("/", os.sep)):
        raise InputError(f"{path}: is a folder; name a file in it")
    if not target.parent.is_dir():
        raise InputError(f"{path}: there is no folder {target.parent}; make it first")
    return target


def is_regular(target: Path) -> bool:
    """Tell whether `target` is an ordinary file, or does not exist yet."""
    try:
        return stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        return True


def temporary_beside(target: Path) -> tuple[Path, BinaryIO]:
    """Create and open a new file in the folder of `target`, with a new file's permissions."""
    temporary = target.parent / f".softmax-tool-{os.urandom(8).hex()}.tmp"
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    return temporary, os.fdopen(os.open(temporary, flags, 0o666), "w+b")
