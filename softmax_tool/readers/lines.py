"""UTF-8 text in batches of whole lines."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.frozen import frozen
from softmax_tool.readers.origin import read_up_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

BATCH_BYTES = 1 << 19  # of which the numbers and what it takes to read them fit the cache
LONGEST_LINE = 256 << 20
_LINE_END = ord("\n")
_NOT_ASCII = 0x80


@frozen
class Batch:
    """Whole lines of a text file.

    Attributes
    ----------
    data : bytes
        UTF-8; lines end in newlines, the last of a file perhaps in nothing.
    first_line : int
        Number of the first line, counted from 1.
    line_ends : int
        How many lines end here.
    rows : int or None
        How many rows of a table these are; None where lines may be blank or have comments.
    """

    data: bytes
    first_line: int
    line_ends: int
    rows: int | None

    @classmethod
    def of(cls, data: bytes, first_line: int) -> Batch:
        """Count lines and rows."""
        characters = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(characters == _LINE_END)
        starts = np.append(0, ends + 1)
        if starts[-1] == len(data):
            starts = starts[:-1]
        counted = b"#" not in data and not _has_blank(data, characters.take(starts))
        return cls(data, first_line, len(ends), len(starts) if counted else None)

    @property
    def text(self) -> str:
        """The lines as text."""
        return self.data.decode("utf-8")


def _has_blank(data: bytes, first_characters: NDArray[np.uint8]) -> bool:
    """Whether a line may hold nothing but blanks, given what each begins with."""
    if ((first_characters > ord(" ")) & (first_characters < _NOT_ASCII)).all():
        return False
    lines = data.decode("utf-8").removesuffix("\n").split("\n")
    return not all(map(str.strip, lines))


def batches(stream: BinaryIO, name: str) -> Iterator[Batch]:
    """Cut UTF-8 text into batches of whole lines, all line ends turned into newlines.

    Raises
    ------
    InputError
        It is not UTF-8 text, or has a line of unreasonable length.
    """
    line = 1
    pending: list[bytes] = []
    pending_bytes = 0
    start = True
    ended_in_return = False
    while True:
        chunk = read_up_to(stream, BATCH_BYTES)
        if start and chunk:
            chunk = _without_mark(chunk, name)
            start = False
        last = not chunk
        if b"\r" in chunk or ended_in_return:
            # A line end of two characters may be cut in two by the reading.
            if ended_in_return and chunk.startswith(b"\n"):
                chunk = chunk[1:]
                if not chunk:
                    ended_in_return = False
                    continue
            ended_in_return = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        cut = len(chunk) if last else chunk.rfind(b"\n") + 1
        if not cut and not last:
            _refuse_nul(chunk, name, line)
            pending.append(chunk)
            pending_bytes += len(chunk)
            if pending_bytes > LONGEST_LINE:
                raise InputError(
                    f"{name}:{line}: the line is longer than {LONGEST_LINE} bytes; is this a CSV?"
                )
            continue
        whole = b"".join((*pending, memoryview(chunk)[:cut]))
        pending = [chunk[cut:]]
        pending_bytes = len(pending[0])
        if whole:
            _check_text(whole, name, line)
            batch = Batch.of(whole, line)
            yield batch
            line += batch.line_ends
        if last:
            return


def _without_mark(chunk: bytes, name: str) -> bytes:
    # The mark of UTF-32 begins as that of UTF-16 does.
    if chunk.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        raise InputError(f"{name}: is UTF-32 text; save it as UTF-8")
    if chunk.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise InputError(f"{name}: is UTF-16 text; save it as UTF-8")
    return chunk.removeprefix(BOM_UTF8)


def _check_text(text: bytes, name: str, line: int) -> None:
    _refuse_nul(text, name, line)
    if text.isascii():
        return
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        at = line + text.count(b"\n", 0, error.start)
        raise InputError(
            f"{name}:{at}: byte 0x{text[error.start]:02x} is not UTF-8 text; save it as UTF-8"
        ) from None


def _refuse_nul(text: bytes, name: str, line: int) -> None:
    if b"\0" in text:
        at = line + text.count(b"\n", 0, text.index(b"\0"))
        raise InputError(
            f"{name}:{at}: holds a NUL byte: not a text file, or UTF-16 or UTF-32; save it as UTF-8"
        )
