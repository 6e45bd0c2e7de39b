from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.errors import InputError
from softmax_tool.readers import read_vector

if TYPE_CHECKING:
    from pathlib import Path


def vector(folder: Path, content: Any, length: int = 3) -> list[float]:
    path = folder / "weights"
    if isinstance(content, str):
        path.write_text(content)
    else:
        with path.open("wb") as stream:
            np.save(stream, content)
    got = read_vector(str(path), length)
    assert (got.dtype.name, got.shape) == ("float64", (length,))
    values: list[float] = got.tolist()
    return values


@pytest.mark.parametrize(
    "content",
    [
        "0.5\n-1\n2\n",
        "0.5,-1,2",
        "weight\n0.5\n# heavy\n-1\n\n2",
        np.array([0.5, -1, 2]),
        np.array([0.5, -1, 2], ">f2"),
    ],
)
def test_text_and_arrays(tmp_path: Path, content: Any) -> None:
    assert vector(tmp_path, content) == [0.5, -1, 2]


def test_integers_and_counting_numbers(tmp_path: Path) -> None:
    assert vector(tmp_path, "0\n1\n2\n") == [0, 1, 2]
    assert vector(tmp_path, "0,1,2\n") == [0, 1, 2]
    assert vector(tmp_path, np.array([0, 1, 255], np.uint8)) == [0, 1, 255]


def test_gzipped_text(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv.gz"
    path.write_bytes(gzip.compress(b"1\n2\n"))
    assert read_vector(str(path), 2).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\n2\n", "weights: holds 2 weights, but 3 are needed"),
        ("1\n2\n3\n4\n", "weights: holds 4 weights, but 3 are needed"),
        ("1,2\n", "weights: holds 2 weights, but 3 are needed"),
        ("1\n\nnan\n3\n", "weights:3: weights must be finite, not nan"),
        ("1,2,-inf\n", "weights:1:3: weights must be finite, not -inf"),
        ("1\n1e400\n3\n", "weights:2: weights must be finite, not inf"),
        ("1,2\n3,4\n", "weights: weights are one a line, or all on one line, not 2 columns"),
        ("1\ntwo\n", "weights:2: column 0 is 'two', which is not a number"),
        (np.array([1.0, 2.0]), "weights: holds 2 weights, but 3 are needed"),
        (np.array([1, np.nan, 3]), "weights: element 1: weights must be finite, not nan"),
        (np.zeros((1, 3)), "weights: weights of shape (1, 3); one axis of 3 is needed"),
        (np.array([1j, 2, 3]), "weights: holds complex128; "),
    ],
)
def test_what_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        vector(tmp_path, content)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(message)


def test_an_npz_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, w=np.array([0.5, -1, 2]))
    with pytest.raises(
        InputError, match=r"w\.npz: is a zip archive.*save the weights alone, as NPY"
    ):
        read_vector(str(path), 3)
