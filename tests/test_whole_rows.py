"""Whole rows that were asked for: which they are, and that what is held of them has an end."""

from __future__ import annotations

import tracemalloc
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool import engine
from softmax_tool.plan import Options
from softmax_tool.readers import from_arrays
from softmax_tool.whole_rows import IN_MEMORY, ChosenRows, RowStore, WholeRows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from softmax_tool.readers import Source
    from softmax_tool.report import ShownRow

ROWS, CLASSES = 40, 3
BLOCK_ROWS = 7


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "block_rows", lambda *_: BLOCK_ROWS)


def cells(rows: Iterable[ShownRow]) -> list[list[Any]]:
    return [
        [
            row.row,
            row.label,
            row.ignored,
            row.columns,
            repr(row.logits.tolist()),
            [repr(values.tolist()) for values in row.values],
            [kinds.tolist() for kinds in row.kinds],
            repr(row.losses),
            row.loss_kinds,
        ]
        for row in rows
    ]


def table() -> Source:
    logits = np.random.default_rng(3).standard_normal((ROWS, CLASSES)) * 9
    logits[5], logits[8, 1], logits[21] = 720, np.nan, -np.inf
    labels = np.arange(ROWS) % CLASSES
    labels[[2, 21, 39]] = -100
    return from_arrays(logits, labels)


@cache
def every_row(columns: tuple[int, None] | None) -> list[list[Any]]:
    """Return what the worst rows hold where all are among them; called with small blocks."""
    options = Options(dtypes=("float16",), columns=columns, top=ROWS)
    return cells(engine.compute(table(), options, threads=1).shown)


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    "asked", [(0, None), (3, 30), (6, 8), (-9, None), (-30, -12), (4, -4), (-20, 30), (50, 60)]
)
@pytest.mark.parametrize("columns", [None, (1, None)])
def test_they_are_the_rows_that_the_worst_are_chosen_from(
    asked: tuple[int, int | None], columns: tuple[int, None] | None, stored: bool
) -> None:
    options = Options(dtypes=("float16",), columns=columns, rows=asked)
    with RowStore() as store:
        chosen = engine.compute(table(), options, threads=1, store=store if stored else None)
        wanted = every_row(columns)[slice(*asked)]
        assert cells(chosen.shown) == wanted
        assert cells(chosen.shown) == wanted  # as often as they are read


def rows_of_a_megabyte(start: int) -> WholeRows:
    values = np.full((1 << 8, 1 << 9), start, np.float64)
    return WholeRows(
        start=start,
        labels=None,
        ignored=np.zeros(len(values), bool),
        classes=values.shape[1],
        columns=range(values.shape[1]),
        logits=values,
        values=(),
        codes=(),
        losses=(),
        loss_codes=(),
    )


@pytest.mark.parametrize("first", [0, -300])
def test_no_more_is_held_than_has_an_end(first: int) -> None:
    megabytes = 100
    with RowStore() as store:
        tracemalloc.start()
        try:
            chosen = ChosenRows(Options(rows=(first, None)), store)
            for number in range(megabytes):
                chosen.add(rows_of_a_megabyte(number << 8), (number + 1) << 8)
            found = sum(row.logits[0] == row.row >> 8 << 8 for row in chosen.rows(megabytes << 8))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found == (-first or megabytes << 8)
    assert peak < 2 * IN_MEMORY
