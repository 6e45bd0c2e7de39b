"""One job on many items, by this process and by others beside it, with the results in order.

Python lets one thread of a process run at a time. NumPy steps aside while it computes, but at
the length of a cache's worth of numbers that is over before another thread has woken up: two
threads do hardly more than one. So each further processor gets a process of its own.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import finalize

from softmax_tool.ahead import until_failure
from softmax_tool.errors import SoftmaxToolError
from softmax_tool.heap import keep_freed_memory
from softmax_tool.worker import PICKLE_PROTOCOL, Raised

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

    from softmax_tool.errors import InputError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_PATIENCE = 4
"""Items done before others are called in, where it is not known that there are many."""

_PIPE_SIZE = 1 << 20  # where the system lets us choose: a block goes through without a pause

# The search path is this process's own: the same package, and nothing of the current folder.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from softmax_tool.worker import main; main()"


def in_order(
    job: Callable[[_Item], _Result], items: Iterable[_Item], processors: int, *, many: bool
) -> Generator[_Result, None, None]:
    """Yield the result of each item, in order.

    `job` and all that goes in and out of it can be pickled. `many` says that the items are worth
    the start of other processes, a fifth of a second each on processors of their own. An
    `InputError` of taking an item comes after the results before it.
    """
    keep_freed_memory()
    if processors == 1:
        yield from map(job, items)
        return
    failure: list[InputError] = []
    crew: _Crew[_Item, _Result] = _Crew(job, processors)
    try:
        yield from crew.results(until_failure(items, failure), many=many)
    finally:
        crew.dismiss()
    if failure:
        raise failure[0]


class WorkerEndedError(SoftmaxToolError):
    """A worker process ended before it was told to."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"a worker process ended (exit status {status}), perhaps for lack of memory; free "
            "some, or use --threads 1"
        )
        self.status = status


class _Crew(Generic[_Item, _Result]):
    def __init__(self, job: Callable[[_Item], _Result], processors: int) -> None:
        self._job, self._processors = job, processors
        self._free: SimpleQueue[Callable[[_Item], _Result]] = SimpleQueue()
        self._free.put(job)
        self._others: list[Process[_Item, _Result]] = []
        self._pool = ThreadPoolExecutor(processors)

    def results(self, items: Iterable[_Item], *, many: bool) -> Iterator[_Result]:
        waiting: deque[Future[_Result]] = deque()
        for index, item in enumerate(items):
            if index == (0 if many else _PATIENCE):
                self._call_in()
            waiting.append(self._pool.submit(self._run, self._free.get(), item))
            while waiting[0].done() or len(waiting) > 2 * self._processors:
                yield waiting.popleft().result()
                if not waiting:
                    break
        while waiting:
            yield waiting.popleft().result()

    def _run(self, worker: Callable[[_Item], _Result], item: _Item) -> _Result:
        try:
            return worker(item)
        finally:
            self._free.put(worker)

    def _call_in(self) -> None:
        for _ in range(self._processors - 1):
            try:
                process: Process[_Item, _Result] = Process(self._job)
            except OSError:
                return  # none to be had: what there is does the work
            self._others.append(process)
            Thread(target=self._introduce, args=(process,), daemon=True).start()

    def _introduce(self, process: Process[_Item, _Result]) -> None:
        """Let a process work from the moment it is ready."""
        if process.is_ready():
            self._free.put(process)

    def dismiss(self) -> None:
        for process in self._others:
            process.end()
        self._pool.shutdown(cancel_futures=True)


class Process(Generic[_Item, _Result]):
    """A process that does the job, one item at a time."""

    def __init__(self, job: Callable[[_Item], _Result]) -> None:
        self._job = job
        command = [sys.executable, "-P", "-c", _PROGRAM, *sys.path]
        self._process = subprocess.Popen(  # noqa: S603  (this very interpreter)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=_PIPE_SIZE
        )
        self.end = finalize(self, _end, self._process)  # at the latest when nobody needs it

    def is_ready(self) -> bool:
        """Hand the job over, and wait until work can begin; it cannot where the process ended."""
        try:
            self._send(self._job)
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
