"""Several pieces of work at a time, on threads, with the results in order."""

from __future__ import annotations

import os
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from softmax_tool.errors import InputError, UsageError
from softmax_tool.heap import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def processors() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """Return how many threads to use where so many are asked for, or None.

    Raises
    ------
    UsageError
        For fewer than one.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads={threads}: one at least has to do the work")
    return threads or processors()


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], threads: int
) -> Iterator[_Result]:
    """Yield the result of each item, in order; `threads` of them are worked on at a time.

    One item more than that is taken ahead. A single item, and a single thread, need no pool. An
    `InputError` of taking an item comes after the results before it, as without threads.
    """
    keep_freed_memory()
    if threads == 1:
        yield from map(work, items)
        return
    failure: list[InputError] = []
    source = until_failure(items, failure)
    first = list(islice(source, 2))
    if len(first) < 2:
        yield from map(work, first)
    else:
        yield from _pooled(work, chain(first, source), threads)
    if failure:
        raise failure[0]


def _pooled(
    work: Callable[[_Item], _Result], items: Iterable[_Item], threads: int
) -> Iterator[_Result]:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # 4 ms that few need

    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Whoever leaves early, by Ctrl-C for one, does not wait for what is being worked on.
        pool.shutdown(wait=False, cancel_futures=True)


def until_failure(items: Iterable[_Item], failure: list[InputError]) -> Iterator[_Item]:
    """Yield items up to an `InputError` of taking one, which is kept for later."""
    try:
        yield from items
    except InputError as error:
        failure.append(error)
