"""What only the command does: refusals, configuration, annotations, summaries, pipes, listings."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from softmax_tool.check.rules import RULES
from softmax_tool.renderers.github import SHOWN
from tests.check.schema import junit_schema, validated

if TYPE_CHECKING:
    from collections.abc import Callable

main = import_module("softmax_tool.cli.main")
config = import_module("softmax_tool.cli.config")
summary = import_module("softmax_tool.cli.summary")
app = import_module("softmax_tool.cli.app")

TABLE = "12.3,0\n1,2\n"
HALF = np.array([[1.0, 2.0], [3.0, 5.0]], np.float16)
RIGHT = np.array([[0.2689414213699951, 0.7310585786300049]] * 2, np.float16)
RIGHT[1] = [0.11920292202211755, 0.8807970779778823]


@pytest.mark.parametrize(
    ("logits", "options", "told"),
    [
        ("", [], "is empty"),
        ("a,b\n", [], "holds"),
        (np.empty((0, 3)), [], "holds no elements"),
        ("nan,1\n", ["--ignore", "INP"], "no element of softmax could be judged"),
        ("-inf,-inf\n", ["--ignore", "INP"], "no element of softmax could be judged"),
        (TABLE, ["--select", "XYZ"], "names no rule"),
        (TABLE, ["--ignore", "all"], "no rule is selected"),
        (TABLE, ["--select", "BSL101"], "no rule is left to look for: BSL101 needs a --baseline"),
        (TABLE, ["--select", "RNG,SUM102"], "SUM102, RNG101 need a --candidate"),
        (TABLE, ["--select", "LAB103,BSL101"], "LAB103 needs labels; BSL101 needs a --baseline"),
        (TABLE, ["--max-ulp", "nan"], "--max-ulp nan: is not a number"),
        (TABLE, ["--max-abs", "nan"], "--max-abs nan: is not a number"),
        (TABLE, ["--max-rel", "-1"], "--max-rel -1.0: is no limit"),
        (TABLE, ["--max-ulp", "-0.5"], "--max-ulp -0.5: is no limit"),
        (TABLE, ["--headroom", "-1"], "--headroom -1.0: is no distance"),
        (TABLE, ["--factor", "0"], "--factor 0.0: is no factor"),
        (TABLE, ["--factor", "inf"], "--factor inf: is no factor"),
        (TABLE, ["--factor", "3"], "--factor: is about a baseline; name it with --baseline"),
        (TABLE, ["--reduction", "sum"], "--reduction: is about losses and gradients, of which"),
        (TABLE, ["--label-smoothing", "0.1"], "--label-smoothing: is about losses"),
        (TABLE, ["--weights", "w.npy"], "--weights: is about losses"),
        (TABLE, ["--ignore-index", "1"], "--ignore-index: is about labels"),
        (
            TABLE,
            ["--label-column", "1", "--header", "no", "--op", "softmax", "--reduction", "sum"],
            "--reduction: is about losses",
        ),
        (TABLE, ["--budget", "many"], "--budget many: is neither"),
        (TABLE, ["--budget", "-1"], "--budget -1: is neither"),
        (TABLE, ["--budget", "nan%"], "--budget nan%: is neither"),
        (TABLE, ["--budget", "101%"], "--budget 101%: is neither"),
        (TABLE, ["--budget", "1.5"], "--budget 1.5: is neither"),
        (TABLE, ["--format", "xml"], "--format xml: no such choice"),
        (TABLE, ["--baseline", "b.npy"], "--baseline: is about a candidate"),
        (TABLE, ["--logits-dtype", "half"], "--logits-dtype: is about a candidate"),
        (TABLE, ["--candidate", "nowhere.npy", "--op", "softmax"], "nowhere.npy: no such file"),
        (TABLE, ["--candidate", "p.npy"], "say what p.npy holds"),
        (TABLE, ["--candidate", "p.npy", "--op", "nll"], "needs labels"),
        (TABLE, ["--candidate", "p.npy", "--op", "softmax", "--formulation", "naive"], "leave out"),
        (TABLE, ["--candidate", "p.npy", "--op", "ce", "--op", "nll"], "say what p.npy holds"),
        (TABLE, ["--candidate", "p.npy", "--op", "gelu"], "unknown op"),
        (
            TABLE,
            ["--candidate", "p.npy", "--op", "softmax", "-d", "half", "-d", "f32"],
            "one dtype",
        ),
        (TABLE, ["--candidate", "p.npy", "--op", "softmax", "--arithmetic", "strict"], "leave out"),
        (TABLE, ["--candidate", "-", "--baseline", "-", "--op", "softmax"], "only once"),
        (TABLE, ["--op", "nll"], "needs labels"),
    ],
)
def test_what_cannot_be_answered_is_2(
    logits: Any, options: list[str], told: str, check: Callable[..., Any]
) -> None:
    done = check(logits, *options)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("\n") == 1


def test_a_rule_that_was_named_and_has_nothing_to_look_at_is_told(
    check: Callable[..., Any],
) -> None:
    done = check(TABLE, "--select", "lss101,OVF101,masked-label", "--format", "json")
    needed = {"LAB103": "labels", "LSS101": "labels, an op that is a loss, and no --candidate"}
    assert done.report["warnings"] == [
        f"--select {code} needs {what}; it was not looked for" for code, what in needed.items()
    ]
    by_prefix = check(TABLE, "--select", "LSS,OVF101", "--format", "json")
    assert by_prefix.report["warnings"] == []


def test_an_input_error_outranks_findings(check: Callable[..., Any]) -> None:
    done = check("nan,1\n" * 40_000 + "x,1\n")
    assert (done.code, done.out) == (2, "")
    done = check("a,b,y\nnan,1,0\n1,2,7\n", "--label-column", "y")
    assert (done.code, done.out) == (2, "")
    assert "(LAB101)" in done.err


def test_no_logits(check: Callable[..., Any]) -> None:
    del check
    assert main.run(["check"]) == 2


def test_the_list_of_rules(check: Callable[..., Any]) -> None:
    done = check(TABLE, "--list-rules")
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines] == [rule.code for rule in RULES]
    assert [line.split()[2] for line in lines] == [rule.name for rule in RULES]
    when = {line.split()[0]: line.split()[1] for line in lines}
    assert (when["OVF101"], when["UND102"], when["LAB101"]) == ("on", "off", "error")


def test_a_reader_that_is_gone_does_not_make_it_pass(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("12.3,0\n" * 1500)  # reports longer than a pipe holds
    tool = (
        f"{sys.executable} -m softmax_tool.cli check x.csv -d half "
        "--op softmax --formulation naive --top 1500"
    )
    for format_ in ("concise", "table", "json"):
        line = f"set -o pipefail; {tool} --format {format_} | head -n 1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, capture_output=True, check=False, text=True
        )
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1] == "1"


def test_the_report_is_whole_before_exit_1(check: Callable[..., Any], tmp_path: Path) -> None:
    done = check(TABLE, "-d", "half", "--formulation", "naive", "--format", "json", "-o", "r.json")
    assert (done.code, done.out) == (1, "")
    assert json.loads((tmp_path / "r.json").read_text())["exit_code"] == 1


# Configuration.


def test_options_come_from_pyproject_and_flags_win(
    check: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.softmax-tool]\ndtype = "half"\nop = ["softmax"]\nmax-ulp = 3\nbudget = 2\n'
        'select = ["OVF", "ACC"]\nformat = "json"\n'
    )
    settings = check(TABLE).report["settings"]
    assert settings["dtypes"] == ["float16"]
    assert settings["max_ulp"] == 3.0
    assert settings["budget"] == "2"
    assert settings["rules"] == ["OVF101", "OVF102", "OVF103", "OVF104", "ACC101"]
    settings = check(TABLE, "-d", "single", "--select", "OVF101").report["settings"]
    assert settings["dtypes"] == ["float32"]
    assert settings["rules"] == ["OVF101"]
    other = tmp_path / "other.toml"
    other.write_text('[tool.softmax-tool]\nformat = "json"\ndtype = ["double"]\nbudget = "1%"\n')
    settings = check(TABLE, "--config", "other.toml").report["settings"]
    assert (settings["dtypes"], settings["budget"]) == (["float64"], "1%")
    assert settings["max_ulp"] is None


def test_options_of_a_file_may_be_for_other_runs(check: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.softmax-tool]\nfactor = 3\nreduction = "sum"\nlabel-smoothing = 0.1\n'
        "ignore-index = 7\nlogits-dtype = 'half'\nlabel-column = 'y'\ninput-dtype = 'bfloat16'\n"
        "headroom = 3\nmax-ulp = 3\nbudget = 3\nsuggest = true\n"
        "formulation = 'naive'\narithmetic = ['strict', 'fused']\nheader = 'yes'\n"
    )
    labels, candidate = np.array([0, 1]), np.array([[0.5, 0.5]] * 2, np.float32)
    logits = np.zeros((2, 2), np.float32)
    probabilities = np.array([[0.5, 0.5], [1.0, 0.0]])
    assert check(logits).code == 0
    assert check(logits, "--select", "OVF", "--format", "csv").code == 0
    assert check(logits, labels=labels).code == 0
    assert check(logits, labels=probabilities).code == 0
    assert check(logits, "--op", "nll", labels=labels).code == 0
    assert check(logits, "--op", "softmax", candidate=candidate).code == 0
    done = check("a,b\n0,0\n1,1\n", "--labels", "labels.npy", "--format", "json")
    assert (done.code, done.report["settings"]["arithmetics"]) == (0, ["strict", "fused"])
    assert check("a,b,y\n0,0,1\n1,1,0\n", "--format", "json").report["input"]["labels"] is not None


@pytest.mark.parametrize(
    ("logits", "options", "told"),
    [
        (HALF, ["--header", "yes"], "--header is for text"),
        (HALF, ["--label-column", "1"], "--label-column is for text"),
        (HALF, ["--input-dtype", "bfloat16"], "leave out --input-dtype"),
        (TABLE, ["--labels", "y.npy", "--label-column", "1"], "give one of them"),
        (TABLE, ["--headroom", "5", "--select", "UND"], "--headroom: is about HDR101, not looked"),
        (TABLE, ["--headroom", "5", "--formulation", "naive", "--ignore", "HDR"], "--headroom: is"),
        (TABLE, ["--headroom", "5"], "--headroom: is about a --formulation that takes exp of"),
        (
            TABLE,
            ["--max-ulp", "3", "--select", "OVF"],
            "--max-ulp: is about UND101, UND102, ABS101",
        ),
        (TABLE, ["--max-abs", "3", "--select", "RNK"], "--max-abs: is about"),
        (TABLE, ["--max-rel", "3", "--select", "OVF,INP"], "--max-rel: is about"),
        (TABLE, ["--budget", "3", "--select", "OVF"], "--budget: is about UND101, ABS101, ACC101"),
        (TABLE, ["--suggest", "--format", "csv"], "--suggest: --format csv has no place for it"),
    ],
)
def test_options_that_are_typed_have_to_apply(
    logits: Any, options: list[str], told: str, check: Callable[..., Any]
) -> None:
    done = check(logits, *options)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_junit_has_no_place_for_suggestions(check: Callable[..., Any]) -> None:
    done = check(TABLE, "--suggest", "--format", "JUnit")
    assert done.code == 2
    assert "--suggest: --format junit has no place" in done.err


def test_options_of_candidates_have_to_apply(check: Callable[..., Any]) -> None:
    files = {"candidate": RIGHT, "baseline": RIGHT}
    for options, told in (
        (["--headroom", "50"], "--headroom: is about HDR101, not looked for here"),
        (["--factor", "3", "--select", "ACC"], "--factor: is about BSL101, not looked for here"),
        (["--max-ulp", "3", "--select", "RNK"], "--max-ulp: is about"),
    ):
        done = check(HALF, "--op", "softmax", *options, **files)
        assert (done.code, done.out) == (2, "")
        assert told in done.err
    assert check(HALF, "--op", "softmax", "--max-ulp", "3", "--select", "BSL", **files).code == 0


def test_what_acts_on_headroom_is_what_takes_raw_exponentials() -> None:
    raw = import_module("softmax_tool.check.computations")._RAW
    assert set(raw) == import_module("softmax_tool.cli.idle").NAIVE


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("dtype = 'bf17'", "unknown dtype 'bf17'"),
        ("dtype = ['half', 'bf17']", "unknown dtype 'bf17'"),
        ("ignore = 'ZZZ'", "--ignore ZZZ: names no rule"),
        ("select = 'ZZZ'", "--select ZZZ: names no rule"),
        ("top = -1", "Invalid value for '--top': -1"),
        ("threads = 0", "Invalid value for '--threads': 0"),
        ("op = 'gelu'", "unknown op 'gelu'"),
        ("formulation = 'magic'", "'magic'"),
        ("arithmetic = 'quantum'", "'quantum'"),
        ("header = 'perhaps'", "--header perhaps: no such choice"),
        ("format = 'xml'", "--format xml: no such choice"),
        ("color = 'pink'", "--color pink: no such choice"),
        ("budget = 'many'", "--budget many: is neither"),
        ("max-ulp = -1", "--max-ulp -1.0: is no limit"),
        ("headroom = nan", "--headroom nan: is not a number"),
        ("label-column = 'y'", "--label-column 'y' does not exist"),
    ],
)
def test_an_error_names_the_file_that_a_value_is_from(
    line: str, told: str, check: Callable[..., Any], tmp_path: Path
) -> None:
    text = f"[tool.softmax-tool]\nmax-abs = 1\n{line}\n"
    for name, named in (("pyproject.toml", []), ("other.toml", ["--config", "other.toml"])):
        (tmp_path / name).write_text(text)
        done = check("a,b\n1,2\n", *named)
        assert (done.code, done.out) == (2, "")
        assert told in done.err
        assert done.err.endswith(f" ({name} says {line})\n")


def test_an_error_of_what_was_typed_names_no_file(
    check: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.softmax-tool]\ndtype = 'half'\nignore='RNK'\n")
    for options in (["--dtype", "bf17"], ["--ignore", "ZZZ"], ["--top", "-1"]):
        done = check(TABLE, *options)
        assert done.code == 2
        assert "pyproject" not in done.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.softmax-tool]\nmax_ulp = 3\n", "has no option 'max_ulp'"),
        ("[tool.softmax-tool]\ncandidate = 'm:f'\n", "has no option 'candidate'"),
        ("[tool.softmax-tool.check]\ntop = 3\n", "has no option 'check'"),
        ("[tool.softmax-tool]\nmax-ulp = '3'\n", "max-ulp = '3': takes a number"),
        ("[tool.softmax-tool]\ntop = true\n", "top = True: takes a whole number"),
        ("[tool.softmax-tool]\nselect = [1]\n", "select = [1]: takes a string or a list"),
        ("[tool.softmax-tool]\nmax-ulp = nan\n", "--max-ulp nan: is not a number"),
        ("[tool.softmax-tool]\ntop = -1\n", "'--top': -1 is not in the range"),
        ("[tool]\nsoftmax-tool = 3\n", "is no table"),
        ("[tool.softmax-tool\n", "is not TOML"),
    ],
)
def test_configurations_that_are_wrong(
    text: str, told: str, check: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    done = check(TABLE)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("\n") == 1


def test_the_example_of_the_readme_is_one(check: Callable[..., Any], tmp_path: Path) -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```toml\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(block)
    settings = check("1,2\n", "--format", "json").report["settings"]
    assert (settings["dtypes"], settings["budget"]) == (["float16"], "0.01%")
    assert "HDR101" not in settings["rules"]


def test_a_pyproject_of_others_is_no_matter(check: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert check(TABLE).code == 0
    named = check(TABLE, "--config", "pyproject.toml")
    assert named.code == 2
    assert "has no [tool.softmax-tool]" in named.err
    assert "no such file" in check(TABLE, "--config", "nowhere.toml").err


def test_every_option_is_configurable_or_left_out_on_purpose() -> None:
    command = app.root_of(["check"]).commands["check"]
    options = {
        option.removeprefix("--")
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--dim"
    }
    left_out = {"baseline", "candidate", "config", "debug", "key", "labels", "list-rules", "output"}
    assert set(config.KEYS) == options - left_out - {"weights"}


def test_rules_that_are_not_for_a_candidate_are_named(check: Callable[..., Any]) -> None:
    candidate = np.array([[0.5, 0.5]], np.float32)
    options = ("--op", "softmax", "--select", "UND,BSL")
    done = check(np.zeros((1, 2), np.float32), *options, candidate=candidate)
    assert done.code == 2
    assert (
        "UND101, UND102, UND103 need a formulation that is computed, and no --candidate; BSL101, "
        "BSL102 need a --baseline"
    ) in done.err


@pytest.mark.parametrize("format_", ["concise", "github", "junit"])
def test_what_is_wrong_with_the_logits_is_in_their_file(
    format_: str, check: Callable[..., Any]
) -> None:
    logits = np.array([[np.nan, 1], [0, 0]], np.float32)
    candidate = np.array([[np.nan, np.nan], [0.5, 0.75]], np.float32)
    done = check(logits, "--op", "softmax", "--format", format_, candidate=candidate)
    assert "logits.npy: row 0, column 0: INP101 the logit is nan" in done.out
    of_results = "row 1, column 1: ACC101 float32 softmax is 0.75, exactly 0.5"
    assert (of_results if format_ == "junit" else f"candidate.npy: {of_results}") in done.out


# GitHub.


def test_annotations_are_capped_escaped_and_worst_first(check: Callable[..., Any]) -> None:
    table = "".join(f"{12 + place / 8},0\n" for place in range(40)) + "nan,1\n"
    done = check(table, "-d", "half", "--formulation", "naive", "--format", "github", "--top", "30")
    errors = [line for line in done.out.splitlines() if line.startswith("::error")]
    assert len(errors) == SHOWN == 10
    assert "INP101" in errors[0]  # each rule that failed shows, before the second of any
    assert "OVF101" in errors[1]
    assert "more findings; INP101 in 1 row, OVF101 in 40 rows" in errors[-1]
    for line in done.out.splitlines():
        properties = line.split("::")[1]
        assert line.startswith("::")
        assert "\r" not in line
        assert properties.count("=") == properties.count("title=")


FORMATS = ["table", "concise", "json", "csv", "markdown", "github", "junit"]


@pytest.mark.parametrize("format_", FORMATS)
def test_with_nothing_listed_a_failure_is_still_told(
    format_: str, check: Callable[..., Any]
) -> None:
    naive = ("-d", "half", "--formulation", "naive", "--op", "softmax", "--top", "0")
    done = check(TABLE, *naive, "--format", format_)
    assert done.code == 1
    assert "OVF101" in done.out or format_ == "csv"


def test_what_is_not_listed_is_told_of_the_file_that_it_is_in(check: Callable[..., Any]) -> None:
    given = ("--op", "softmax", "--dtype", "single", "--format", "concise", "--top", "0")
    done = check("1,2,nan\n1,2,3\n", *given, candidate="0.2,0.8,nan\n0.1,0.2,0.7\n")
    assert done.code == 1
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["logits.csv:", "INP101"],
        ["candidate.csv:", "ACC101"],
    ]


def test_names_cannot_break_out_of_an_annotation(
    check: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del check
    name = "a%0Ab\n::error::x,y:z.csv"
    (tmp_path / name).write_text("nan,1\n1,2\n")
    assert main.run(["check", name, "--format", "github"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "a%250Ab\\n::error::x,y:z.csv" in lines[0]


def test_the_summary_is_appended(
    check: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = check(TABLE, "--summary")
    assert (said.code, "GITHUB_STEP_SUMMARY is not set" in said.err) == (0, True)
    page = tmp_path / "summary.md"
    page.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    naive = ("-d", "half", "--formulation", "naive")
    assert check(TABLE, *naive).code == 1
    assert page.read_text() == "# before\n"
    assert check(TABLE, *naive, "--summary", "--format", "concise").code == 1
    text = page.read_text()
    assert text.startswith("# before\n## check: logits.csv\n")
    assert "OVF101" in text
    assert check(TABLE, "--summary").code == 0
    assert page.read_text().startswith(text)


def test_the_summary_stays_below_its_limit(
    check: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    table = "".join(f"{12 + place / 8},0\n" for place in range(20_000))
    options = ("-d", "half", "--op", "softmax", "--formulation", "naive", "--top", "20000")
    done = check(table, *options, "--summary", "--format", "concise")
    assert done.code == 1
    size = page.stat().st_size
    assert 300_000 < size <= summary.LARGEST
    assert done.out.count("\n") == 20_000
    page.write_bytes(b"x" * (summary.LARGEST - 10))
    done = check(TABLE, "--summary")
    assert "is full" in done.err
    assert page.stat().st_size == summary.LARGEST - 10


# JUnit and JSON.


def test_junit_is_valid(check: Callable[..., Any], tmp_path: Path) -> None:
    schema = junit_schema()
    for options in ([], ["--formulation", "naive"], ["--select", "all"]):
        done = check(TABLE, "-d", "half", *options, "--format", "junit")
        schema.validate(done.out)
    suite = ET.fromstring(done.out)[0]  # noqa: S314  (our own)
    # What the schema of Apache Ant asks for besides.
    assert {"package", "id", "timestamp", "hostname", "time"} <= set(suite.keys())
    assert [child.tag for child in suite if child.tag != "testcase"] == [
        "properties",
        "system-out",
        "system-err",
    ]
    name = "a\x01<&>]]>\x1b[31m\ufffe\u202e.csv"
    (tmp_path / name).write_text("nan,1\n1,2\n")
    assert main.run(["check", name, "--format", "junit", "-o", "report.xml"]) == 1
    schema.validate((tmp_path / "report.xml").read_text(encoding="utf-8"))


# No answer, in the place of a report.

UNANSWERED: list[tuple[list[str], str, str]] = [
    (["nowhere.csv"], "file=nowhere.csv,", "nowhere.csv: no such file"),
    (["a,b:c%.csv"], "file=a%2Cb%3Ac%25.csv,line=2,", "a,b:c%.csv:2: column 0"),
    (["good.csv", "--select", "XYZ"], "", "--select XYZ: names no rule"),
    (["good.csv", "--labels", "nowhere.csv"], "file=nowhere.csv,", "nowhere.csv: no such file"),
    (["good.csv", "--max-ulp", "wide"], "", "Invalid value for '--max-ulp'"),
    (["good.csv", "--nope"], "", "No such option: --nope"),
    (["good.csv", "--color", "pink"], "", "--color pink: no such choice"),
    (
        ["good.csv", "--config", "odd.toml"],
        "file=odd.toml,",
        "odd.toml: [tool.softmax-tool] has no option",
    ),
    ([], "", "no LOGITS"),
]


@pytest.fixture
def unanswered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files, one of them good, with an earlier report."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text("1,2\n3,4\n")
    (tmp_path / "a,b:c%.csv").write_text("1,2\nx,4\n")
    (tmp_path / "odd.toml").write_text("[tool.softmax-tool]\nodd = 1\n")
    assert main.run(["check", "good.csv", "--format", "junit", "-o", "report"]) == 0
    return tmp_path


@pytest.mark.usefixtures("unanswered")
@pytest.mark.parametrize(("arguments", "place", "told"), UNANSWERED)
def test_no_answer_is_an_annotation(
    capsys: pytest.CaptureFixture[str], arguments: list[str], place: str, told: str
) -> None:
    assert main.run(["check", *arguments, "--format", "GitHub"]) == 2
    done = capsys.readouterr()
    said = done.err.removeprefix("softmax-tool: error: ")
    assert told in said
    escaped = said.removesuffix("\n").replace("%", "%25")
    assert done.out == f"::error {place}title=softmax-tool check::{escaped}\n"


@pytest.mark.parametrize(("arguments", "place", "told"), UNANSWERED)
def test_no_answer_is_an_error_in_junit(
    capsys: pytest.CaptureFixture[str],
    unanswered: Path,
    arguments: list[str],
    place: str,
    told: str,
) -> None:
    del place
    assert main.run(["check", *arguments, "--format", "junit"]) == 2
    shown = capsys.readouterr().out
    assert main.run(["check", *arguments, "--format", "junit", "-o", "report"]) == 2
    written = (unanswered / "report").read_text(encoding="utf-8")
    assert written == shown
    junit_schema().validate(written)
    [suite] = ET.fromstring(written)  # noqa: S314  (our own)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "0", "1")
    [error] = suite.findall("testcase/error")
    assert told in str(error.text)
    assert error.get("message") == error.text


@pytest.mark.parametrize(("arguments", "place", "told"), UNANSWERED)
def test_no_answer_is_told_in_the_summary(
    unanswered: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    place: str,
    told: str,
) -> None:
    del place
    page = unanswered / "summary.md"
    page.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert main.run(["check", *arguments]) == 2
    assert page.read_text() == "# before\n"
    assert main.run(["check", *arguments, "--summary"]) == 2
    added = page.read_text().removeprefix("# before\n## check\n\n### No answer\n\n- ")
    assert told in added.replace("\\", "")
    assert added.count("\n") == 2


def test_no_answer_is_not_added_to_what_is_read_or_full(
    unanswered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, code = unanswered / "full.md", unanswered / "kernels.py"
    full.write_bytes(b"x" * (summary.LARGEST - 10))
    code.write_text("raise RuntimeError\n")
    (unanswered / "broken.toml").write_text("[tool.softmax-tool\n")
    for page in ("good.csv", "full.md", "kernels.py", "nowhere/summary.md", "."):
        before = {path.name: path.read_bytes() for path in unanswered.iterdir() if path.is_file()}
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", page)
        for inputs in (
            ["nowhere.csv", "--labels", "good.csv"],
            ["a,b:c%.csv", "good.csv"],
        ):
            assert main.run(["check", *inputs, "--summary"]) == 2
        after = {path.name: path.read_bytes() for path in unanswered.iterdir() if path.is_file()}
        assert after == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_summary_that_is_not_stored_is_named(
    check: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/dev/full")
    done = check(TABLE, "--summary")
    assert (done.code, done.out) == (2, "")
    assert "--summary: /dev/full: No space left on device; free some, or leave" in done.err


def test_no_answer_is_not_added_to_a_configuration_that_cannot_be_read(
    unanswered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = unanswered / "broken.toml"
    broken.write_text("[tool.softmax-tool\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(broken))
    for options in (["--config=broken.toml"], ["--bogus", "--config", "broken.toml"]):
        assert main.run(["check", "good.csv", "--summary", *options]) == 2
        assert broken.read_text() == "[tool.softmax-tool\n"


@pytest.mark.parametrize("format_", ["table", "concise", "json", "csv", "markdown"])
def test_no_answer_leaves_no_earlier_report(
    capsys: pytest.CaptureFixture[str], unanswered: Path, format_: str
) -> None:
    before = {path.name for path in unanswered.iterdir()}
    assert main.run(["check", "nowhere.csv", "--format", format_, "-o", "report"]) == 2
    assert capsys.readouterr().out == ""
    assert {path.name for path in unanswered.iterdir()} == before - {"report"}


@pytest.mark.parametrize("format_", ["json", "junit", "github"])
def test_no_answer_touches_no_input(unanswered: Path, format_: str) -> None:
    code = "raise RuntimeError\n"
    (unanswered / "kernels.py").write_text(code)
    before = {path.name: path.read_bytes() for path in unanswered.iterdir()}
    for arguments in (
        ["good.csv", "-o", "good.csv"],
        ["nowhere.csv", "--labels", "good.csv", "-o", "good.csv"],
        ["nowhere.csv", "--lables", "good.csv", "-o", "good.csv"],
        ["good.csv", "--candidate", "kernels:f", "--op", "softmax", "-o", "kernels.py"],
        ["good.csv", "--select", "XYZ", "-o", "nowhere/report"],
        ["good.csv", "--select", "XYZ", "-o", "."],
    ):
        assert main.run(["check", "--format", format_, *arguments]) == 2
        after = {path.name: path.read_bytes() for path in unanswered.iterdir() if path.is_file()}
        assert after == before


@pytest.mark.parametrize("format_", ["table", "junit"])
@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (["good.csv", "-o", "good.csv", "--top"], "good.csv"),
        (["good.csv", "-o", "good.csv", "--labels"], "good.csv"),
        (["good.csv", "-o", "good.csv", "--quiet=3"], "good.csv"),
        (["good.csv", "-ogood.csv", "--top"], "good.csv"),
        (["good.csv", "-qo", "good.csv", "--top"], "good.csv"),
        (["good.csv", "-qogood.csv", "--top"], "good.csv"),
        (["good.csv", "--output=good.csv", "--top"], "good.csv"),
        (["-o", "good.csv", "--top", "x", "good.csv", "--labels"], "good.csv"),
        (["--top", "-o", "good.csv", "-o", "good.csv", "--labels"], "good.csv"),
        (["-o", "good.csv", "--top", "x", "--", "good.csv"], "good.csv"),
        (["good.csv", "-o", "sub/../good.csv", "--top"], "good.csv"),
        (["good.csv", "-o", "linked.csv", "--top"], "good.csv"),
        (["linked.csv", "-o", "good.csv", "--top"], "good.csv"),
        (["hard.csv", "-o", "good.csv", "--top"], "good.csv"),
        (["x.csv", "--labels=y.csv", "-o", "y.csv", "--top"], "y.csv"),
        (["x.csv", "--labels", "y.csv", "-o", "y.csv", "--top"], "y.csv"),
        (["x.csv", "--label=y.csv", "-o", "y.csv", "--top"], "y.csv"),
        (["x.csv", "--weights", "y.csv", "-o", "y.csv", "--top"], "y.csv"),
        (["x.csv", "--candidate", "y.csv", "-o", "y.csv", "--top"], "y.csv"),
        (["x.csv", "--baseline", "y.csv", "-o", "y.csv", "--top"], "y.csv"),
        (["x.csv", "--labels", "y.csv:label", "-o", "y.csv", "--top"], "y.csv"),
        (["good.csv", "--config", "odd.toml", "-o", "odd.toml"], "odd.toml"),
        (["good.csv", "--config=odd.toml", "-o", "odd.toml"], "odd.toml"),
        (["good.csv", "--config", "broken.toml", "-o", "broken.toml"], "broken.toml"),
        (["good.csv", "--config", "broken.toml", "-o", "broken.toml", "--top"], "broken.toml"),
        (["good.csv", "-o", "pyproject.toml", "--top"], "pyproject.toml"),
    ],
)
def test_what_cannot_be_parsed_touches_no_input(
    unanswered: Path, arguments: list[str], read: str, format_: str
) -> None:
    (unanswered / "sub").mkdir()
    (unanswered / "linked.csv").symlink_to("good.csv")
    (unanswered / "hard.csv").hardlink_to(unanswered / "good.csv")
    (unanswered / "y.csv").write_text("0\n1\n")
    (unanswered / "broken.toml").write_text("[tool.softmax-tool\n")
    (unanswered / "pyproject.toml").write_text("[tool.other]\n")
    before = {path.name: path.read_bytes() for path in unanswered.iterdir() if path.is_file()}
    assert read in before
    assert main.run(["check", "--format", format_, *arguments]) == 2
    after = {path.name: path.read_bytes() for path in unanswered.iterdir() if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    "arguments", [["--top"], ["--quiet=3"], ["--nope", "good.csv"], ["--config", "odd.toml"]]
)
@pytest.mark.parametrize("output", [["-o", "report"], ["-oreport"], ["--output=report"]])
def test_what_cannot_be_parsed_leaves_no_earlier_report(
    unanswered: Path, arguments: list[str], output: list[str]
) -> None:
    assert main.run(["check", "good.csv", *output, *arguments]) == 2
    assert not (unanswered / "report").exists()


def test_a_redirected_input_is_no_report_either(
    unanswered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (unanswered / "good.csv").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert main.run(["check", "-", "-o", "good.csv", "--top"]) == 2
    assert (unanswered / "good.csv").read_text() == "1,2\n3,4\n"


@pytest.mark.parametrize("format_", ["table", "github"])
def test_a_pipe_that_breaks_is_no_pass(
    unanswered: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    format_: str,
) -> None:
    del unanswered

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("softmax_tool.check.gate.check", broken)
    capsys.readouterr()
    assert main.run(["check", "good.csv", "--format", format_]) == 2
    done = capsys.readouterr()
    assert done.err == "softmax-tool: error: a pipe broke before there was an answer; run again\n"
    assert done.out.startswith("::error " if format_ == "github" else "")


class Gone(io.StringIO):
    """A stream that nobody reads any more."""

    def write(self, _: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_who_reads_no_further_gets_rules_and_help_without_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--list-rules", "--help"):
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", Gone())
            assert main.run(["check", option]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_exit_code_needs_no_listener(check: Callable[..., Any], tmp_path: Path) -> None:
    """With nobody to hear the warnings, as with -q, where they are the only thing said."""
    del check
    (tmp_path / "b.csv").write_text("1e400,1\n3,2\n")
    for options in ([], ["--ignore", "INP102"]):
        arguments = ["check", "b.csv", "--dtype", "float16", "--format", "json", *options]
        command = [sys.executable, "-m", "softmax_tool.cli", *arguments]
        quiet = subprocess.run([*command, "-q"], cwd=tmp_path, capture_output=True, check=False)
        reading, writing = os.pipe()
        os.close(reading)
        unheard = subprocess.run(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=writing, check=False
        )
        os.close(writing)
        assert (unheard.returncode, unheard.stdout) == (quiet.returncode, quiet.stdout)
        assert quiet.returncode == (0 if options else 1)


def test_a_bug_is_no_pass_either(unanswered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("softmax_tool.check.gate.check", fail)
    assert main.run(["check", "good.csv", "--format", "junit", "-o", "report"]) == 3
    assert "a bug of softmax-tool" in (unanswered / "report").read_text(encoding="utf-8")


def test_only_check_tells_errors_in_reports(
    unanswered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["compare", "check", "-o", "report"]) == 2
    assert (unanswered / "report").exists()
    assert capsys.readouterr().out == ""


def test_json_fits_its_schema_with_and_without_a_baseline(check: Callable[..., Any]) -> None:
    validated(check(TABLE, "--select", "all", "--suggest", "--format", "json").report)
    for baseline in ({}, {"baseline": RIGHT}):
        done = check(HALF, "--op", "softmax", "--format", "json", candidate=RIGHT, **baseline)
        assert done.code == 0
        report = validated(done.report)
        assert report["candidate"]["name"] == "candidate.npy"
        assert (report["baseline"] is None) == (not baseline)


def test_threads_and_shards_change_nothing(
    check: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = (np.random.default_rng(2).normal(size=(700, 1000)) * 9).astype(np.float32)
    options = ("-d", "half", "--formulation", "naive", "--format", "json")
    alone = check(x, *options, "--threads", "1")
    assert alone.code == 1
    assert check(x, *options, "--threads", "3").out == alone.out
    np.save(tmp_path / "a.npy", x[:123])
    np.save(tmp_path / "b.npy", x[123:])
    assert main.run(["check", "a.npy", "b.npy", *options]) == 1
    shards = json.loads(capsys.readouterr().out)
    whole = json.loads(alone.out)
    assert shards.pop("input")["shape"] == whole.pop("input")["shape"]
    assert shards == whole


def test_several_processes_find_what_one_does(
    check: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softmax_tool.check.gate._MANY_ELEMENTS", 0)
    x = np.random.default_rng(3).normal(size=(900, 1000)).astype(np.float32)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    wrong = p.copy()
    wrong[800, 3] *= np.float32(1.1)
    wrong[7, 9] = np.nan
    options = ("--op", "softmax", "--format", "json", "--threads")
    one = check(x, *options, 1, candidate=wrong, baseline=p)
    assert (one.code, {"ACC101", "NAN101"} <= set(one.failed)) == (1, True)
    assert check(x, *options, 2, candidate=wrong, baseline=p).out == one.out
    table = "1,2,1e999\n" + "1,2,3\n" * 200_000
    one, two = (check(table, *options, count, "--select", "INP") for count in (1, 2))
    assert (one.code, two.code, one.failed) == (1, 1, ["INP102"])
    assert "1e999 is beyond float64" in one.err
    assert (two.out, two.err) == (one.out, one.err)


def test_a_summary_is_added_to_no_input(
    check: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "logits.csv"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", f"{tmp_path}/../{tmp_path.name}/logits.csv")
    done = check(TABLE, "--summary")
    assert (done.code, done.out, page.read_text()) == (2, "", TABLE)
    assert "the same file as the input logits.csv" in done.err
    kernel = tmp_path / "summed_kernel.py"
    kernel.write_text("def f(x):\n    return x\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(kernel))
    options = ("--candidate", "summed_kernel:f", "--op", "softmax", "--dtype", "single")
    done = check(TABLE, *options, "--summary")
    assert (done.code, "return x\n" in kernel.read_text()[-10:]) == (2, True)


def test_a_mean_whose_divisor_overflows_does_not_pass(check: Callable[..., Any]) -> None:
    table = "a,b,y\n" + "0,-3,0\n" * 5
    weights = "20000,1\n"
    options = ("--label-column", "y", "--dtype", "half", "--op", "ce", "--format", "concise")
    done = check(table, *options, "--arithmetic", "strict", weights=weights)
    assert done.code == 1
    overflows = "the sum that the mean of float16 shifted ce divides by overflows: 100000 is beyond"
    assert f"LSS102 {overflows} 65504; the mean is 0, exactly 0.0485874" in done.out
    assert check(table, *options, weights=weights).code == 0


def test_a_stalled_count_of_rows_is_not_taken_for_their_losses(check: Callable[..., Any]) -> None:
    table = "a,b,y\n" + "0,1,0\n" * 3 + "0,-20,0\n" * 4000
    options = ("--label-column", "y", "--dtype", "half", "--op", "ce", "--arithmetic", "strict")
    done = check(table, *options, "--select", "LSS", "--format", "concise")
    assert done.code == 1
    assert "the sum that the mean of float16 shifted ce divides by is off by 1955, in" in done.out
    assert check(table, *options, "--select", "LSS", "--reduction", "sum").code == 0


@pytest.mark.parametrize(
    "broken",
    [["--suggest=3"], ["--quiet=1"], ["--format", "xml"], ["--format", ""], ["--nope"]],
    ids=" ".join,
)
@pytest.mark.parametrize("first", [True, False])
def test_no_earlier_report_outlives_a_line_that_cannot_be_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: list[str], first: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("1,2\n")
    (tmp_path / "report").write_text("passed")
    output = ["-o", "report"]
    assert main.run(["check", "x.csv", *(broken + output if first else output + broken)]) == 2
    assert not (tmp_path / "report").exists()
    assert (tmp_path / "x.csv").exists()


def test_no_earlier_report_outlives_a_closed_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("1,2\n")
    (tmp_path / "report").write_text("passed")
    monkeypatch.setattr(sys, "stdout", None)
    assert main.run(["check", "x.csv", "--format", "json", "-o", "report"]) == 2
    assert not (tmp_path / "report").exists()
