from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.errors import InputError, SoftmaxToolError, UsageError
from softmax_tool.readers import open_logits

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TABLE = np.arange(12, dtype=np.float32).reshape(4, 3)


def npz(compressed: bool = False, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def rows(data: bytes, at_a_time: int = 2, **options: Any) -> NDArray[Any]:
    source = open_logits(["-"], stdin=io.BytesIO(data), **options)
    return np.concatenate([block.logits for block in source.blocks(at_a_time)])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_only_array(tmp_path: Path, compressed: bool, order: Any, axis: int) -> None:
    data = npz(compressed, table=np.asarray(TABLE, order=order))
    expected = np.moveaxis(TABLE, axis, -1)
    np.testing.assert_array_equal(rows(data, axis=axis), expected)
    path = tmp_path / "table.anything"
    path.write_bytes(data)
    source = open_logits([str(path)], axis=axis)
    for _ in range(2):
        got = np.concatenate([block.logits for block in source.blocks(3)])
        np.testing.assert_array_equal(got, expected)
    assert source.paths == (str(path),)


def test_one_of_several_by_its_key() -> None:
    data = npz(a=TABLE, b=TABLE + 1)
    np.testing.assert_array_equal(rows(data, key="b"), TABLE + 1)
    with pytest.raises(UsageError, match=r"choose one with --key: a, b$"):
        rows(data)
    with pytest.raises(UsageError, match=r"has no array 'c'; --key can be: a, b$"):
        rows(data, key="c")


def test_other_members_are_left_alone() -> None:
    buffer = io.BytesIO(npz(a=TABLE))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("readme.txt", "hello")
    np.testing.assert_array_equal(rows(buffer.getvalue()), TABLE)


def test_a_method_that_numpy_does_not_write_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.npy", b"\x93NUMPY")
    with pytest.raises(InputError, match="is compressed in a way that is not read"):
        rows(buffer.getvalue())


@given(st.booleans(), st.data())
def test_damaged_archives_never_raise_anything_else(compressed: bool, data: st.DataObject) -> None:
    damaged = bytearray(npz(compressed, a=TABLE))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(2, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(2, len(damaged))) :]
    try:
        rows(bytes(damaged))
    except SoftmaxToolError as error:
        assert str(error).isprintable()  # noqa: PT017


@given(st.booleans(), st.data())
def test_every_truncation_is_refused(compressed: bool, data: st.DataObject) -> None:
    whole = npz(compressed, a=TABLE)
    with pytest.raises(SoftmaxToolError):
        rows(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("key", [None, "table"])
def test_two_arrays_of_one_name_are_refused(key: str | None) -> None:
    buffer = io.BytesIO(npz(table=TABLE))
    again = io.BytesIO()
    np.save(again, -TABLE)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("table.npy", again.getvalue())
    with pytest.raises(InputError, match=r"holds 2 arrays called 'table'; save each under a name"):
        rows(buffer.getvalue(), key=key)
