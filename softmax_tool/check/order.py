"""Work on many blocks at a time, with the outcomes in the order of the blocks."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


def in_order(
    work: Callable[[_Item], _Outcome], items: Iterable[_Item], threads: int | None
) -> Iterator[_Outcome]:
    """Yield what `work` makes of each item, in order, holding few items at a time.

    Items are made in the caller's thread, one after the other.
    """
    count = threads if threads is not None else _processors()
    if count == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[_Outcome]] = deque()
    pool = ThreadPoolExecutor(count)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
