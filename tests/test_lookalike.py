from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.lookalike import KINDS, Likeness

# Softmax of [2, 1, 0.1] and its logarithm, to six digits: the textbook's figures.
TEXTBOOK = [2.0, 1.0, 0.1]
SOFTMAX = [0.659001, 0.242433, 0.098566]
LOG_SOFTMAX = [-0.417030, -1.417030, -2.317030]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (TEXTBOOK, "logits"),
        (SOFTMAX, "probabilities"),
        (LOG_SOFTMAX, "log-probabilities"),
        ([0.33, 0.33, 0.33], "probabilities"),  # printed with two digits
        ([0.33, 0.33, 0.32], "logits"),  # 0.98 is further from 1 than a sixty-fourth
        ([1.0, 0.0, 0.0], "probabilities"),
        ([0.0, -np.inf, -np.inf], "log-probabilities"),
        ([1.2, -0.2], "logits"),  # sums to 1, but no probability is negative
        ([0.9, 0.3, -0.2], "logits"),
        ([0.0, 0.0], "logits"),
        ([-800.0, -900.0], "logits"),
        ([np.nan, 1.0], "logits"),
        ([np.inf, 0.0], "logits"),
        ([-np.inf, -np.inf], "logits"),
    ],
)
def test_a_row_looks_like(row: list[float], kind: str) -> None:
    assert Likeness.of(np.array([row])).kind == kind


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_in_every_stored_dtype(dtype: type) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 2000)) * 3
    p = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    assert Likeness.of(rows.astype(dtype)).kind == "logits"
    assert Likeness.of(p.astype(dtype)).kind == "probabilities"
    assert Likeness.of(np.log(p).astype(dtype)).kind == "log-probabilities"


def test_one_hot_integers_look_like_probabilities() -> None:
    assert Likeness.of(np.eye(4, dtype=np.int64)).kind == "probabilities"


def test_a_few_broken_rows_change_nothing_and_many_do() -> None:
    rows = np.tile(SOFTMAX, (20, 1))
    rows[:2] = 0.0
    rows[2:9] = np.nan  # these are set aside
    assert Likeness.of(rows).undecided == 7
    assert Likeness.of(rows).kind == "logits"  # 11 of 13
    rows[1] = SOFTMAX
    assert Likeness.of(rows).kind == "probabilities"  # 12 of 13
    assert Likeness().kind == "logits"


ROWS = st.lists(
    st.sampled_from([TEXTBOOK, SOFTMAX, LOG_SOFTMAX, [np.nan, 0, 0], [0.5, np.inf, 0]]),
    min_size=1,
    max_size=9,
)


@given(ROWS, st.integers(0, 9))
def test_the_whole_is_the_sum_of_its_parts(rows: list[list[float]], cut: int) -> None:
    whole = Likeness.of(np.array(rows))
    parts = [np.array(part) for part in (rows[:cut], rows[cut:]) if part]
    assert sum((Likeness.of(part) for part in parts), Likeness()) == whole
    assert sum(whole.count(kind) for kind in KINDS) + whole.undecided == len(rows)
