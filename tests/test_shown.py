"""Rows to be shown: which they are, and that no more of them is kept and sent than is needed."""

from __future__ import annotations

import io
import pickle
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool import engine
from softmax_tool.blocks import Earlier
from softmax_tool.job import Job
from softmax_tool.plan import Options, plan, stored_format
from softmax_tool.readers import from_arrays
from softmax_tool.renderers import markdown
from softmax_tool.shown import ANY_SEVERITY, ShownRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.job import Done
    from softmax_tool.report import ComputeReport

CLASSES = 5000
SOFTMAX = Options(ops=("softmax",))


def normal(rows: int, shift: float = 0, classes: int = CLASSES) -> NDArray[Any]:
    numbers = np.random.default_rng(5).standard_normal((rows, classes), np.float32)
    return numbers + np.float32(shift)


def done(logits: NDArray[Any], options: Options, severity: int = ANY_SEVERITY) -> list[Done]:
    """Do the work of naive softmax on one row at a time, as `severity` of earlier rows tells."""
    source = from_arrays(logits)
    plan_ = plan(source, options, stored_format, ("naive",), measured=False)
    job = Job(plan_, options, (), show_rows=True, keep_values=False)
    earlier = replace(Earlier.nothing(1, 0), severity=severity)
    return [job((portion, earlier)) for portion in source.portions(1)]


@pytest.mark.parametrize(("shift", "kind"), [(0, ""), (100, "overflow")])
def test_kinds_are_codes_until_a_row_is_shown(shift: float, kind: str) -> None:
    sent = pickle.dumps(done(normal(1, shift), SOFTMAX))
    # A logit and a result of four bytes, a kind and a mark of one for the row, and once more.
    assert len(sent) < 12 * CLASSES
    shown = ShownRows(SOFTMAX)
    [one] = pickle.loads(sent)  # noqa: S301  (our own)
    shown.add(one.shown, 1)
    [row] = shown.rows(1)
    [kinds] = row.kinds
    assert row.columns == range(CLASSES)
    assert kinds.tolist() == [kind] * CLASSES
    assert shown.because(1) == "every row"


@pytest.mark.parametrize(("shift", "kind"), [(0, ""), (100, "overflow")])
def test_an_excerpt_is_all_that_is_sent(shift: float, kind: str) -> None:
    logits = normal(1, shift)
    [one] = done(logits, replace(SOFTMAX, excerpts=True))
    assert len(pickle.dumps(one)) < 8000
    shown = ShownRows(SOFTMAX)
    shown.add(one.shown, 1)
    [row] = shown.rows(1)
    first = {0} if kind else set()
    assert set(row.columns) == {*np.argsort(logits[0])[-8:].tolist()} | first
    assert row.logits.tolist() == logits[0, list(row.columns)].tolist()
    assert row.kinds[0].tolist() == [kind] * len(row.columns)


def test_chosen_columns_are_all_that_is_sent() -> None:
    [one] = done(normal(1), replace(SOFTMAX, columns=(-3, None)))
    assert len(pickle.dumps(one)) < 8000
    [candidate] = one.shown
    assert candidate.row.columns == range(CLASSES - 3, CLASSES)


def test_rows_that_are_not_worse_than_those_before_are_not_sent() -> None:
    """Exponentials of large logits overflow, those of small ones underflow, which is not as bad."""
    plain, overflowing, underflowing = (normal(1, shift, 30) for shift in (0, 100, -100))
    logits = np.concatenate([plain, underflowing, overflowing, underflowing, overflowing, plain])
    for top, chosen in [(1, [2]), (2, [2, 4]), (3, [1, 2, 4]), (5, [0, 1, 2, 3, 4])]:
        options = replace(SOFTMAX, top=top)
        shown, limits, sent = ShownRows(options), [], []
        for number in range(len(logits)):
            limits.append(shown.limit)
            one = done(logits, options, limits[-1])[number]
            sent.append(len(one.shown))
            shown.add(one.shown, number + 1)
        assert [row.row for row in shown.rows(6)] == chosen
        assert limits == sorted(limits, reverse=True)
        if top == 1:
            assert sent == [1, 1, 1, 0, 0, 0]


def rendered(report: ComputeReport) -> str:
    stream = io.StringIO()
    markdown.render(report, stream)
    return stream.getvalue()


@pytest.mark.parametrize("columns", [None, (2, 40), (-5, None), (7, 7)])
@pytest.mark.parametrize("rows", [None, (1, 3), (-2, None)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_excerpt_says_what_the_whole_row_says(
    dtype: str, rows: tuple[int, int] | None, columns: tuple[int, int] | None
) -> None:
    numbers = np.random.default_rng(8).standard_normal((6, 9000)) * 4
    numbers[1, ::3], numbers[2, 5], numbers[3, 100:] = 60_000, np.nan, -np.inf
    numbers[4] = numbers[4].round()
    numbers[5] *= 100
    labels = [0, 8999, 4, -100, 2, 3]
    options = Options(dtypes=(dtype,), rows=rows, columns=columns, top=4)
    source = from_arrays(numbers, labels)
    whole, part = (
        engine.compute(source, replace(options, excerpts=excerpts), threads=1)
        for excerpts in (False, True)
    )
    assert rendered(part) == rendered(whole)
    assert all(len(row.columns) < 100 for row in part.shown)


@pytest.mark.parametrize(("shift", "most"), [(0, 70), (100, 150)])
def test_memory_of_wide_rows_for_a_table(shift: float, most: float) -> None:
    """Bytes a class, of a block of one row: rows that are kept whole would take ten more each."""
    classes = 1 << 20
    logits = normal(8, shift, classes)
    options = replace(SOFTMAX, formulations=("naive",), excerpts=True)
    engine.compute(from_arrays(logits[:1, :100]), options, threads=1)  # makes what is made once
    tracemalloc.start()
    try:
        engine.compute(from_arrays(logits), options, threads=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most * classes
