"""The columns of a long row that a person is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, from_dtype

from softmax_tool.excerpt import largest

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
