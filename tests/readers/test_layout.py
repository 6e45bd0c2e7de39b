from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.readers.layout import Layout, boxes, rows_of

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


@given(SHAPES, st.data(), st.integers(1, 30))
def test_boxes_are_the_rows_in_order(
    shape: tuple[int, ...], data: st.DataObject, rows: int
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    array = np.arange(prod(shape)).reshape(shape)
    parts = [rows_of(array[box], axis) for box in boxes(Layout(shape, axis), rows)]
    assert max(len(part) for part in parts) <= rows
    expected = np.moveaxis(array, axis, -1).reshape(-1, shape[axis])
    np.testing.assert_array_equal(np.concatenate(parts), expected)


@given(SHAPES, st.data(), st.booleans())
def test_consecutive_rows_are_those_that_numpy_can_view(
    shape: tuple[int, ...], data: st.DataObject, fortran: bool
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    array = np.asarray(np.arange(prod(shape)).reshape(shape), order="F" if fortran else "C")
    in_rows = np.moveaxis(array, axis, -1)
    assert Layout(shape, axis, fortran).rows_are_consecutive == in_rows.flags.c_contiguous


def test_counts() -> None:
    layout = Layout((2, 3, 4), 1)
    assert (layout.classes, layout.rows, layout.other_axes) == (3, 8, (0, 2))
