"""One job on many items, by this process and by others beside it, with the results in order.

Python lets one thread of a process run at a time. NumPy steps aside while it computes, but at
the length of a cache's worth of numbers that is over before another thread has woken up: two
threads do hardly more than one. So each further processor gets a process of its own.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from softmax_tool.ahead import until_failure
from softmax_tool.heap import keep_freed_memory
from softmax_tool.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from softmax_tool.errors import InputError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_PATIENCE = 4
"""Items done before others are called in, where it is not known that there are many."""


def in_order(
    job: Callable[[_Item], _Result],
    items: Iterable[_Item],
    processors: int,
    *,
    many: bool,
    early: Sequence[Process[_Item, _Result]] = (),
) -> Generator[_Result, None, None]:
    """Yield the result of each item, in order.

    `job` and all that goes in and out of it can be pickled. `many` says that the items are worth
    the start of other processes, a fifth of a second each on processors of their own; those in
    `early` have been started already, and end with the results. An `InputError` of taking an item
    comes after the results before it.
    """
    keep_freed_memory()
    if processors == 1:
        yield from map(job, items)
        return
    failure: list[InputError] = []
    crew: _Crew[_Item, _Result] = _Crew(job, processors, early)
    try:
        yield from crew.results(until_failure(items, failure), many=many)
    finally:
        crew.dismiss()
    if failure:
        raise failure[0]


class _Crew(Generic[_Item, _Result]):
    def __init__(
        self,
        job: Callable[[_Item], _Result],
        processors: int,
        early: Sequence[Process[_Item, _Result]],
    ) -> None:
        self._job, self._processors = job, processors
        self._free: SimpleQueue[Callable[[_Item], _Result]] = SimpleQueue()
        self._free.put(job)
        self._others: list[Process[_Item, _Result]] = []
        self._early = deque(early)
        self._pool = ThreadPoolExecutor(processors)

    def results(self, items: Iterable[_Item], *, many: bool) -> Iterator[_Result]:
        waiting: deque[Future[_Result]] = deque()
        patience = 0 if many or self._early else _PATIENCE
        for index, item in enumerate(items):
            if index == patience:
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
                process = self._early.popleft() if self._early else Process[_Item, _Result]()
            except OSError:
                return  # none to be had: what there is does the work
            self._others.append(process)
            Thread(target=self._introduce, args=(process,), daemon=True).start()

    def _introduce(self, process: Process[_Item, _Result]) -> None:
        """Let a process work from the moment it is ready."""
        if process.takes_on(self._job):
            self._free.put(process)

    def dismiss(self) -> None:
        for process in (*self._others, *self._early):
            process.end()
        self._pool.shutdown(cancel_futures=True)
