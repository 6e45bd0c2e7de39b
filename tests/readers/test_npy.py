from __future__ import annotations

import gzip
import io
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib import format as npy_format

from softmax_tool.errors import SoftmaxToolError, UsageError
from softmax_tool.readers import layout, open_logits

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from softmax_tool.readers.source import Source

DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8")
ARRAYS = hnp.arrays(
    st.tuples(st.sampled_from("<>"), st.sampled_from(DTYPES)).map(
        lambda parts: np.dtype("".join(parts))
    ),
    hnp.array_shapes(min_dims=1, max_dims=4, max_side=6),
)


def npy(array: NDArray[Any], version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    npy_format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def from_bytes(data: bytes, **options: Any) -> Source:
    return open_logits(["-"], stdin=io.BytesIO(data), **options)


def rows(source: Source, at_a_time: int) -> NDArray[Any]:
    blocks = list(source.blocks(at_a_time))
    start = 0
    for block in blocks:
        assert block.start == start
        assert 1 <= len(block.logits) <= at_a_time
        assert block.logits.flags.c_contiguous
        assert not block.logits.flags.writeable
        assert block.logits.dtype.isnative
        start += len(block.logits)
    return np.concatenate([block.logits for block in blocks])


def as_rows(array: NDArray[Any], axis: int) -> NDArray[Any]:
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def same_bits(left: NDArray[Any], right: NDArray[Any]) -> bool:
    return left.shape == right.shape and left.tobytes() == right.tobytes()


@given(ARRAYS, st.data())
def test_any_array_gives_its_rows(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[Any], data: st.DataObject
) -> None:
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    order: Any = data.draw(st.sampled_from("CF"))
    version = data.draw(st.sampled_from([(1, 0), (2, 0), (3, 0)]))
    at_a_time = data.draw(st.integers(1, 40))
    stored = npy(np.asarray(array, order=order), version)
    expected = as_rows(array.astype(array.dtype.newbyteorder("=")), axis)
    path = tmp_path_factory.getbasetemp() / "array.npy"
    path.write_bytes(stored)
    for source in (
        open_logits([str(path)], axis=axis),
        from_bytes(stored, axis=axis),
        from_bytes(gzip.compress(stored), axis=axis),
    ):
        got = rows(source, at_a_time)
        assert got.dtype == expected.dtype
        assert same_bits(got, expected)
        assert source.shape == array.shape
        assert source.axis == axis % array.ndim
        assert source.stored_dtype == array.dtype.name


@pytest.mark.parametrize(("order", "axis"), list(itertools.product("CF", (0, 1, 2))))
@pytest.mark.parametrize("sizes", [(64, 0), (64, 60), (1 << 20, 0), (400, 200)])
def test_scattered_rows_are_read_right_whatever_the_windows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    order: Any,
    axis: int,
    sizes: tuple[int, int],
) -> None:
    monkeypatch.setattr(layout, "READ_AHEAD", 100)
    monkeypatch.setattr(layout, "_WINDOW", sizes[0])
    monkeypatch.setattr(layout, "_WORTH_SKIPPING", sizes[1])
    array = np.arange(7 * 9 * 11, dtype=">f4").reshape(7, 9, 11)
    path = tmp_path / "array.npy"
    path.write_bytes(npy(np.asarray(array, order=order)))
    for at_a_time in (1, 3, 50):
        got = rows(open_logits([str(path)], axis=axis), at_a_time)
        np.testing.assert_array_equal(got, as_rows(array, axis))


def test_a_source_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    array = np.arange(6.0).reshape(3, 2)
    np.save(path, array)
    source = open_logits([str(path)])
    np.testing.assert_array_equal(rows(source, 2), rows(source, 1))


def test_blocks_do_not_share_memory(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.arange(6.0).reshape(3, 2))
    first, second, third = (block.logits for block in open_logits([str(path)]).blocks(1))
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(second, third)
    np.testing.assert_array_equal(np.concatenate([first, second, third]).ravel(), np.arange(6.0))


@pytest.mark.parametrize(
    ("stored", "read_as"),
    [("u1", "int16"), ("<u2", "int32"), (">u2", "int32"), ("<u4", "int64"), (">u8", "int64")],
)
def test_unsigned_integers_as_numbers(stored: str, read_as: str) -> None:
    dtype = np.dtype(stored)
    top = min(np.iinfo(dtype).max, np.iinfo(np.int64).max)
    array = np.array([[0, 1], [2, top]], dtype)
    source = from_bytes(npy(array), input_dtype=dtype.name)
    got = rows(source, 1)
    assert got.dtype == read_as
    assert got.tolist() == [[0, 1], [2, top]]
    assert source.stored_dtype == dtype.name


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("width", [2, 4, 8])
def test_unsigned_integers_as_bit_patterns(order: str, width: int) -> None:
    floats = np.array([[0.5, -np.inf], [np.nan, 1.25]], f"{order}f{width}")
    name = f"float{8 * width}"
    source = from_bytes(npy(floats.view(f"{order}u{width}")), input_dtype=name)
    assert same_bits(rows(source, 2), floats.astype(name))
    assert source.stored_dtype == name


def test_raw_pairs_of_bytes_as_float16() -> None:
    floats = np.array([[0.5, -2.0]], "<f2")
    assert rows(from_bytes(npy(floats.view("V2")), input_dtype="float16"), 1).tolist() == [
        [0.5, -2]
    ]


def test_input_dtype_is_needed_only_where_a_file_does_not_say() -> None:
    with pytest.raises(UsageError, match="leave out --input-dtype"):
        from_bytes(npy(np.zeros((1, 2), np.float16)), input_dtype="float16")


def test_a_negative_axis_counts_from_the_end() -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    source = from_bytes(npy(array), axis=-2)
    assert (source.axis, source.classes) == (1, 3)
    np.testing.assert_array_equal(rows(source, 3), as_rows(array, 1))


def test_a_header_of_python_2_is_read() -> None:
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n"
    data = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(24)
    assert rows(from_bytes(data), 2).shape == (2, 3)


def test_an_absurd_row_of_a_stream_is_refused() -> None:
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1000000000000000), }\n"
    data = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(24)
    with pytest.raises(SoftmaxToolError, match=r"bytes of memory|is cut short"):
        rows(from_bytes(data), 1)


SAMPLE = npy(np.arange(12, dtype="f4").reshape(4, 3))


@given(st.data())
def test_damaged_files_never_raise_anything_else(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from([SAMPLE, npy(np.zeros((2, 2), "u2"))])))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(1, len(damaged))) :]
    try:
        rows(from_bytes(bytes(damaged)), 2)
    except SoftmaxToolError as error:
        assert str(error).isprintable()  # noqa: PT017


@given(st.integers(0, len(SAMPLE) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(SoftmaxToolError):
        rows(from_bytes(SAMPLE[:length]), 2)


@given(st.text("'\"(){}[]:,<>f4descrshapofn_ 0123456789LTrueFals\\x-+*", max_size=80))
def test_any_header_text_is_refused_in_one_line(text: str) -> None:
    header = text.encode("latin-1")
    data = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(16)
    with pytest.raises(SoftmaxToolError) as caught:
        rows(from_bytes(data), 2)
    assert str(caught.value).isprintable()
