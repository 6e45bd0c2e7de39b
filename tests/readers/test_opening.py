from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.errors import UsageError
from softmax_tool.readers import open_logits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLE = np.array([[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]])
LABELS = np.array([2, 0])


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, array)
    return buffer.getvalue()


def text(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.savetxt(buffer, array, delimiter="\t")
    return buffer.getvalue()


FORMATS: dict[str, Callable[[Any], bytes]] = {
    "npy": npy,
    "npz": npz,
    "text": text,
    "gzipped npy": lambda array: gzip.compress(npy(array)),
    "gzipped text": lambda array: gzip.compress(text(array)),
}


@pytest.mark.parametrize("piped", ["nothing", "logits", "labels"])
@pytest.mark.parametrize("labels_format", FORMATS)
@pytest.mark.parametrize("logits_format", FORMATS)
def test_the_content_decides_not_the_name(
    tmp_path: Path, logits_format: str, labels_format: str, piped: str
) -> None:
    logits, labels = FORMATS[logits_format](TABLE), FORMATS[labels_format](LABELS)
    (tmp_path / "logits.csv").write_bytes(logits)
    (tmp_path / "labels.npy").write_bytes(labels)
    source = open_logits(
        ["-" if piped == "logits" else str(tmp_path / "logits.csv")],
        labels=["-" if piped == "labels" else str(tmp_path / "labels.npy")],
        stdin=io.BytesIO({"nothing": b"", "logits": logits, "labels": labels}[piped]),
    )
    (block,) = source.blocks(9)
    assert block.logits.tolist() == TABLE.tolist()
    assert block.labels is not None
    assert block.labels.tolist() == LABELS.tolist()
    assert source.stored_dtype == ("text" if "text" in logits_format else "float64")


def test_an_archive_with_a_key_and_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "all.npz", logits=TABLE, other=TABLE + 1)
    np.save(tmp_path / "labels.npy", LABELS)
    source = open_logits(
        [str(tmp_path / "all.npz")], key="other", labels=[str(tmp_path / "labels.npy")]
    )
    (block,) = source.blocks(9)
    assert block.logits.tolist() == (TABLE + 1).tolist()


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("1,2\n3,4\n5,six\n")
    source = open_logits([str(path)])
    assert source.classes == 2
    assert source.shape is None


def test_options_that_do_not_fit_together() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        open_logits(["missing"], labels=["missing"], label_column=0)
    with pytest.raises(UsageError, match="can be read only once"):
        open_logits(["-"], labels=["-"])
