from __future__ import annotations

import gzip
import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.errors import InputError, SoftmaxToolError, UsageError
from softmax_tool.readers import lines, numerals, open_logits, parsing
from softmax_tool.readers.cells import rows_of_text
from softmax_tool.readers.parsing import Form

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from softmax_tool.readers.source import Source

NUMBERS = st.floats(width=64) | st.integers(-(10**6), 10**6).map(float)
TABLES = st.integers(1, 5).flatmap(
    lambda columns: st.lists(
        st.lists(NUMBERS, min_size=columns, max_size=columns), min_size=1, max_size=12
    )
)
BLANKS = st.sampled_from(["", " ", "  "])


def source_of(text: str | bytes, **options: Any) -> Source:
    data = text.encode() if isinstance(text, str) else text
    return open_logits(["-"], stdin=io.BytesIO(data), **options)


def rows(source: Source, at_a_time: int = 2) -> NDArray[Any]:
    blocks = list(source.blocks(at_a_time))
    assert all(len(block.logits) == at_a_time for block in blocks[:-1])
    assert all(block.logits.flags.c_contiguous for block in blocks)
    assert not any(block.logits.flags.writeable for block in blocks)
    return np.concatenate([block.logits for block in blocks])


def table(text: str | bytes, **options: Any) -> list[list[float]]:
    values: list[list[float]] = rows(source_of(text, **options)).tolist()
    return values


@st.composite
def spelling(draw: st.DrawFn, value: float) -> str:
    text = repr(value)
    if np.isinf(value):
        text = draw(st.sampled_from(["inf", "INF", "Infinity", "+inf"])).replace("+", "")
        text = f"-{text}" if value < 0 else text
    elif np.isnan(value):
        text = draw(st.sampled_from(["nan", "NaN", "NAN"]))
    elif not text.startswith("-") and draw(st.booleans()):
        text = f"+{text}"
    return f'"{text}"' if draw(st.booleans()) else text


@st.composite
def spelled(draw: st.DrawFn, values: list[list[float]]) -> str:
    delimiter = draw(st.sampled_from([",", ";", "\t", " "]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = []
    for row in values:
        while draw(st.integers(0, 3)) == 3:
            lines.append(
                draw(st.sampled_from(["", "  ", "  #", "# 1,2", "  # écrit \u202e", '#"', '# "1']))
            )
        around = "" if delimiter == "\t" else draw(BLANKS)
        cells = [draw(spelling(value)) for value in row]
        line = f"{around}{delimiter}{around}".join(cells)
        ends = ["", " ", " # seen", " # C# 4#5"] + (["#"] if line.endswith('"') else [])
        lines.append(line + draw(st.sampled_from(ends)))
    return end.join(lines) + draw(st.sampled_from(["", end]))


@given(TABLES, st.data())
def test_any_spelling_reads_back_the_same_bits(
    values: list[list[float]], data: st.DataObject
) -> None:
    text = data.draw(spelled(values))
    mark = b"\xef\xbb\xbf" if data.draw(st.booleans()) else b""
    stored = mark + text.encode()
    if data.draw(st.booleans()):
        stored = gzip.compress(stored)
    source = source_of(stored, header="no")
    got = rows(source, data.draw(st.integers(1, 20)))
    np.testing.assert_array_equal(got, np.array(values))
    np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(np.array(values)[got == 0]))
    assert source.shape == got.shape
    assert source.overflow_count == 0


@given(TABLES, st.integers(1, 40), st.sampled_from(["\n", "\r\n", "\r"]))
def test_the_size_of_a_batch_changes_nothing(
    values: list[list[float]], size: int, end: str
) -> None:
    text = end.join(",".join(map(repr, row)) for row in values) + end + "# the end"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BATCH_BYTES", size)
        np.testing.assert_array_equal(rows(source_of(text, header="no")), np.array(values))
        bad = source_of(f"{text}{end}{end}word", header="no")
        line = len(values) + 3
        with pytest.raises(InputError, match=rf"^<stdin>:{line}: column 0 is 'word'"):
            rows(bad)


@pytest.mark.parametrize("cell", ["1.#INF", "-1.#IND", "1.#QNAN", "4#5", "4#", "4e1#x"])
@pytest.mark.parametrize("line", ["{},3", "3,{}", "{} ,3 # C#", '"{}","3"', "3;{}", "3 {}"])
def test_a_sign_behind_a_number_begins_no_comment(cell: str, line: str) -> None:
    row = line.format(cell)
    first = row.replace(cell, "7")
    with pytest.raises(InputError, match=rf"^<stdin>:2: column . is '{re.escape(cell)}', which is"):
        table(f"{first}\n{row}\n")
    for text, number in ((f"{row}\n{first}\n", 1), (f"# x\n{row}\n", 2), (f"{row}\n", 1)):
        told = rf"^<stdin>:{number}: column . is '{re.escape(cell)}', .*--header yes if this row"
        with pytest.raises(InputError, match=told):
            source_of(text)


def test_a_sign_behind_a_word_is_part_of_it() -> None:
    source = source_of("C#,Java # languages\n1,2\t#\n4,5\n")
    assert source.column_names == ("C#", "Java")
    assert rows(source).tolist() == [[1, 2], [4, 5]]
    assert table("1;2\n#1;3\n 3;4 #;#\n") == [[1, 2], [3, 4]]


CELLS = st.text("0123456789+-.eEinfaty_x, \"'#;\t\u00a0\u0661", max_size=6)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=3).map(",".join), min_size=1, max_size=4))
def test_all_ways_to_parse_agree(written: list[str]) -> None:
    """What `table` or `loadtxt` accepts must be what the careful reading makes of it."""
    batch = lines.Batch.of("\n".join(written).encode(), 1)
    for delimiter in (",", ";", "\t", None):
        first = next(iter(rows_of_text(batch, delimiter)), None)
        if first is None:
            continue
        form = Form("table.csv", "table.csv", delimiter, len(first.cells), False)
        plain = parsing._without_quotes(batch.data)
        at_once = numerals.table(plain, (delimiter or " ").encode(), form.columns)
        for fast in (at_once, parsing._loaded_lines(plain.decode(), form)):
            if fast is not None:
                np.testing.assert_array_equal(fast, parsing._careful(batch, form))


