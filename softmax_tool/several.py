"""Several processes on one job: this one, and others beside it.

Python lets one thread of a process run at a time. NumPy steps aside while it computes, but at
the length of a cache's worth of numbers that is over before another thread has woken up: two
threads do hardly more than one. So each further processor gets a process of its own.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from softmax_tool.process import Process, can_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

_AT_ONCE = 2  # items that a process has at once: one that it works on, and the next

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def by_several(
    job: Callable[[_Item], _Result], items: Iterable[_Item], processors: int
) -> Iterator[_Result]:
    """Yield the result of each item, in order."""
    crew = _Crew(job, processors)
    try:
        yield from crew.results(items)
    finally:
        crew.dismiss()


class _Crew(Generic[_Item, _Result]):
    def __init__(self, job: Callable[[_Item], _Result], processors: int) -> None:
        self._ahead = 2 * processors
        self._free: SimpleQueue[Callable[[_Item], _Result]] = SimpleQueue()
        self._free.put(job)
        self._others = _processes(job, processors - 1)
        self._pool = ThreadPoolExecutor(1 + _AT_ONCE * len(self._others))
        for process in self._others:
            Thread(target=self._introduce, args=(process,), daemon=True).start()

    def results(self, items: Iterable[_Item]) -> Iterator[_Result]:
        waiting: deque[Future[_Result]] = deque()
        for item in items:
            waiting.append(self._pool.submit(self._run, self._free.get(), item))
            while waiting and (waiting[0].done() or len(waiting) > self._ahead):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _run(self, worker: Callable[[_Item], _Result], item: _Item) -> _Result:
        try:
            return worker(item)
        finally:
            self._free.put(worker)

    def _introduce(self, process: Process[_Item, _Result]) -> None:
        """Let a process work from the moment it is ready."""
        if process.is_ready():
            for _ in range(_AT_ONCE):
                self._free.put(process)

    def dismiss(self) -> None:
        for process in self._others:
            process.end()
        # Who was interrupted waits for no thread; where all is done, there is none to wait for.
        self._pool.shutdown(wait=False, cancel_futures=True)


def _processes(job: Callable[[_Item], _Result], count: int) -> tuple[Process[_Item, _Result], ...]:
    """Start processes, fewer where no more are to be had: what there is does the work."""
    copy = can_copy()
    found: list[Process[_Item, _Result]] = []
    with suppress(OSError):
        while len(found) < count:
            found.append(Process(job, copy=copy))
    return tuple(found)
