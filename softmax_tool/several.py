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

from softmax_tool.frozen import frozen
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


@frozen
class _Worker(Generic[_Item, _Result]):
    """One that does the job, in threads of its own: as many as it has items at once.

    Memory that is freed in a thread is kept for that thread: if this process worked now in the one,
    now in the other, it would hold twice what it needs.
    """

    job: Callable[[_Item], _Result]
    threads: ThreadPoolExecutor

    @classmethod
    def of(cls, job: Callable[[_Item], _Result], at_once: int) -> _Worker[_Item, _Result]:
        return cls(job, ThreadPoolExecutor(at_once))


class _Crew(Generic[_Item, _Result]):
    def __init__(self, job: Callable[[_Item], _Result], processors: int) -> None:
        self._ahead = 2 * processors
        self._others = _processes(job, processors - 1)
        self._workers: list[_Worker[_Item, _Result]] = [_Worker.of(job, 1)]
        self._free: SimpleQueue[_Worker[_Item, _Result]] = SimpleQueue()
        self._free.put(self._workers[0])
        for process in self._others:
            worker = _Worker.of(process, _AT_ONCE)
            self._workers.append(worker)
            Thread(target=self._introduce, args=(process, worker), daemon=True).start()

    def results(self, items: Iterable[_Item]) -> Iterator[_Result]:
        waiting: deque[Future[_Result]] = deque()
        for item in items:
            worker = self._free.get()
            waiting.append(worker.threads.submit(self._run, worker, item))
            while waiting and (waiting[0].done() or len(waiting) > self._ahead):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _run(self, worker: _Worker[_Item, _Result], item: _Item) -> _Result:
        try:
            return worker.job(item)
        finally:
            self._free.put(worker)

    def _introduce(self, process: Process[_Item, _Result], worker: _Worker[_Item, _Result]) -> None:
        """Let a process work from the moment it is ready."""
        if process.is_ready():
            for _ in range(_AT_ONCE):
                self._free.put(worker)

    def dismiss(self) -> None:
        for process in self._others:
            process.end()
        # Who was interrupted waits for no thread; where all is done, there is none to wait for.
        for worker in self._workers:
            worker.threads.shutdown(wait=False, cancel_futures=True)


def _processes(job: Callable[[_Item], _Result], count: int) -> tuple[Process[_Item, _Result], ...]:
    """Start processes, fewer where no more are to be had: what there is does the work."""
    copy = can_copy()
    found: list[Process[_Item, _Result]] = []
    with suppress(OSError):
        while len(found) < count:
            found.append(Process(job, copy=copy))
    return tuple(found)