@given(st.data())
def test_damaged_text_never_raises_anything_else(data: st.DataObject) -> None:
    damaged = bytearray(b'a,"b"\n0.5,1.5 # c\r\n\n"2",3\n-inf,nan\n1e400,5\n')
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    stored = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    header = data.draw(st.sampled_from(["auto", "yes", "no"]))
    try:
        rows(source_of(stored, header=header))
    except SoftmaxToolError as error:
        assert str(error).isprintable()  # noqa: PT017


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for stored in (data, b"\x1f\x8b" + data, gzip.compress(data)):
        try:
            rows(source_of(stored))
        except SoftmaxToolError as error:
            assert str(error).isprintable()  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("1;2\n3;4\n", [[1, 2], [3, 4]]),
        ("1\t2\n3\t4\n", [[1, 2], [3, 4]]),
        ("1 2\n3   4\n", [[1, 2], [3, 4]]),
        ("  1 \t 2\n3 4  \n", [[1, 2], [3, 4]]),
        ("1, 2\n3 ,4\n", [[1, 2], [3, 4]]),
        ("1,\t2\n3,\t4\n", [[1, 2], [3, 4]]),
        ("5\n7\n", [[5], [7]]),
        ("5,7", [[5, 7]]),
        ("5 7 \t\n1\t2\n", [[5, 7], [1, 2]]),
        ("a;b,c\n1;2\n", [[1, 2]]),
        ("a b,c\n1,2\n", [[1, 2]]),
        ('"a,x";b\n1;2\n', [[1, 2]]),
        ('" 1 ","2"\n3,4\n', [[1, 2], [3, 4]]),
        ("logit\n5\n7\n", [[5], [7]]),
    ],
)
def test_delimiters(text: str, expected: list[list[float]]) -> None:
    assert table(text) == expected


def test_headers() -> None:
    assert table("a,b\n1,2\n") == [[1, 2]]
    assert source_of('a,"b, c"\n1,2\n').column_names == ("a", "b, c")
    assert source_of("1,2\n").column_names is None
    assert table("5,6\n1,2\n", header="yes") == [[1, 2]]
    assert source_of("5,6\n1,2\n", header="yes").column_names == ("5", "6")
    assert table("# a\n\na,b\n\n# c\n1,2\n") == [[1, 2]]
    with pytest.raises(InputError, match=r"^<stdin>:1: column 0 is 'a', which is not a number$"):
        table("a,b\n1,2\n", header="no")


