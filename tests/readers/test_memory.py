from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from softmax_tool.errors import InputError, UsageError
from softmax_tool.readers import from_arrays


@given(
    hnp.arrays(
        st.sampled_from(["<f2", ">f4", "<f8", ">i2", "i1", "<i8"]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
    ),
    st.data(),
)
def test_any_array_gives_its_rows(array: Any, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    array = np.asarray(array, order=data.draw(st.sampled_from("CF")))
    before = array.tobytes()
    at_a_time = data.draw(st.integers(1, 20))
    blocks = list(from_arrays(array, axis=axis).blocks(at_a_time))
    assert max(len(block.logits) for block in blocks) <= at_a_time
    for block in blocks:
        assert block.logits.dtype.isnative
        assert block.logits.flags.c_contiguous
        assert not block.logits.flags.writeable
    got = np.concatenate([block.logits for block in blocks])
    expected = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype.newbyteorder("=")
    assert array.tobytes() == before


def test_rows_in_order_are_not_copied() -> None:
    array = np.arange(12.0).reshape(4, 3)
    assert all(np.shares_memory(block.logits, array) for block in from_arrays(array).blocks(2))
    assert array.flags.writeable


def test_lists_and_labels() -> None:
    source = from_arrays([[1, 2], [3, 4]], [0, 1], name="mine")
    (block,) = source.blocks(9)
    assert (block.logits.tolist(), block.logits.dtype.kind) == ([[1, 2], [3, 4]], "i")
    assert block.labels is not None
    assert (block.labels.dtype.name, block.labels.tolist()) == ("int64", [0, 1])
    assert (source.paths, source.label_paths, source.label_kind) == (
        ("mine",),
        ("<labels>",),
        "classes",
    )
    assert (source.shape, source.stored_dtype) == ((2, 2), "int64")


def test_one_row_with_one_label() -> None:
    (block,) = from_arrays([1.0, 2.0], 1).blocks(1)
    assert block.labels is not None
    assert block.labels.tolist() == [1]


def test_probabilities_follow_the_class_axis() -> None:
    (block,) = from_arrays(np.zeros((2, 3)), [[0.5, 1, 0], [0.5, 0, 1]], axis=0).blocks(9)
    assert block.labels is not None
    assert block.labels.tolist() == [[0.5, 0.5], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (np.zeros((2, 2), bool), "<array>: holds bool; "),
        (np.zeros((2, 2), np.uint8), "<array>: holds uint8: numbers or bit patterns?"),
        (np.zeros((2, 2), object), "<array>: holds object; "),
        (np.zeros((2, 2), complex), "<array>: holds complex128; "),
        (np.zeros((2, 2), "V2"), "<array>: holds void16; "),
        ([["a", "b"]], "<array>: holds str32; "),
        ([[1, 2], [3]], "<array>: is not an array "),
        (np.zeros((2, 0)), "<array>: shape (2, 0) holds no elements; nothing to look at"),
        (np.zeros((0, 2)), "<array>: shape (0, 2) holds no elements; nothing to look at"),
        (1.5, "<array>: is a single number, not rows of classes"),
        (np.ma.masked_array([[1.0, 2.0]], [[False, True]]), "<array>: is a masked array; fill it"),
    ],
)
def test_what_is_refused(logits: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        from_arrays(logits)
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0], "<labels>: 1 label for 2 rows of <array>"),
        ([0, 2], "<labels>: row 1: label 2, but the logits have 2 classes (0…1); "),
        ([0, 0.5], "<labels>: row 1: label 0.5 is not a whole number"),
        ([True, False], "<labels>: holds bool; "),
        (["a", "b"], "<labels>: holds str32; "),
        (np.eye(2, dtype=int), "<labels>: integers in the shape of the logits; "),
        ([[0.5, 0.5], [2.0, 0.0]], "<labels>: row 1, column 0: 2.0 is not a probability"),
        (np.zeros((3, 3, 3)), "<labels>: labels of shape (3, 3, 3) do not fit <array>; "),
    ],
)
def test_labels_that_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        list(from_arrays(np.zeros((2, 2)), labels).blocks(5))
    assert str(caught.value).startswith(message)


class Raising:
    """What a tensor that requires a gradient does."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise RuntimeError("Can't call numpy() on this.\n  Use detach() first.")


def test_arrays_that_cannot_be_read_are_wrong_input() -> None:
    told = r"is not an array \(Can't call numpy\(\) on this. Use detach\(\) first.\)$"
    with pytest.raises(InputError, match=f"^<array>: {told}"):
        from_arrays(Raising())
    with pytest.raises(InputError, match=f"^<labels>: {told}"):
        from_arrays(np.zeros((2, 2)), Raising())


def test_masked_labels_are_told_what_labels_may_be_filled_with() -> None:
    labels = np.ma.masked_array([0, 1], [False, True])
    with pytest.raises(InputError, match=r"fill it first: class indices with the ignored label"):
        from_arrays(np.zeros((2, 2)), labels)


def test_an_axis_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="--axis 2 does not exist: the array has 2 axes"):
        from_arrays(np.zeros((2, 2)), axis=2)
