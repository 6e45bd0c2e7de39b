from __future__ import annotations

import csv
import io
import json
import stat
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Callable


def checked(text: str) -> Any:
    tree = json.loads(text)
    schema = json.loads(
        files("softmax_tool.schemas").joinpath(f"{tree['command']}.json").read_text()
    )
    Draft202012Validator(schema).validate(tree)
    return tree


def test_limits_in_every_format(run: Callable[..., Any]) -> None:
    table = run("limits")
    assert table.code == 0
    assert table.err == ""
    assert "11.0859375" in table.out
    tree = checked(run("limits", "--format", "json", "-d", "HALF").out)
    assert [limits["dtype"] for limits in tree["formats"]] == ["float16"]
    assert tree["formats"][0]["exp_first_overflow"] == 11.09375
    lines = list(csv.DictReader(io.StringIO(run("limits", "--format", "CSV").out)))
    assert lines[0]["dtype"] == "float16"
    assert run("limits", "--format", "markdown").out.startswith("### ")


def test_compare_reports_the_overflow(run: Callable[..., Any], logits: str, labels: str) -> None:
    done = run("compare", logits, "--labels", labels, "-d", "fp16", "--format", "json")
    assert done.code == 0
    assert done.err == ""
    tree = checked(done.out)
    assert tree["input"]["paths"] == [logits]
    assert tree["input"]["shape"] == [3, 3]
    naive = next(
        c for c in tree["cases"] if (c["quantity"], c["formulation"]) == ("softmax", "naive")
    )
    assert naive["kinds"]["overflow"]["rows"] == 1
    table = run("compare", logits, "--labels", labels, "-d", "fp16")
    assert table.out.startswith(f"compare: {logits}")
    assert "overflow" in table.out


def test_compare_without_logits_says_that_it_demonstrates(run: Callable[..., Any]) -> None:
    done = run("compare", "--format", "json", "-d", "float16")
    assert checked(done.out)["input"]["paths"] == ["<demonstration>"]
    assert done.err == "softmax-tool: note: no LOGITS given: this is the built-in demonstration\n"
    assert run("compare", "-q").err == ""
    assert "the built-in demonstration" in run("compare").out.splitlines()[0]


def test_compute_as_json_has_the_whole_values(run: Callable[..., Any], logits: str) -> None:
    tree = checked(
        run("compute", logits, "--op", "SOFTMAX", "--format", "json", "--rows", "0:1").out
    )
    values = {result["formulation"]: result["values"] for result in tree["results"]}
    assert set(values) == {"naive", "shifted"}
    np.testing.assert_allclose(values["shifted"][0], [0.659001, 0.242433, 0.098566], rtol=1e-5)
    assert len(values["shifted"]) == 3


def test_compute_shows_the_rows_asked_for(run: Callable[..., Any], logits: str) -> None:
    out = run("compute", logits, "-d", "half", "--rows", "-1:", "--columns", "0:2").out
    assert "row 2" in out
    assert "row 0" not in out
    assert "overflow" in out
    assert "1 class not shown" in out


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_compute_writes_arrays(
    run: Callable[..., Any], logits: str, labels: str, tmp_path: Path, reduction: str
) -> None:
    target = tmp_path / "out.npz"
    done = run(
        "compute", logits, "--labels", labels, "--reduction", reduction, "-d", "half", "-o", target
    )
    assert done.code == 0
    assert done.out.startswith("compute: ")
    with np.load(target) as archive:
        shifted = archive["softmax/shifted/float16"]
        assert shifted.dtype == np.float16
        assert shifted.shape == (3, 3)
        loss = archive["nll/shifted/float16"]
        assert loss.shape == ((3,) if reduction == "none" else ())
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(Path(logits).stat().st_mode)


def test_one_array_and_its_json(run: Callable[..., Any], logits: str, tmp_path: Path) -> None:
    target = tmp_path / "one.npy"
    done = run(
        "compute",
        logits,
        "--op",
        "softmax",
        "--formulation",
        "shifted",
        "-o",
        target,
        "--format",
        "json",
    )
    tree = checked(done.out)
    np.testing.assert_array_equal(np.load(target), np.float32(tree["results"][0]["values"]))


def test_several_arrays_need_npz(run: Callable[..., Any], logits: str, tmp_path: Path) -> None:
    done = run("compute", logits, "-o", tmp_path / "x.npy")
    assert done.code == 2
    assert "use .npz, or choose one with --op and --formulation" in done.err
    assert done.out == ""
    assert not (tmp_path / "x.npy").exists()


