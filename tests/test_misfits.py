from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.lookalike import LOG_PROBABILITIES, PROBABILITIES
from softmax_tool.misfits import described, find_misfits, joined
from softmax_tool.report import Misfit

INF, NAN = float("inf"), float("nan")

ROWS = np.array(
    [
        [0.5, 0.25, 0.25],
        [NAN, 0.5, 0.5],
        [0.75, 0.75, -0.5],  # sums to 1 all the same
        [1.5, -0.25, -0.25],  # so does this
        [2.0, 1.0, 0.0],
        [0.5, 0.25, 0.125],
        [0.5, 0.5, 0.25],
        [0.5, 0.0, 0.0],
        [INF, 0.0, 0.0],
    ]
)
FOUND = (
    Misfit("not-finite", 2, 1, None),
    Misfit("negative", 2, 2, -0.5),
    Misfit("above", 1, 4, 2.0),
    Misfit("sum", 3, 7, 0.5),
)


def test_every_row_has_one_reason_and_every_reason_its_worst_row() -> None:
    assert find_misfits(ROWS, 0, PROBABILITIES) == FOUND


@pytest.mark.parametrize("cuts", [[4], [1, 5], [2, 3, 7], list(range(1, 9))])
def test_the_whole_is_the_sum_of_its_parts(cuts: list[int]) -> None:
    edges = [0, *cuts, len(ROWS)]
    parts = [find_misfits(ROWS[a:b], a, PROBABILITIES) for a, b in pairwise(edges)]
    for order in (parts, parts[::-1]):
        total: tuple[Misfit, ...] = ()
        for part in order:
            total = joined(total, part)
        assert total == FOUND


def test_log_probabilities() -> None:
    half, quarter = np.log(0.5), np.log(0.25)
    rows = np.array([[half, half], [half, quarter], [0.0, -INF], [1.0, -2.0]])
    found = find_misfits(rows, 0, LOG_PROBABILITIES)
    assert [(x.reason, x.rows, x.row) for x in found] == [("above", 1, 3), ("sum", 1, 1)]
    assert [x.worst for x in found] == pytest.approx([1.0, 0.75])
    assert described(found, 4, LOG_PROBABILITIES) == (
        "2 of 4 rows are no distribution: 1 row holds a value above 0 (row 3: 1); 1 row holds "
        "exponentials that do not sum to 1 (row 1: 0.75)"
    )


def test_in_words() -> None:
    assert described(FOUND, 9, PROBABILITIES) == (
        "8 of 9 rows are no distribution: 2 rows hold a nan or +inf (first in row 1); 2 rows hold "
        "a negative value (worst in row 2: -0.5); 1 row holds a value above 1 (row 4: 2); 3 rows "
        "hold values that do not sum to 1 (worst in row 7: 0.5)"
    )


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.float32])
def test_what_are_distributions_is_none(dtype: type) -> None:
    assert find_misfits(np.eye(3, dtype=dtype), 0, PROBABILITIES) == ()


def test_every_command_that_takes_a_declaration_reports_them() -> None:
    for report in (
        st.compute(ROWS, input_kind="probs"),
        st.compare(ROWS, input_kind="probs"),
        st.inspect(ROWS, input_kind="probs"),
    ):
        assert report.looks_like is not None
        assert report.looks_like.misfits == FOUND
    assert st.inspect(ROWS).looks_like.misfits == ()
