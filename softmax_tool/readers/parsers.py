"""Processes that parse text, for as long as they are needed.

Threads would share the interpreter: parsing holds it too often for others to compute meanwhile.
Each process is a fresh Python that runs `parsing_process` alone. Neither a fork, which must not
happen while threads run, nor one of `multiprocessing`, which would run the caller's script again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, cast

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.readers.parsing_process import NUMBER_BYTES, received, send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from numpy.typing import NDArray

PIPE_BYTES = 1 << 20  # where the system has a choice: a question or an answer at once
MOST = 8
"""So many processes are fed as fast as one can read and use what they give."""


class Parsers:
    """Some processes, each of which answers one question at a time."""

    def __init__(self, count: int, delimiter: str, columns: int, name: str) -> None:
        self._columns = columns
        self._name = name
        self._all = [_started(delimiter, columns) for _ in range(min(count, MOST))]
        self._free: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in self._all:
            self._free.put(process)

    def parse(self, text: str) -> NDArray[np.float64] | None:
        """What `table` makes of a text, by whichever process is free; may be called by threads.

        Raises
        ------
        InputError
            The process has ended.
        """
        process = self._free.get()
        try:
            return self._answer(process, text.encode())
        except OSError:
            raise self._lost(process) from None
        finally:
            self._free.put(process)

    def close(self) -> None:
        """End them all, whatever they do."""
        for process in self._all:
            process.kill()
        for process in self._all:
            with process:  # closes its pipes and waits for it
                pass

    def _answer(self, process: subprocess.Popen[bytes], text: bytes) -> NDArray[np.float64] | None:
        questions, answers = cast("FileIO", process.stdin), cast("FileIO", process.stdout)
        send(questions, len(text).to_bytes(NUMBER_BYTES, "little"))
        send(questions, text)
        length = received(answers, NUMBER_BYTES)
        rows = int.from_bytes(length, "little", signed=True)
        if len(length) == NUMBER_BYTES and rows < 0:
            return None
        data = received(answers, rows * self._columns * NUMBER_BYTES)
        if not length or len(data) < rows * self._columns * NUMBER_BYTES:
            raise self._lost(process)
        return np.frombuffer(data, np.float64).reshape(rows, self._columns)

    def _lost(self, process: subprocess.Popen[bytes]) -> InputError:
        process.kill()
        return InputError(
            f"{self._name}: a process that parsed it has ended (exit code {process.wait()}); "
            "use --threads 1, which needs none"
        )


@contextmanager
def parsers(count: int, delimiter: str, columns: int, name: str) -> Iterator[Parsers]:
    """Start processes, and end them whatever happens."""
    found = Parsers(count, delimiter, columns, name)
    try:
        yield found
    finally:
        found.close()


def _started(delimiter: str, columns: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-P", "-m", "softmax_tool.readers.parsing_process"]
    return subprocess.Popen(  # noqa: S603  # this Python, on a module of this package
        [*command, delimiter, str(columns)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        pipesize=PIPE_BYTES,
        env=environment,
    )
