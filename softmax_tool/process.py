"""A process beside this one that does a job on one item after another."""

from __future__ import annotations

import pickle
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import finalize

from softmax_tool.errors import SoftmaxToolError
from softmax_tool.worker import PICKLE_PROTOCOL, Raised

if TYPE_CHECKING:
    from collections.abc import Callable

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_PIPE_SIZE = 1 << 20  # where the system lets us choose: a block goes through without a pause

# The search path is this process's own: the same package, and nothing of the current folder.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from softmax_tool.worker import main; main()"


class WorkerEndedError(SoftmaxToolError):
    """A worker process ended before it was told to."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"a worker process ended (exit status {status}), perhaps for lack of memory; free "
            "some, or use --threads 1"
        )
        self.status = status


class Process(Generic[_Item, _Result]):
    """A process that does a job, one item at a time.

    It imports `modules` at once, so that it need not when it is given a job.
    """

    def __init__(self, modules: tuple[str, ...] = ()) -> None:
        command = [sys.executable, "-P", "-c", _PROGRAM, *sys.path]
        self._process = subprocess.Popen(  # noqa: S603  (this very interpreter)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=_PIPE_SIZE
        )
        self.end = finalize(self, _end, self._process)  # at the latest when nobody needs it
        with suppress(OSError):  # it has ended, which whoever gives it a job will see
            self._send(modules)

    def takes_on(self, job: Callable[[_Item], _Result]) -> bool:
        """Hand a job over, and wait until work can begin; it cannot where the process ended."""
        try:
            self._send(job)
            return self._receive() is None
        except (OSError, EOFError, ValueError, pickle.PickleError):
            return False

    def __call__(self, item: _Item) -> _Result:
        try:
            self._send(item)
            result: Any = self._receive()
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise WorkerEndedError(self._process.wait()) from error
        if isinstance(result, Raised):
            raise result.error
        answer: _Result = result
        return answer

    def _send(self, value: Any) -> None:
        assert self._process.stdin is not None  # noqa: S101  (it is a pipe)
        pickle.dump(value, self._process.stdin, PICKLE_PROTOCOL)
        self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101  (it is a pipe)
        return pickle.load(self._process.stdout)  # noqa: S301  (from a process of our own)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was still to be sent has nobody to go to
                pipe.close()
