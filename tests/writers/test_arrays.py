from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.errors import InputError, UsageError
from softmax_tool.writers import spool
from softmax_tool.writers.arrays import ArrayWriter, check_path, open_arrays, open_values
from softmax_tool.writers.spool import pieces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

NAMES = ["softmax/shifted/float16", "nll/shifted/float16", "ce/shifted/float16"]
DTYPES: list[np.dtype[Any]] = [np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)]


def feed(writer: ArrayWriter, index: int, array: NDArray[Any], axis: int, block: int = 3) -> None:
    """Hand over an array as the engine does: class axis last, in blocks of rows."""
    rows = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])
    for start in range(0, len(rows), block):
        writer.write(index, start, np.ascontiguousarray(rows[start : start + block]))


def feed_losses(writer: ArrayWriter, index: int, array: NDArray[Any], block: int = 3) -> None:
    for start in range(0, array.size, block):
        writer.write(index, start, array.reshape(-1)[start : start + block])


def numbers(shape: Sequence[int], dtype: Any = np.float32) -> NDArray[Any]:
    made = np.arange(np.prod(shape), dtype=dtype).reshape(shape) / 7
    if made.size:
        made.flat[0] = np.nan
        made.flat[-1] = -np.inf
    return made.astype(dtype)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((5,), 0),
        ((7, 5), -1),
        ((7, 5), 1),
        ((5, 7), 0),
        ((2, 5, 4), 1),
        ((2, 3, 4), 2),
        ((2, 3, 4, 2), -3),
        ((1, 1), 0),
        ((1,) * 30 + (3,), -1),  # a header that takes more room
    ],
)
def test_npy_has_the_shape_and_bits_of_the_whole(
    tmp_path: Path, shape: tuple[int, ...], axis: int
) -> None:
    target = tmp_path / "x.npy"
    whole = numbers(shape, np.float16)
    writer = open_arrays(str(target), ["softmax/shifted/float16"], [whole.dtype])
    feed(writer, 0, whole, axis)
    assert not target.exists()
    writer.finish([shape], axis)
    read = np.load(target)
    np.testing.assert_array_equal(read, whole)
    assert read.dtype == whole.dtype
    assert read.flags.c_contiguous
    assert list(tmp_path.iterdir()) == [target]


def test_npz_holds_arrays_losses_and_scalars_under_their_names(tmp_path: Path) -> None:
    target = tmp_path / "x.npz"
    whole, losses = numbers((4, 6, 5), np.float16), numbers((4, 5), np.float32)
    writer = open_arrays(str(target), NAMES, DTYPES)
    feed(writer, 0, whole, 1)
    feed_losses(writer, 1, losses)
    writer.write(2, 0, np.array(0.5))
    writer.finish([whole.shape, losses.shape, ()], 1)
    with np.load(target, allow_pickle=False) as archive:
        assert archive.files == NAMES
        np.testing.assert_array_equal(archive[NAMES[0]], whole)
        np.testing.assert_array_equal(archive[NAMES[1]], losses)
        assert archive[NAMES[2]].shape == ()
        assert archive[NAMES[2]] == 0.5


