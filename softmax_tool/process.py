"""A process beside this one that does a job on one item after another.

It is a fresh Python that imports what the job needs, which takes a fifth of a second; or a copy of
this process, made in no time. A copy has one thread, and would wait for ever for what another one
held when it was made: so it is for processes with a single thread.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar
from weakref import finalize

from softmax_tool import worker
from softmax_tool.errors import SoftmaxToolError
from softmax_tool.worker import PICKLE_PROTOCOL, Raised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_PIPE_SIZE = 1 << 20  # where the system lets us choose: a block goes through without a pause

# The search path is this process's own: the same package, and nothing of the current folder.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from softmax_tool.worker import main; main()"
_THREADS = "/proc/self/task"


class WorkerEndedError(SoftmaxToolError):
    """A worker process ended before it was told to."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"a worker process ended (exit status {status}), perhaps for lack of memory; free "
            "some, or use --threads 1"
        )
        self.status = status


def can_copy() -> bool:
    """Whether this process is known to have one thread, so that a copy of it works."""
    try:
        return len(os.listdir(_THREADS)) == 1  # noqa: PTH208  # names are all that is needed
    except OSError:  # not on every system
        return False


class Process(Generic[_Item, _Result]):
    """A process that does the job, one item at a time; with `copy`, a copy of this one.

    Another thread may hand it the next item meanwhile, so that it need not wait for one.
    """

    def __init__(self, job: Callable[[_Item], _Result], *, copy: bool = False) -> None:
        self._asking, self._last_answer = Lock(), Event()
        self._last_answer.set()
        self._job = job
        self._is_copy = copy
        with _signals_waiting() if copy else nullcontext():
            self._child = _copied(job) if copy else _started()
            self.end = finalize(self, _end, self._child)  # at the latest when nobody needs it

    def is_ready(self) -> bool:
        """Hand the job over, and wait until work can begin; it cannot where the process ended."""
        if self._is_copy:
            return True
        try:
            self._send(self._job)
            return self._receive() is None
        except (OSError, EOFError, ValueError, pickle.PickleError):
            return False

    def __call__(self, item: _Item) -> _Result:
        try:
            with self._asking:
                self._send(item)
                # Answers come in the order of the questions.
                before, mine = self._last_answer, Event()
                self._last_answer = mine
            before.wait()
            try:
                result: Any = self._receive()
            finally:
                mine.set()
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise WorkerEndedError(self._child.wait()) from error
        if isinstance(result, Raised):
            raise result.error
        answer: _Result = result
        return answer

    def _send(self, value: Any) -> None:
        assert self._child.stdin is not None  # noqa: S101  (it is a pipe)
        pickle.dump(value, self._child.stdin, PICKLE_PROTOCOL)
        self._child.stdin.flush()

    def _receive(self) -> Any:
        assert self._child.stdout is not None  # noqa: S101  (it is a pipe)
        return pickle.load(self._child.stdout)  # noqa: S301  (from a process of our own)


class _Child(Protocol):
    """What is used of `subprocess.Popen`."""

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


@contextmanager
def _signals_waiting() -> Iterator[None]:
    """Let signals wait: an exception out of the hooks of a fork would be lost, or leave locks held.

    And half-way, it would leave a process that nobody ends.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _started() -> _Child:
    command = [sys.executable, "-P", "-c", _PROGRAM, *sys.path]
    return subprocess.Popen(  # noqa: S603  (this very interpreter)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=_PIPE_SIZE
    )


def _copied(job: Callable[[Any], Any]) -> _Child:
    questions, stdin = _pipe()
    stdout, answers = _pipe()
    number = os.fork()
    if not number:
        _work(job, questions, answers, (stdin, stdout))
    os.close(questions)
    os.close(answers)
    return _Copy(number, os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"))


def _pipe() -> tuple[int, int]:
    import fcntl  # noqa: PLC0415  # not on every system

    ends = os.pipe()
    with suppress(OSError):
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return ends


def _work(
    job: Callable[[Any], Any], questions: int, answers: int, others: tuple[int, ...]
) -> NoReturn:
    """Do what a copy of this process is there for, and nothing that this one has still to do."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
        for end in others:
            os.close(end)
        os.dup2(2, 1)
        with os.fdopen(questions, "rb") as asked, os.fdopen(answers, "wb") as answered:
            worker.work(job, asked, answered)
    finally:
        os._exit(0)


@dataclass(slots=True)
class _Copy:
    """A copy of this process; several threads may see it end."""

    number: int
    stdin: IO[bytes]
    stdout: IO[bytes]
    status: int | None = None
    _lock: Lock = field(default_factory=Lock)

    def kill(self) -> None:
        with self._lock:
            if self.status is None:
                with suppress(ProcessLookupError):  # ended, and forgotten
                    os.kill(self.number, signal.SIGKILL)

    def wait(self) -> int:
        with self._lock:
            if self.status is None:
                self.status = _status(self.number)
            return self.status


def _status(number: int) -> int:
    """Wait for a process to end; 0 where nobody remembers how it did, SIGCHLD being ignored."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    except ChildProcessError:
        return 0


def _end(child: _Child) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was still to be sent has nobody to go to
                pipe.close()
