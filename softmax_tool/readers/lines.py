"""UTF-8 text in batches of whole lines."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.readers.origin import read_up_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

BATCH_BYTES = 1 << 18  # of which the numbers and what it takes to read them fit the cache
LONGEST_LINE = 256 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole lines of a text file, and the number of the first of them, counted from 1."""

    text: str
    first_line: int


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
        whole = b"".join((*pending, chunk[:cut]))
        pending = [chunk[cut:]]
        pending_bytes = len(pending[0])
        if whole:
            text = _decoded(whole, name, line)
            yield Batch(text, line)
            line += int(np.count_nonzero(np.frombuffer(whole, np.uint8) == ord("\n")))
        if last:
            return


def _without_mark(chunk: bytes, name: str) -> bytes:
    if chunk.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise InputError(f"{name}: is UTF-16 text; save it as UTF-8")
    return chunk.removeprefix(BOM_UTF8)


def _decoded(text: bytes, name: str, line: int) -> str:
    _refuse_nul(text, name, line)
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        at = line + text.count(b"\n", 0, error.start)
        raise InputError(
            f"{name}:{at}: byte 0x{text[error.start]:02x} is not UTF-8 text; save it as UTF-8"
        ) from None


def _refuse_nul(text: bytes, name: str, line: int) -> None:
    if b"\0" in text:
        at = line + text.count(b"\n", 0, text.index(b"\0"))
        raise InputError(
            f"{name}:{at}: holds a NUL byte: not a text file, or UTF-16; save it as UTF-8"
        )
