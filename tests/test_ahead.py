from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from softmax_tool.ahead import in_order, processors
from softmax_tool.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def slower_at_first(item: int) -> int:
    time.sleep(0.01 / (item + 1))
    return item * item


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_results_come_in_order(threads: int, count: int) -> None:
    assert list(in_order(slower_at_first, range(count), threads)) == [n * n for n in range(count)]


def test_no_more_is_taken_than_is_worked_on() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = in_order(slower_at_first, items(), 3)
    next(results)
    assert len(taken) <= 4
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_an_error_of_taking_comes_after_the_results_before_it(threads: int, count: int) -> None:
    def items() -> Iterator[int]:
        yield from range(count)
        raise InputError("line 8")

    found: list[int] = []
    with pytest.raises(InputError, match="line 8"):
        found.extend(in_order(slower_at_first, items(), threads))
    assert found == [n * n for n in range(count)]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_error_in_order_is_the_one_that_is_raised(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise InputError("taken ahead")

    def work(item: int) -> int:
        if item == 1:
            time.sleep(0.01)
            raise InputError("worked on")
        return item

    with pytest.raises(InputError, match="worked on"):
        list(in_order(work, items(), threads))


def test_a_single_item_starts_no_thread() -> None:
    def here(_: int) -> str:
        return threading.current_thread().name

    assert list(in_order(here, range(1), 4)) == ["MainThread"]
    assert "MainThread" not in set(in_order(here, range(2), 4))


def test_processors() -> None:
    assert processors() >= 1