def test_a_delimiter_at_the_end_of_lines_is_no_index_column() -> None:
    with pytest.raises(InputError, match=r"^<stdin>:1: column 2 .*the last, is empty: a d"):
        table("1,2,\n3,4,\n")
    with pytest.raises(InputError, match="column 0 of the first row is empty: an index column"):
        table(",a,b\n0,3,4\n")


@pytest.mark.parametrize("first", ["0,1,2", "0", '"0","1"', "0 1", "0, 1"])
def test_a_row_that_counts_must_be_settled(first: str) -> None:
    row = first.replace("0", "5").replace("1", "6")
    text = f"{first}\n{row}\n"
    with pytest.raises(InputError, match=r"Say --header yes if it is a header, --header no if"):
        source_of(text)
    assert len(table(text, header="yes")) == 1
    assert len(table(text, header="no")) == 2


def test_numbers_that_only_start_like_counting_are_data() -> None:
    assert table("0,1,3\n1,2,3\n") == [[0, 1, 3], [1, 2, 3]]
    assert table("0.0,1.0\n1,2\n") == [[0, 1], [1, 2]]
    assert table("1,2\n1,2\n") == [[1, 2], [1, 2]]


def test_overflows_are_noted_where_they_stand() -> None:
    source = source_of("a,b\n\n1e400,2 # inf\ninf,-1e999\n-inf,1e308\n")
    assert source.overflow_count == 0
    got = rows(source)
    assert got.tolist() == [[np.inf, 2], [np.inf, -np.inf], [-np.inf, 1e308]]
    assert [(each.path, each.line, each.column, each.text) for each in source.overflows] == [
        ("-", 3, 0, "1e400"),
        ("-", 4, 1, "-1e999"),
    ]
    assert source.overflow_count == 2


def test_all_overflows_are_counted_and_few_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("1e400,inf\n" * 150)
    source = open_logits([str(path)])
    for _ in range(2):  # reading again starts to count again
        rows(source)
        assert (len(source.overflows), source.overflow_count) == (100, 150)
    transposed = open_logits([str(path)], axis=0)
    rows(transposed)
    assert (len(transposed.overflows), transposed.overflow_count) == (100, 150)


def test_numbers_are_rounded_once_to_the_nearest_float64() -> None:
    assert table("0.1000000000000000055511151231257827,9007199254740993") == [
        [0.1, 9007199254740992.0]
    ]


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BATCH_BYTES", 16)
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    with pytest.raises(InputError, match=r"^<stdin>:2: the line is longer than 100 bytes"):
        rows(source_of("1,2\n" + "1" * 200))


def test_a_label_column_by_name_and_index() -> None:
    text = "a,label,b\n1,0,2\n3,1.0,4\n"
    for column in ("label", "1", 1, -2, "-2"):
        source = source_of(text, label_column=column)
        (block,) = source.blocks(5)
        assert block.logits.tolist() == [[1, 2], [3, 4]]
        assert block.labels is not None
        assert (block.labels.dtype.name, block.labels.tolist()) == ("int64", [0, 1])
        assert source.column_names == ("a", "b")
        assert source.label_paths == (f"-:{column}",)
        assert (source.classes, source.label_kind) == (2, "classes")


def test_a_name_goes_before_an_index() -> None:
    source = source_of("1,a,b\n0,5,6\n", label_column="1")
    (block,) = source.blocks(5)
    assert block.logits.tolist() == [[5, 6]]


def test_the_columns_as_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b,c\n1,2,3\n4,5,6\n")
    for source in (open_logits([str(path)], axis=0), source_of(path.read_bytes(), axis=-2)):
        assert (source.shape, source.axis, source.classes) == ((2, 3), 0, 2)
        assert source.stored_dtype == "text"
        for _ in range(2):
            assert rows(source).tolist() == [[1, 4], [2, 5], [3, 6]]


def test_a_file_can_be_read_again_and_a_pipe_cannot(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("1,2\n3,4\n")
    source = open_logits([str(path)])
    assert source.shape is None
    assert rows(source).tolist() == rows(source, 1).tolist() == [[1, 2], [3, 4]]
    assert source.shape == (2, 2)
    pipe = source_of("1,2\n")
    rows(pipe)
    with pytest.raises(InputError, match=re.escape("a pipe can be read only once")):
        rows(pipe)


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"'c' does not exist: the columns are 'a', 'b'$"):
        source_of("a,b\n1,2\n", label_column="c")
