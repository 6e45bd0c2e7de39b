"""Portions, which any process can read, hold what blocks hold, and lead to the same errors."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.errors import InputError
from softmax_tool.readers import from_arrays, lines, open_logits
from softmax_tool.readers.cells import rows_of_text
from softmax_tool.readers.file_rows import FileRows
from softmax_tool.readers.text_rows import TextRows

if TYPE_CHECKING:
    from pathlib import Path

    from softmax_tool.readers.source import Source

ROWS = "".join(f"{n}.5,{-n},{n}e-3\n" for n in range(200))
TEXT = f'a,b,c\n{ROWS}# end\n\n"1",2,-inf\n1e400,5,6'


@pytest.fixture(autouse=True)
def batches_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BATCH_BYTES", 256)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "table.csv"
    made.write_text(TEXT)
    return made


def by_blocks(source: Source) -> tuple[Any, ...]:
    return everything(
        source, [(block.start, block.logits, block.labels) for block in source.blocks(7)]
    )


def by_portions(source: Source) -> tuple[Any, ...]:
    found = []
    for portion in source.portions(50):
        block, noticed = pickle.loads(pickle.dumps(portion)).read()  # noqa: S301
        source.note(noticed)
        found.append((block.start, block.logits, block.labels))
    return everything(source, found)


def everything(source: Source, found: list[tuple[int, Any, Any]]) -> tuple[Any, ...]:
    starts = np.cumsum([0, *(len(logits) for _, logits, _ in found)])
    assert [start for start, _, _ in found] == starts[:-1].tolist()
    labels = [labels.tobytes() for _, _, labels in found if labels is not None]
    logits = b"".join(logits.tobytes() for _, logits, _ in found)
    said = (source.shape, source.overflows, source.overflow_count, source.read_fraction)
    return logits, b"".join(labels), said


@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"label_column": 1, "ignore_index": 2}])
def test_they_hold_what_blocks_hold(path: Path, options: dict[str, Any]) -> None:
    if "label_column" in options:
        path.write_text("".join(f"{n}.25,{n % 3},{-n}\n" for n in range(150)))
    found = by_portions(open_logits([str(path)], **options))
    assert found == by_blocks(open_logits([str(path)], **options))
    assert len(found[0]) > 1000


def test_shards_and_their_labels(path: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(f"{n % 3}\n" for n in range(404)))
    given: dict[str, Any] = {"paths": [str(path), str(path)], "labels": [str(labels)]}
    found = by_portions(open_logits(**given))
    assert found == by_blocks(open_logits(**given))
    assert len(found[1]) == 404 * 8


def test_arrays() -> None:
    logits, labels = np.arange(300.0).reshape(100, 3), np.arange(100) % 3
    assert by_portions(from_arrays(logits, labels)) == by_blocks(from_arrays(logits, labels))


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<u2"])
@pytest.mark.parametrize("axis", [-1, 0])
def test_rows_of_an_npy_file_are_read_by_whoever_needs_them(
    tmp_path: Path, dtype: str, axis: int
) -> None:
    made, labels = tmp_path / "logits.npy", tmp_path / "labels.npy"
    np.save(made, np.arange(1200).reshape(30, 40).astype(dtype))
    np.save(labels, np.arange(40 if axis == 0 else 30) % 3)
    given: dict[str, Any] = {
        "paths": [str(made)],
        "labels": [str(labels)],
        "axis": axis,
        "input_dtype": "uint16" if dtype == "<u2" else None,
    }
    assert by_portions(open_logits(**given)) == by_blocks(open_logits(**given))
    are_left = {isinstance(p.rows, FileRows) for p in open_logits(**given).portions(7)}
    assert are_left == {axis == -1}


def test_an_npy_file_may_vanish_or_shrink(tmp_path: Path) -> None:
    made = tmp_path / "logits.npy"
    np.save(made, np.arange(300.0).reshape(100, 3))
    first, second = open_logits([str(made)]).portions(50)
    assert first.read()[0].logits.tolist()[49] == [147, 148, 149]
    with made.open("r+b") as stream:
        stream.truncate(2000)
    with pytest.raises(InputError, match=r"logits\.npy: became shorter while it was read$"):
        second.read()
    made.unlink()
    with pytest.raises(InputError, match=r"logits\.npy: no such file$"):
        first.read()


def test_an_npy_file_may_give_way_to_another(tmp_path: Path) -> None:
    made, other = tmp_path / "logits.npy", tmp_path / "other.npy"
    np.save(made, np.arange(300.0).reshape(100, 3))
    np.save(other, np.zeros((100, 3)))
    first, second = open_logits([str(made)]).portions(50)
    first.read()
    other.replace(made)
    with pytest.raises(InputError, match=r"logits\.npy: changed while it was read; run again"):
        second.read()


@pytest.mark.parametrize("change", ["1,2,3\n", None], ids=["longer", "shorter"])
def test_a_text_may_be_written_while_it_is_read(path: Path, change: str | None) -> None:
    path.write_text("1,22,33\n" * 400)  # of which a batch has 32 whole lines
    blocks = open_logits([str(path)]).blocks(20)
    next(blocks)
    with path.open("a") as stream:
        if change is None:
            stream.truncate(0)
        else:
            stream.write(change)
    with pytest.raises(InputError, match=r"table\.csv: changed while it was read; run again"):
        list(blocks)


def test_integers_too_large_are_told_by_their_row(tmp_path: Path) -> None:
    made, values = tmp_path / "logits.npy", np.ones((100, 3), np.uint64)
    values[60, 1] = 2**63
    np.save(made, values)
    source = open_logits([str(made)], input_dtype="uint64")
    with pytest.raises(InputError, match="row 60, column 1: 9223372036854775808 is beyond"):
        by_portions(source)


def test_text_stays_text_where_lines_are_rows(path: Path) -> None:
    portions = [portion.rows for portion in open_logits([str(path)]).portions(50)]
    assert all(isinstance(rows, TextRows) for rows in portions[:4])
    assert not isinstance(portions[-2], TextRows)  # it has comments and blank lines


@pytest.mark.parametrize(
    "bad", ["1,2\n", "1,,3\n", "1,2,x\n", '"1,2,3\n', "1,2,3,4\n", "1,2,1_0\n", "1,\u0661,3\n"]
)
@pytest.mark.parametrize("place", [0, 100])
def test_errors_are_the_same(path: Path, bad: str, place: int) -> None:
    rows = TEXT.split("\n")
    path.write_text("\n".join(rows[: place + 1]) + "\n" + bad + "\n".join(rows[place + 1 :]))
    said = []
    for read in (by_blocks, by_portions):
        with pytest.raises(InputError) as caught:
            read(open_logits([str(path)]))
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert f"table.csv:{place + 2}: " in said[0]


LINES = st.lists(
    st.sampled_from(
        ["1,2", " 1,2", "1,2 ", "", " ", "\t", "\u00a0", "#", '""', '" "', "1,2 # 3", "\x1f"]
    )
)


@given(LINES, st.sampled_from(["", "\n"]))
def test_rows_are_counted_rightly_or_not_at_all(given: list[str], end: str) -> None:
    batch = lines.Batch.of(("\n".join(given) + end).encode(), 1)
    for delimiter in (",", "\t", None):
        read = len(list(rows_of_text(batch, delimiter)))
        assert batch.rows is None or batch.rows == read
    assert batch.line_ends == batch.data.count(b"\n")
    if given and set(given) <= {"1,2", " 1,2", '""'}:
        assert batch.rows == len(given)


def test_lines_that_begin_with_blanks_are_counted() -> None:
    source = open_logits(["-"], stdin=io.BytesIO(b" 1.5   2.5\n-1.5  12.5\n"))
    [portion] = source.portions(9)
    assert portion.rows.count == 2
    assert portion.read()[0].logits.tolist() == [[1.5, 2.5], [-1.5, 12.5]]
