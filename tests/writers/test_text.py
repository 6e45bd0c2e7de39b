from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from softmax_tool.errors import InputError, StorageError
from softmax_tool.writers.text import destination, open_binary, open_text


def test_text_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.txt"
    with open_text(str(target)) as stream:
        stream.write("a\n−1\n")
        assert not target.exists()
    assert target.read_bytes() == "a\n−1\n".encode()
    assert list(tmp_path.iterdir()) == [target]


def write_and_fail(path: str, error: BaseException) -> None:
    with open_text(path) as stream:
        stream.write("new")
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "report.txt"
    target.write_text("old")
    with pytest.raises(error):
        write_and_fail(str(target), error())
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    target = tmp_path / "x"
    with pytest.raises(StorageError, match="x: No space left"), open_text(str(target)) as stream:
        stream.write("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="permission bits are POSIX")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with open_text(str(tmp_path / "a")):
            pass
        (tmp_path / "b").touch()
    finally:
        os.umask(old)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes == [0o640, 0o640]


def test_paths_that_cannot_be_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        destination(str(tmp_path))
    with pytest.raises(InputError, match=r"there is no folder .*missing; make it first"):
        destination(str(tmp_path / "missing" / "x.txt"))
    with pytest.raises(InputError, match="is a folder"):
        destination(str(tmp_path / "x") + "/")
    for name in ("", "a\0b"):
        with pytest.raises(InputError, match="is not a path"):
            destination(name)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="there is no folder"):
        destination(str(tmp_path / "file" / "x"))


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with open_text(str(tmp_path / "link")) as stream:
        stream.write("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="needs device files")
def test_a_device_is_written_not_replaced() -> None:
    with open_binary(os.devnull) as stream:
        stream.write(b"x")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_long_name(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 250)
    with open_text(str(target)) as stream:
        stream.write("x")
    assert target.exists()
