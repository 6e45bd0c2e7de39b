"""A process that parses text for another: `python -m softmax_tool.readers.parsing_process`.

Asked, on its standard input, with the length of a text (8 bytes, little-endian) and the text, it
answers with the number of rows, or -1 where `table` needs a closer look, and the numbers, float64.
It ends with its input, so it never outlives who started it.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from softmax_tool.readers.numerals import table

if TYPE_CHECKING:
    from io import FileIO

NUMBER_BYTES = 8
REFUSED = -1


def main(delimiter: bytes, columns: int) -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it is told as well
    with open(0, "rb", buffering=0) as questions, open(1, "wb", buffering=0) as answers:
        while length := received(questions, NUMBER_BYTES):
            text = received(questions, int.from_bytes(length, "little"))
            values = table(bytes(text), delimiter, columns)
            rows = REFUSED if values is None else len(values)
            send(answers, rows.to_bytes(NUMBER_BYTES, "little", signed=True))
            if values is not None:
                send(answers, values.tobytes())


def received(stream: FileIO, count: int) -> bytearray:
    """Read so many bytes; fewer, or none, where the other side has ended."""
    data = bytearray(count)
    place = memoryview(data)
    while place and (got := stream.readinto(place)):
        place = place[got:]
    return data[: count - len(place)] if place else data


def send(stream: FileIO, data: bytes | memoryview) -> None:
    """Write all of it."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


if __name__ == "__main__":
    main(sys.argv[1].encode(), int(sys.argv[2]))
