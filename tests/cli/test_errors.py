from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from softmax_tool import engine

if TYPE_CHECKING:
    from collections.abc import Callable

main = import_module("softmax_tool.cli.main")

USAGE = [
    (["comprae"], "Did you mean 'compare'"),
    (["compare", "--formt", "json"], "--format"),
    (["limits", "--format", "xml"], "known are table, json, csv, markdown"),
    (["limits", "--color", "pink"], "known are auto, always, never"),
    (["limits", "-d", "floot"], "known are float16"),
    (["limits", "--width", "0"], "--width"),
    (["limits", "--width", "wide"], "--width"),
    (["limits", "extra"], "see softmax-tool limits --help"),
    (["compute"], "LOGITS"),
    (["compute", "LOGITS", "--rows", "x"], "--rows x: is not A:B"),
    (["compute", "LOGITS", "--rows", "1:2:3"], "is not A:B"),
    (["compute", "LOGITS", "--reduction", "average"], "known are mean, sum, none"),
    (["compute", "LOGITS", "--header", "perhaps"], "known are auto, yes, no"),
    (["compute", "LOGITS", "--arithmetic", "strict", "--arithmetic", "native"], "use compare"),
    (["compute", "LOGITS", "--arithmetic", "quantum"], "known are strict"),
    (["compute", "LOGITS", "--op", "hardmax"], "hardmax"),
    (["compute", "LOGITS", "--formulation", "magic"], "magic"),
    (["compute", "LOGITS", "-o", "x.txt"], "end the name in one of them"),
    (["compute", "LOGITS", "--label-smoothing", "2"], "--label-smoothing"),
    (["compute", "LOGITS", "--label-smoothing", "nan"], "is not a number"),
    (["compare", "LOGITS", "--max-ulp", "nan"], "is not a number"),
    (["compare", "LOGITS", "--max-ulp", "-1"], "--max-ulp"),
    (["compare", "--axis", "0"], "name LOGITS"),
    (["compare", "--labels", "x.csv"], "name LOGITS"),
    (["compare", "--ignore-index", "3"], "name LOGITS"),
    (["compute", ""], "a file name is empty; name a file"),
    (["compute", "LOGITS", "--labels", ""], "a file name is empty; name a file"),
    (["compute", "LOGITS", "--weights", ""], "a file name is empty; name a file"),
    (["check", "LOGITS", "--config", ""], "a file name is empty; name a file"),
    (["explain", "LOGITS", "--ignore-index", "1"], "--ignore-index: is about labels"),
    (["inspect", "LOGITS", "--ignore-index", "1"], "--ignore-index: is about labels"),
    (["compute", "missing.csv"], "missing.csv"),
    (["compute", "."], "."),
    (["limits", "-o", "."], "is a folder"),
    (["limits", "-o", "missing/x.txt"], "there is no folder"),
]


@pytest.mark.parametrize(("arguments", "told"), USAGE)
def test_an_error_is_one_line_that_says_what_to_do(
    run: Callable[..., Any], logits: str, arguments: list[str], told: str
) -> None:
    done = run(*(logits if argument == "LOGITS" else argument for argument in arguments))
    assert done.code == 2
    assert done.out == ""
    assert re.fullmatch(r"softmax-tool: error: [^\n]+\n", done.err)
    assert told in done.err


@pytest.mark.parametrize("command", ["check", "compare", "compute"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--reduction", "sum"], "--reduction: is about losses and gradients, of which none"),
        (["--label-smoothing", "0.1"], "--label-smoothing: is about losses"),
        (["--weights", "w.csv"], "--weights: is about losses"),
        (["--ignore-index", "1"], "--ignore-index: is about labels"),
        (["--labels", "y.csv", "--op", "softmax", "--reduction", "sum"], "--reduction: is about"),
        (["--labels", "p.csv", "--ignore-index", "1"], "does not apply to probability labels"),
    ],
)
def test_options_that_change_nothing_are_refused(
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    options: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "x": "2,1\n3,1\n",
        "y": "0\n1\n",
        "p": "0.5,0.5\n1,0\n",
        "w": "1,2\n",
    }.items():
        Path(f"{name}.csv").write_text(text)
    done = run(command, "x.csv", *options)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_an_index_to_ignore_is_none_of_probabilities(
    run: Callable[..., Any], tmp_path: Path, logits: str
) -> None:
    labels = tmp_path / "p.csv"
    labels.write_text("0.5,0.5,0\n1,0,0\n0,0,1\n")
    done = run("inspect", logits, "--labels", labels, "--ignore-index", "1")
    assert (done.code, done.out) == (2, "")
    assert "does not apply to probability labels" in done.err


