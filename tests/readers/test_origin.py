from __future__ import annotations

import gzip
import io
import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from softmax_tool.errors import InputError
from softmax_tool.readers import open_logits
from softmax_tool.readers.origin import fill, gunzipped, head, origin_of, read_up_to, spooled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Dripping(io.RawIOBase):
    """A stream that gives at most three bytes at a time, as a slow pipe does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._data.readinto(memoryview(buffer)[:3])


DATA = bytes(range(200))


@pytest.mark.parametrize("stream", [io.BytesIO, Dripping])
def test_a_pipe_gives_its_first_bytes_again_and_again(
    stream: Callable[[bytes], io.BytesIO],
) -> None:
    origin = origin_of("-", stream(DATA))
    assert (origin.name, origin.seekable, origin.size) == ("<stdin>", False, None)
    assert head(origin, 10) == DATA[:10]
    assert head(origin, 50) == DATA[:50]
    assert head(origin, 5) == DATA[:5]
    with origin.open(last=True) as reader:
        assert read_up_to(reader, 1000) == DATA
    with pytest.raises(InputError, match="a pipe can be read only once"):
        head(origin, 1)


@pytest.mark.parametrize("stream", [io.BytesIO, Dripping])
def test_a_spooled_pipe_can_seek(stream: Callable[[bytes], io.BytesIO]) -> None:
    origin = origin_of("-", stream(DATA))
    head(origin, 7)
    spool = spooled(origin)
    assert (spool.seekable, spool.size) == (True, len(DATA))
    for _ in range(2):
        with spool.open(last=True) as reader:
            reader.seek(100)
            assert reader.read() == DATA[100:]


def test_a_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match=r"^<stdin>: is closed"):
        origin_of("-")


def test_what_a_gzip_holds(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(DATA[:100]) + gzip.compress(DATA[100:]))
    with gunzipped(origin_of(str(path))).open(last=True) as reader:
        buffer = bytearray(300)
        assert fill(reader, memoryview(buffer)) == 200
        assert buffer[:200] == DATA


def test_a_named_pipe_is_read_once_through(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"1,2\n3,4\n",))
    writer.start()
    (block,) = open_logits([str(path)]).blocks(5)
    writer.join()
    assert block.logits.tolist() == [[1, 2], [3, 4]]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("1,2\n")
    path.chmod(0)
    with pytest.raises(InputError, match=r"secret\.csv: no permission to read it$"):
        origin_of(str(path))


def test_names_are_shown_with_their_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "a\n\u202eb.csv"
    path.write_text("word\n")
    with pytest.raises(InputError) as caught:
        open_logits([str(path)])
    assert "a\\n\\u202eb.csv: holds a header row" in str(caught.value)


@pytest.mark.parametrize("path", ["x\0y", "x" * 5000, "no/such/file", "\udc80"])
def test_impossible_names(path: str) -> None:
    with pytest.raises(InputError) as caught:
        origin_of(path)
    assert str(caught.value).isprintable()


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    with pytest.raises(InputError, match="cannot be read"):
        origin_of(str(tmp_path / "file" / "below"))


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.npy"
    for order in ("C", "F"):
        array = np.zeros((64, 64))
        np.save(path, array if order == "C" else np.asfortranarray(array))
        source = open_logits([str(path)])
        os.truncate(path, 1000)
        with pytest.raises(InputError, match=r"is cut short|became shorter"):
            list(source.blocks(8))


def test_no_file_stays_open(tmp_path: Path) -> None:
    """Unclosed files warn, and warnings are errors; here every stream is left half read."""
    array = np.asfortranarray(np.arange(40.0).reshape(10, 4))
    np.save(tmp_path / "f.npy", array)
    np.savez_compressed(tmp_path / "f.npz", array)
    (tmp_path / "f.npy.gz").write_bytes(gzip.compress((tmp_path / "f.npy").read_bytes()))
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    for name, axis in (
        ("f.npy", 0),
        ("f.npy", 1),
        ("f.npz", 1),
        ("f.npy.gz", 1),
        ("t.csv", 0),
        ("t.csv", 1),
    ):
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208
        blocks = iter(open_logits([str(tmp_path / name)], axis=axis).blocks(1))
        next(blocks)
        del blocks
        after = len(os.listdir("/proc/self/fd")) if before else 0  # noqa: PTH208
        assert after == before, name


def test_an_empty_name_is_no_directory() -> None:
    with pytest.raises(InputError, match=r"a file name is empty; name a file, or - for standard"):
        origin_of("")
