"""One job on many items, by as many processes as that is worth, with the results in order."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from softmax_tool.ahead import until_failure
from softmax_tool.heap import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

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
    source = until_failure(items, failure)
    if not many:
        yield from map(job, islice(source, _PATIENCE))
    for item in source:
        from softmax_tool.several import by_several  # noqa: PLC0415  # 4 ms that few need

        yield from by_several(job, chain((item,), source), processors)
    if failure:
        raise failure[0]
