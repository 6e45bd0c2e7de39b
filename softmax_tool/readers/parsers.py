"""Processes that parse text, for as long as they are needed.

Threads would share the interpreter: parsing holds it too often for others to compute meanwhile.
Each process is a fresh Python that runs `parsing_process` alone. Neither a fork, which must not
happen while threads run, nor one of `multiprocessing`, which would run the caller's script again.

Questions are sent ahead of the answers, as far as a pipe takes them, by whoever asks. A thread that
sent or waited would hardly get at the interpreter while another one computes, and hold that up.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.readers.parsing_process import NUMBER_BYTES, received

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
        self._all = [_Parser(delimiter, columns, name) for _ in range(min(count, MOST))]
        self._turns = cycle(self._all)

    @property
    def processes(self) -> tuple[subprocess.Popen[bytes], ...]:
        """The processes, running or ended."""
        return tuple(parser.process for parser in self._all)

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
                parser = next(self._turns)
                parser.ask(text)
                waiting.append(_Waiting(item, parser, None))
                asked += 1
            if not waiting:
                return
            first = waiting[0]
            if first.parser is None:
                waiting.popleft()
                yield first.item, first.table
                continue
            idle = len(waiting) < asked + _AHEAD and not first.parser.has_answered()
            if idle and (question := next(source, None)):
                item, text = question
                waiting.append(_Waiting(item, None, here(text)))
                continue
            waiting.popleft()
            asked -= 1
            yield first.item, first.parser.answer()

    def close(self) -> None:
        """End them all, whatever they do."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            with process:  # closes its pipes and waits for it
                pass


class _Parser:
    """One process, and what it has been asked."""

    def __init__(self, delimiter: str, columns: int, name: str) -> None:
        self._columns, self._name = columns, name
        self.process = _started(delimiter, columns)
        self._questions = cast("FileIO", self.process.stdin)
        self._answers = cast("FileIO", self.process.stdout)
        os.set_blocking(self._questions.fileno(), False)
        self._can_send, self._can_receive = select.poll(), select.poll()
        self._can_send.register(self._questions, select.POLLOUT)
        self._can_receive.register(self._answers, select.POLLIN)
        self._unsent: deque[memoryview] = deque()
        self._open = 0  # questions that have been sent in full, and not been answered

    def ask(self, text: str) -> None:
        """Put a question behind those that are waiting to be sent."""
        data = text.encode()
        self._unsent.append(memoryview(len(data).to_bytes(NUMBER_BYTES, "little") + data))
        self._send()

    def has_answered(self) -> bool:
        """Whether the answer to the oldest question has begun to come."""
        self._send()
        return bool(self._can_receive.poll(0))

    def answer(self) -> Table:
        """Return the answer to the oldest question."""
        # It reads a question to its end before it answers, so that neither side waits for ever.
        while not self._open:
            self._can_send.poll()
            self._send()
        self._open -= 1
        length = received(self._answers, NUMBER_BYTES)
        if len(length) < NUMBER_BYTES:
            raise self._lost()
        rows = int.from_bytes(length, "little", signed=True)
        if rows < 0:
            return None
        data = received(self._answers, rows * self._columns * NUMBER_BYTES)
        if len(data) < rows * self._columns * NUMBER_BYTES:
            raise self._lost()
        return np.frombuffer(data, np.float64).reshape(rows, self._columns)

    def _send(self) -> None:
        """Send as much as the pipe takes."""
        while self._unsent:
            try:
                sent = self._questions.write(self._unsent[0])
            except BrokenPipeError:
                raise self._lost() from None
            if sent is None:
                return
            self._unsent[0] = self._unsent[0][sent:]
            if not self._unsent[0]:
                self._unsent.popleft()
                self._open += 1

    def _lost(self) -> InputError:
        self.process.kill()
        return InputError(
            f"{self._name}: a process that parsed it has ended (exit code {self.process.wait()}); "
            "use --threads 1, which needs none"
        )


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[_Item]):
    """An item whose table is to come from a process, or is there."""

    item: _Item
    parser: _Parser | None
    table: Table


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
