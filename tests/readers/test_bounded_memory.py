"""No reader holds a whole file: what is allocated at once stays far below its size."""

from __future__ import annotations

import io
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.readers import open_logits

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 1 << 20
BOUND = 30 * MEBIBYTE


def peak(paths: list[str], rows: int, **options: Any) -> int:
    tracemalloc.start()
    try:
        for _ in open_logits(paths, **options).blocks(rows):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((2000, 4000), 0), ((2000, 4000), 1), ((125, 64, 1000), 1)]
)
def test_arrays(tmp_path: Path, fortran: bool, shape: tuple[int, ...], axis: int) -> None:
    path = tmp_path / "large.npy"
    with path.open("wb") as stream:
        header = {"descr": "<f8", "fortran_order": fortran, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + 8 * int(np.prod(shape)))  # zeros, without writing them
    assert path.stat().st_size > 1.9 * BOUND
    assert peak([str(path)], 16, axis=axis) < BOUND


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("labels", [False, True])
def test_text(tmp_path: Path, axis: int, labels: bool) -> None:
    rows, columns = 80_000, 100
    path, label_path = tmp_path / "large.csv", tmp_path / "labels.csv"
    path.write_text(("1.5," * (columns - 1) + "2.5\n") * rows)
    label_path.write_text("1\n" * (rows if axis == 1 else columns))
    assert 8 * rows * columns > 1.9 * BOUND
    options = {"labels": [str(label_path)]} if labels else {}
    assert peak([str(path)], 2 if axis == 0 else 16, axis=axis, **options) < BOUND


def test_a_pipe_that_must_be_spooled() -> None:
    stored = io.BytesIO()
    np.save(stored, np.zeros((1000, 8000), order="F"))
    stored.seek(0)
    assert peak(["-"], 16, stdin=stored) < BOUND < len(stored.getvalue())
