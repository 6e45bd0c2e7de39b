"""Processes that parse text, for as long as they are needed.

Threads would share the interpreter: parsing holds it too often for others to compute meanwhile.
Each process is a fresh Python that runs `parsing_process` alone. Neither a fork, which must not
happen while threads run, nor one of `multiprocessing`, which would run the caller's script again.

Questions are sent by a thread for each process, some ahead of the answers; these are received by
whoever needs them. A thread that waited for an answer would hardly get at the interpreter while
another one computes, and the process would stand idle meanwhile.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.readers.parsing_process import NUMBER_BYTES, received, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import FileIO

    from numpy.typing import NDArray

    Table = NDArray[np.float64] | None

_Item = TypeVar("_Item")

PIPE_BYTES = 1 << 20  # where the system has a choice: a question or an answer at once
MOST = 8
"""So many processes are fed as fast as one can read and use what they give."""

_ASKED = 2  # questions a process has before it: one that it works on, one that it finds then
_AHEAD = 4  # tables that are made here, while answers are waited for


class Parsers:
    """Some processes, each of which answers its questions in order."""

    def __init__(self, count: int, delimiter: str, columns: int, name: str) -> None:
        self._columns, self._name = columns, name
        self._all = [_started(delimiter, columns) for _ in range(min(count, MOST))]
        self._senders = [ThreadPoolExecutor(1) for _ in self._all]
        self._turns = cycle(zip(self._all, self._senders, strict=True))

    def tables(
        self, questions: Iterable[tuple[_Item, str]], here: Callable[[str], Table]
    ) -> Iterator[tuple[_Item, Table]]:
        """Yield each item, in order, with what `table` makes of its text.

        While the next answer is not there yet, texts that come later are parsed `here`.

        Raises
        ------
        InputError
            A process has ended.
        """
        source = iter(questions)
        waiting: deque[_Waiting[_Item]] = deque()
        asked = 0
        while True:
            while asked < _ASKED * len(self._all) and (question := next(source, None)):
                item, text = question
                waiting.append(_Waiting(item, self._ask(text), None))
                asked += 1
            if not waiting:
                return
            process = waiting[0].process
            if process is None:
                yield waiting[0].item, waiting.popleft().table
                continue
            idle = len(waiting) < asked + _AHEAD and not _has_answered(process)
            if idle and (question := next(source, None)):
                item, text = question
                waiting.append(_Waiting(item, None, here(text)))
                continue
            item = waiting.popleft().item
            asked -= 1
            yield item, self._answer(process)

    def close(self) -> None:
        """End them all, whatever they do."""
        for process in self._all:
            process.kill()
        for process in self._all:
            process.wait()
        for sender in self._senders:
            sender.shutdown(cancel_futures=True)  # what it sends has nobody to go to
        for process in self._all:
            with process:  # closes its pipes
                pass

    def _ask(self, text: str) -> subprocess.Popen[bytes]:
        process, sender = next(self._turns)
        sender.submit(_send, process, text)
        return process

    def _answer(self, process: subprocess.Popen[bytes]) -> Table:
        answers = cast("FileIO", process.stdout)
        length = received(answers, NUMBER_BYTES)
        if len(length) < NUMBER_BYTES:
            raise self._lost(process)
        rows = int.from_bytes(length, "little", signed=True)
        if rows < 0:
            return None
        data = received(answers, rows * self._columns * NUMBER_BYTES)
        if len(data) < rows * self._columns * NUMBER_BYTES:
            raise self._lost(process)
        return np.frombuffer(data, np.float64).reshape(rows, self._columns)

    def _lost(self, process: subprocess.Popen[bytes]) -> InputError:
        process.kill()
        return InputError(
            f"{self._name}: a process that parsed it has ended (exit code {process.wait()}); "
            "use --threads 1, which needs none"
        )


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[_Item]):
    """An item whose table is to come from a process, or is there."""

    item: _Item
    process: subprocess.Popen[bytes] | None
    table: Table


def _send(process: subprocess.Popen[bytes], text: str) -> None:
    question, data = cast("FileIO", process.stdin), text.encode()
    with suppress(OSError):  # it has ended: whoever waits for the answer will know
        send(question, len(data).to_bytes(NUMBER_BYTES, "little"))
        send(question, data)


def _has_answered(process: subprocess.Popen[bytes]) -> bool:
    """Whether an answer has begun to come; yes where the system cannot tell."""
    try:
        return bool(select.select([cast("FileIO", process.stdout)], [], [], 0)[0])
    except (OSError, ValueError):  # no pipes on Windows, no high numbers anywhere
        return True


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