def test_npz_is_the_same_bytes_for_any_blocks(tmp_path: Path) -> None:
    whole = numbers((30, 4))
    for block in (1, 7, 30):
        writer = open_arrays(str(tmp_path / f"{block}.npz"), ["a"], [whole.dtype])
        feed(writer, 0, whole, -1, block)
        writer.finish([whole.shape], -1)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_csv_is_rows_and_columns_that_read_back_exactly(tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    whole = numbers((4, 3), np.float32)
    writer = open_arrays(str(target), ["a"], [whole.dtype])
    feed(writer, 0, whole, -1)
    writer.finish([whole.shape], -1)
    lines = target.read_text().splitlines()
    assert len(lines) == 4
    read = np.array([[float(cell) for cell in line.split(",")] for line in lines])
    np.testing.assert_array_equal(read.astype(np.float32), whole)


def test_csv_in_pieces_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = numbers((4, 3), np.float64)
    written = []
    for limit in (1 << 22, 8, 16, 24, 40):
        monkeypatch.setattr(spool, "PIECE_BYTES", limit)
        writer = open_arrays(str(tmp_path / "x.csv"), ["a"], [whole.dtype])
        feed(writer, 0, whole, -1)
        writer.finish([whole.shape], -1)
        written.append((tmp_path / "x.csv").read_text())
    assert set(written) == {"".join(",".join(map(repr, row)) + "\n" for row in whole.tolist())}


def test_csv_of_vectors(tmp_path: Path) -> None:
    classes, losses = (
        open_arrays(str(tmp_path / "c.csv"), ["a"], DTYPES[2:]),
        open_arrays(str(tmp_path / "l.csv"), ["a"], DTYPES[2:]),
    )
    classes.write(0, 0, np.array([[1.0, 2.5]]))
    classes.finish([(2,)], -1)
    losses.write(0, 0, np.array([1.0, 2.5]))
    losses.finish([(2,)], -1)
    assert (tmp_path / "c.csv").read_text() == "1.0,2.5\n"
    assert (tmp_path / "l.csv").read_text() == "1.0\n2.5\n"
    scalar = open_arrays(str(tmp_path / "s.csv"), ["a"], DTYPES[2:])
    scalar.write(0, 0, np.array(0.5))
    scalar.finish([()], -1)
    assert (tmp_path / "s.csv").read_text() == "0.5\n"


def test_what_does_not_fit_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"written to \.npy, \.npz, \.csv; end the name"):
        check_path(str(tmp_path / "x.txt"))
    with pytest.raises(
        UsageError, match=r"holds one array, and these are 3 .*use \.npz, or choose"
    ):
        open_arrays(str(tmp_path / "x.npy"), NAMES, DTYPES)
    with pytest.raises(InputError, match="there is no folder"):
        check_path(str(tmp_path / "missing" / "x.npy"))
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_path(str(tmp_path / "folder.npy"))
    deep = open_arrays(str(tmp_path / "x.csv"), ["a"], DTYPES[:1])
    feed(deep, 0, numbers((2, 2, 2), np.float16), -1)
    with pytest.raises(UsageError, match=r"has 3 axes; use \.npy"):
        deep.finish([(2, 2, 2)], -1)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npy"]


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    assert check_path(str(tmp_path / "X.NPY")) == ".npy"


def test_abort_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.npy"
    target.write_bytes(b"old")
    writer = open_arrays(str(target), ["a"], DTYPES[:1])
    writer.write(0, 0, np.zeros((2, 2), np.float16))
    writer.abort()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_lost_block_is_a_bug_not_a_wrong_file(tmp_path: Path) -> None:
    writer = open_arrays(str(tmp_path / "x.npy"), ["a"], DTYPES[:1])
    writer.write(0, 0, np.zeros((2, 2), np.float16))
    with pytest.raises(ValueError, match="block of row 3 where row 2 was due"):
        writer.write(0, 3, np.zeros((2, 2), np.float16))
    writer.abort()


def test_values_come_back_mapped_and_read_only() -> None:
    whole = numbers((2, 5, 4))
    writer = open_values([whole.dtype, np.dtype(np.float64)])
    feed(writer, 0, whole, 1)
    writer.write(1, 0, np.array(2.0))
    writer.finish([whole.shape, ()], 1)
    first, second = writer.arrays
    np.testing.assert_array_equal(first, whole)
    assert second.shape == ()
    assert second == 2.0
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0, 0] = 1
    writer.abort()


def test_pieces_are_the_array_in_order() -> None:
    whole = np.moveaxis(np.arange(2.0 * 3 * 50).reshape(2, 50, 3), 1, -1)
    for limit in (8, 100, 401, 10**6):
        parts = list(pieces(whole, limit))
        assert all(part.nbytes <= max(limit, 8) for part in parts)
        np.testing.assert_array_equal(np.concatenate([p.reshape(-1) for p in parts]), whole.ravel())


@pytest.mark.parametrize("axis", [0, 1])
def test_an_array_is_never_whole_in_memory(tmp_path: Path, axis: int) -> None:
    rows, classes = 60_000, 100  # 48 MB of float64
    shape = (rows, classes) if axis else (classes, rows)
    tracemalloc.start()
    try:
        writer = open_arrays(str(tmp_path / "x.npy"), ["a"], DTYPES[2:])
        block = np.zeros((1000, classes))
        for start in range(0, rows, 1000):
            writer.write(0, start, block)
        writer.finish([shape], axis)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12e6
    assert np.load(tmp_path / "x.npy", mmap_mode="r").shape == shape