def test_a_report_goes_to_a_file(run: Callable[..., Any], logits: str, tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    done = run("compare", logits, "--format", "markdown", "-o", target, "-d", "half")
    assert done == (0, "", "")
    assert target.read_text(encoding="utf-8").startswith("## compare: ")
    plain = tmp_path / "limits.txt"
    run("limits", "-o", plain)
    assert "\x1b" not in plain.read_text(encoding="utf-8")


def test_weights_and_ignore_index(
    run: Callable[..., Any], logits: str, labels: str, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.csv"
    weights.write_text("1,2,3\n")
    tree = checked(
        run(
            "compute",
            logits,
            "--labels",
            labels,
            "--weights",
            weights,
            "--op",
            "ce",
            "--ignore-index",
            "1",
            "--reduction",
            "none",
            "--format",
            "json",
        ).out
    )
    assert tree["settings"]["weights"] == str(weights)
    assert tree["settings"]["ignore_index"] == 1
    assert tree["losses"][0]["per_row"][2] == 0


def test_a_number_beyond_float64_is_told(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    path.write_text("1e400,1\n0,1\n")
    done = run("compute", path)
    assert done.code == 0
    assert f"warning: {path}:1: column 0: 1e400 is beyond float64" in done.err
    assert run("compute", path, "-q").err == done.err


def test_shards_are_one_table(run: Callable[..., Any], tmp_path: Path) -> None:
    for name, text in (("a.csv", "1,2\n"), ("b.csv", "3,5\n"), ("all.csv", "1,2\n3,5\n")):
        (tmp_path / name).write_text(text)
    trees = [
        checked(run("compare", *(tmp_path / name for name in names), "--format", "json").out)
        for names in (("a.csv", "b.csv"), ("all.csv",))
    ]
    for tree in trees:
        del tree["input"]
    assert trees[0] == trees[1]


def test_color(
    run: Callable[..., Any], logits: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def colored(*options: str) -> bool:
        return "\x1b[" in run("compare", logits, "-d", "half", *options).out

    assert not colored()
    assert colored("--color", "always")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colored()
    assert not colored("--color", "never")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored()
    assert colored("--color", "always")
    target = tmp_path / "report.txt"
    monkeypatch.delenv("NO_COLOR")
    run("compare", logits, "-o", target)
    assert "\x1b" not in target.read_text(encoding="utf-8")


def test_width(run: Callable[..., Any], logits: str) -> None:
    narrow = run("compare", logits, "--width", "80").out
    assert max(map(len, narrow.splitlines()[1:])) <= 80
    assert narrow != run("compare", logits, "--width", "200").out


def test_csv_of_compute_holds_every_row_unless_rows_are_chosen(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("".join(f"{row},0.5,0\n" for row in range(1, 41)))
    options = [table, "--label-column", "2", "--format", "csv"]

    def rows(*more: str) -> list[str]:
        done = run("compute", *options, *more)
        return [line["row"] for line in csv.DictReader(io.StringIO(done.out), strict=True)]

    numbers = [str(row) for row in range(40)]
    assert rows() == [row for row in numbers for _ in range(2)]
    assert rows("--op", "ce") == numbers
    assert rows("--op", "ce", "--rows", "3:5") == ["3", "4"]
    assert rows("--op", "ce", "--top", "1") == numbers


def test_csv_of_compute_names_every_column_once(run: Callable[..., Any], logits: str) -> None:
    out = run("compute", logits, "-d", "half", "-d", "single", "--format", "csv").out
    names = next(csv.reader(io.StringIO(out)))
    assert len(names) == len(set(names))
    assert {"softmax/shifted/float16", "softmax/shifted/float32"} <= set(names)


def test_a_header_that_holds_numbers_is_told(run: Callable[..., Any], tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("1,2,3O\n4,5,6\n")
    done = run("compute", table)
    assert done.code == 0
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"softmax-tool: warning: {table}: the first row, 1, 2, 3O, holds")
    assert "was read as a header; --header no refuses it" in done.err
    assert run("compute", table, "--header", "yes").err == ""
    assert run("compute", table, "--quiet").err == done.err
    assert run("compute", table, "--header", "no").code == 2
    table.write_text("a,b,c\n4,5,6\n")
    assert run("compute", table).err == ""


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ("1,5;2,5", "1,5, 2,5"),
        ("0x10,0x20", "0x10, 0x20"),
        ('"1,000","2,000"', "1,000, 2,000"),
        ("\u221290000,\u22122", "\u221290000, \u22122"),
        ("\uff11,\uff12", "\uff11, \uff12"),
        ("1_0,2_0", "1_0, 2_0"),
    ],
)
@pytest.mark.parametrize("command", ["compute", "compare", "inspect", "explain", "check"])
def test_a_header_of_badly_written_numbers_is_told(
    run: Callable[..., Any], tmp_path: Path, command: str, row: str, shown: str
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"{row}\n3{';' if ';' in row else ','}4\n")
    done = run(command, table)
    assert done.code == 0
    told = f"{table}: the first row, {shown}, holds badly written numbers and was read as a header"
    assert done.err.startswith(f"softmax-tool: warning: {told}; --header no refuses it")
    assert run(command, table, "--header", "yes").err == ""
    assert run(command, table, "--header", "no").code == 2


def test_a_cell_without_end_is_cut_in_what_is_told(run: Callable[..., Any], tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    for text in (f"1,2\n{'9' * 3000},2\n", f"{'x' * 3000},2\n1,2\n"):
        table.write_text(text)
        done = run("inspect", table)
        assert "… (3000 characters)" in done.err
        assert len(done.err) < 400


def test_a_long_doubtful_header_is_cut(run: Callable[..., Any], tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(",".join(["1"] * 99 + ["x"]) + "\n" + ",".join(["2"] * 100) + "\n")
    assert "1, 1, 1, …, holds" in run("compute", table).err


def test_help_calls_repeatable_what_can_be_repeated(run: Callable[..., Any]) -> None:
    def told(command: str) -> str:
        words = " ".join(run(command, "--help").out.split())
        return words[words.index("--arithmetic NAME") :].partition("Default")[0]

    assert "repeatable: strict" in told("compare")
    assert "one of: strict" in told("compute")


def test_a_phrase_on_what_is_shown_speaks_of_a_label_only_where_there_is_one(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(",".join(map(str, range(30, 0, -1))) + "\n")
    options = [table, "--op", "softmax", "--width", "200"]
    assert "largest logits and the first value of each kind" in run("compute", *options).out
    labelled = run("compute", *options, "--label-column", "29").out
    assert "largest logits, the label, and the first value of each kind" in labelled


def test_losses_alone_have_no_lines_of_other_quantities(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("2,1,0\n1,3,1\n")
    out = run("compute", table, "--label-column", "2").out
    summed = out[out.index("Over all rows") :].split("\n\n")[0]
    assert "nll, ce" in summed
    assert "softmax" not in summed


def test_input_kinds(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("0.5,0.25,0.25\n0.1,0.8,0.1\n")
    doubled = run("compute", path)
    assert "warning: The input looks like probabilities" in doubled.err
    assert run("compute", path, "-q").err == doubled.err
    declared = run("compare", path, "--input", "PROBS", "--format", "json")
    assert declared.err == ""
    tree = checked(declared.out)
    assert tree["settings"]["input"] == "probs"
    assert tree["looks_like"]["probabilities"] == 2
    wrong = run("compute", path, "--input", "log-probs")
    assert "declared log-probs, but 2 of 2 rows are no distribution" in wrong.err
    assert wrong.code == 0
    assert run("compare", "--input", "probs").code == 2
    odd = run("inspect", path, "--input", "odds")
    assert (odd.code, "known are logits, probs, log-probs" in odd.err) == (2, True)
    assert checked(run("inspect", path, "--input", "probs", "--format", "json").out)


def test_explain_and_inspect(run: Callable[..., Any], logits: str, labels: str) -> None:
    told = run("explain")
    assert told.err == "softmax-tool: note: no LOGITS given: this is the textbook's row\n"
    assert run("explain", "-q").err == ""
    tree = checked(run("explain", logits, "--row", "-1", "-d", "half", "--format", "json").out)
    assert tree["settings"]["row"] == 2
    assert tree["trouble"][0]["limit"] == 11.09375
    lines = list(csv.DictReader(io.StringIO(run("explain", logits, "--format", "csv").out)))
    assert (lines[0]["step"], lines[0]["value"]) == ("shift", "0.0")
    for arguments, message in (
        (["--row", "3"], "row 3: "),
        (["--column", "7"], "column 7: the logits have 3 classes"),
        (["-d", "half", "-d", "single"], "explain takes one --dtype"),
        (["--arithmetic", "fused", "--arithmetic", "strict"], "explain takes one --arithmetic"),
        (["--labels", logits], ""),
    ):
        done = run("explain", logits, *arguments)
        assert done.code == 2
        assert message in done.err
        assert done.err.count("\n") == 1
    assert run("explain", "--labels", labels).code == 2
    tree = checked(run("inspect", logits, "--labels", labels, "--format", "json").out)
    assert tree["labels"]["kept"] == 3
    assert len(run("inspect", logits, "--format", "csv", "-d", "half").out.splitlines()) == 2


def test_labels_from_a_column_of_standard_input_are_named(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b,y\n1,2,1\n")
    for command in ("compute", "compare", "check", "inspect"):
        with path.open() as stream:
            monkeypatch.setattr("sys.stdin", stream)
            assert "standard input:y" in run(command, "-", "--label-column", "y").out


@pytest.mark.parametrize("command", ["compute", "compare"])
def test_slices_beyond_the_table_show_nothing_and_say_so(
    run: Callable[..., Any], logits: str, command: str
) -> None:
    done = run(command, logits, "--rows", "5:9")
    assert done.code == 0
    assert "no row shown: there are 3\n" in done.out
    assert "5:9" not in done.out
    assert done.err == "softmax-tool: warning: no row shown: there are 3\n"
    done = run(command, logits, "--columns", "7", "--format", "csv")
    assert (done.code, done.err) == (0, "softmax-tool: warning: no column shown: there are 3\n")
    done = run(command, logits, "--rows", "2:9")
    assert (done.code, done.err) == (0, "")
    assert "rows 2:9 shown" in done.out
    done = run(command, logits, "--rows", "2:1")
    assert (done.code, done.err) == (0, "softmax-tool: warning: no row shown: 2:1 is empty\n")


def test_no_row_is_shown_because_none_is_there(run: Callable[..., Any], logits: str) -> None:
    assert "\nshown: none of 3 rows\n" in run("compute", logits, "--rows", "5:9").out
