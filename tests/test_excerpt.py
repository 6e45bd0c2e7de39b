"""The columns of a long row that a person is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, from_dtype

from softmax_tool.excerpt import excerpt, largest
from softmax_tool.report import ShownRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGES = (0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf)


def rows_of(dtype: Any) -> st.SearchStrategy[NDArray[Any]]:
    """Rows with many ties, NaNs and infinities among any other numbers."""
    top = float(np.finfo(dtype).max)
    numbers = st.sampled_from((*EDGES, top, -top)) | from_dtype(np.dtype(dtype))
    return arrays(dtype, st.integers(0, 40), elements=numbers)


@given(
    st.sampled_from([np.float16, np.float32, np.float64]).flatmap(rows_of),
    st.integers(0, 12),
)
def test_the_largest_are_the_first_of_a_stable_sort(logits: NDArray[Any], count: int) -> None:
    order = np.argsort(-np.nan_to_num(logits.astype(np.float64)), kind="stable")
    before = logits.copy()
    assert largest(logits, count) == order[:count].tolist()
    assert before.tobytes() == logits.tobytes()


@pytest.mark.parametrize(
    ("logits", "columns"),
    [
        ([1, 3, 3, 2, 3], [1, 2, 4]),
        ([-np.inf] * 5, [0, 1, 2]),
        ([-1.0, np.nan, 0.0, np.inf, -0.0], [3, 1, 2]),
    ],
)
def test_of_equal_ones_the_first(logits: list[float], columns: list[int]) -> None:
    assert largest(np.array(logits), 3) == columns


KINDS = ("overflow", "underflow", "subnormal")
SPACED = st.integers(-6, 40)


def rows_with_kinds() -> st.SearchStrategy[ShownRow]:
    """Rows around the length up to which they are shown whole, a kind here and there."""
    return st.integers(1, 40).flatmap(
        lambda classes: st.builds(
            ShownRow,
            row=st.just(3),
            label=st.none() | st.integers(-100, 45),
            classes=st.just(classes),
            columns=st.just(range(classes)),
            logits=arrays(np.float32, classes, elements=from_dtype(np.dtype(np.float32))),
            values=st.tuples(*[arrays(np.float32, classes, elements=st.floats(width=32))] * 2),
            kinds=st.tuples(
                *[arrays("U9", classes, elements=st.sampled_from(("", "", "", *KINDS)))] * 2
            ),
            losses=st.just(()),
            loss_kinds=st.just(()),
            ignored=st.just(False),
        )
    )


def expected_columns(row: ShownRow) -> list[int]:
    """Say it the long way: sort the logits, and go through the kinds one by one."""
    if row.classes <= 24:
        return list(range(row.classes))
    order = np.argsort(-np.nan_to_num(row.logits.astype(np.float64)), kind="stable")
    chosen = set(order[:8].tolist())
    if row.label in range(row.classes):
        chosen.add(row.label)
    for found in row.kinds:
        words = found.tolist()
        chosen |= {words.index(word) for word in set(words) if word}
    return sorted(chosen)


@given(rows_with_kinds())
def test_the_columns_that_tell_most(row: ShownRow) -> None:
    part = excerpt(row, None, KINDS)
    assert list(part.columns) == expected_columns(row)
    whole = (row.logits, *row.values, *row.kinds)
    for one, all_ in zip((part.logits, *part.values, *part.kinds), whole, strict=True):
        assert one.tobytes() == all_[list(part.columns)].tobytes()


@given(rows_with_kinds(), st.none() | st.tuples(st.none() | SPACED, st.none() | SPACED))
def test_what_is_an_excerpt_already_stays_as_it_is(
    row: ShownRow, asked: tuple[int | None, int | None] | None
) -> None:
    part = excerpt(row, asked, KINDS)
    if asked is not None:
        assert list(part.columns) == list(range(row.classes))[slice(*asked)]
    if len(part.columns) < row.classes:
        assert excerpt(part, asked, KINDS) is part