@pytest.mark.parametrize("command", ["check", "compare", "explain", "inspect", "limits"])
def test_a_report_to_a_dash_goes_to_stdout(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, logits: str, command: str
) -> None:
    monkeypatch.chdir(Path(logits).parent)
    before = set(Path().iterdir())
    given = [] if command == "limits" else [logits]
    to_dash, plain = (run(command, *given, *o, "--format", "json") for o in (("-o", "-"), ()))
    assert to_dash == plain
    assert run("check", "nowhere.csv", "--format", "junit", "-o", "-").out.startswith("<?xml")
    assert set(Path().iterdir()) == before


@pytest.mark.parametrize("command", ["compare", "compute"])
@pytest.mark.parametrize("role", ["logits", "labels", "weights"])
@pytest.mark.parametrize("by", ["name", "symbolic link", "hard link"])
def test_no_input_is_overwritten(
    run: Callable[..., Any], tmp_path: Path, command: str, role: str, by: str
) -> None:
    texts = {"logits": "2,1,0.1\n-999,1,2\n", "labels": "0\n2\n", "weights": "1\n2\n3\n"}
    paths = {name: tmp_path / f"{name}.csv" for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text)
    output = paths[role]
    if by != "name":
        output = tmp_path / "link.csv"
        (output.symlink_to if by == "symbolic link" else output.hardlink_to)(paths[role])
    inputs = [paths["logits"], "--labels", paths["labels"], "--weights", paths["weights"]]
    done = run(command, *inputs, "-o", output)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"softmax-tool: error: -o [^\n]+ is the same file as [^\n]+\n", done.err)
    assert {name: path.read_text() for name, path in paths.items()} == texts


def test_a_redirected_input_is_not_overwritten(
    run: Callable[..., Any], logits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(logits).open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        done = run("compare", "-", "-o", logits)
    assert done.code == 2
    assert "is the same file as the input standard input" in done.err


def test_no_arguments_is_help_but_no_success(run: Callable[..., Any]) -> None:
    done = run()
    assert done.code == 2
    assert done.out == ""
    assert "Usage: softmax-tool" in done.err


def test_negative_values_are_values(run: Callable[..., Any], logits: str, labels: str) -> None:
    for options in (
        ["--rows", "-5:"],
        ["--columns", ":-1"],
        ["--axis", "-1"],
        ["--ignore-index", "-7", "--labels", labels],
        ["--rows=-2"],
        ["--dim", "-1"],
    ):
        assert run("compute", logits, *options).code == 0


def test_names_are_visible_in_errors(run: Callable[..., Any]) -> None:
    done = run("compute", "no\nsuch\x1b[31m.csv")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (
            RuntimeError("broken"),
            3,
            "(RuntimeError: broken); run again with --debug for the traceback",
        ),
        (AssertionError(), 3, "(AssertionError)"),
        (RuntimeError("two\nlines"), 3, "two\\nlines"),
        (MemoryError(), 2, "out of memory"),
        (RuntimeError("can't start new thread"), 2, "out of memory"),
        (OSError(28, "No space left"), 2, "standard output: No space left; free some, or send it"),
        (PermissionError(13, "Permission denied", "x.csv"), 2, "x.csv: Permission denied"),
        (ImportError("no module"), 2, "install it again"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_whatever_happens_is_one_line(
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    told: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(engine, "limits", fail)
    done = run("limits")
    assert done.code == code
    assert re.fullmatch(r"softmax-tool: error: [^\n]+\n", done.err)
    assert told in done.err
    debug = run("limits", "--debug")
    assert debug.code == code
    assert debug.err.startswith("Traceback")
    assert debug.err.endswith(done.err)


def test_a_closed_pipe_is_quiet(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(engine, "limits", closed)
    assert run("limits") == (0, "", "")


def test_a_failure_leaves_no_arrays_behind(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, logits: str, tmp_path: Path
) -> None:
    def fail(_source: object, _options: object, *, values: Any, **_: object) -> None:
        values.begin([], [])
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "compute", fail)
    before = set(tmp_path.iterdir())
    assert run("compute", logits, "-o", tmp_path / "x.npz").code == 130
    assert set(tmp_path.iterdir()) == before


def test_main_exits_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["softmax-tool", "limits", "--format", "xml"])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 2
