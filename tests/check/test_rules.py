"""Every rule: its example triggers it and no other; codes, names and selections are as promised."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from softmax_tool.check.rules import BY_CODE, RULES, selected
from softmax_tool.errors import UsageError
from tests.check.test_rules_page import PAGE, shown_outputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

main = import_module("softmax_tool.cli.main")


def shell(command: str, place: Path) -> Path:
    """Let the shell do what is its part in an example; give the folder of what the tool would get.

    That the tool shows what the page of the rules says is tested with the pages:
    `tests/test_docs.py`.
    """
    given = place / "given"
    given.mkdir()
    stand_in = given / "softmax-tool"
    stand_in.write_text(
        f"#!/bin/sh\ncat > '{given}/stdin'\nprintf '%s\\0' \"$@\" > '{given}/arguments'\n"
    )
    stand_in.chmod(0o755)
    environment = os.environ | {"PATH": f"{given}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(  # noqa: S602  (a page's command lines are a shell's)
        command, shell=True, cwd=place, env=environment, stdin=subprocess.DEVNULL, check=True
    )
    return given


@pytest.mark.parametrize("code", [r.code for r in RULES])
def test_the_example_triggers_the_rule_and_no_other(
    code: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    example = BY_CODE[code].example
    is_error = BY_CODE[code].is_error
    assert is_error != example.endswith(" --format concise")
    given = shell(example.replace("--format concise", "--format json"), tmp_path)
    arguments = (given / "arguments").read_text(encoding="utf-8").split("\0")[:-1]
    monkeypatch.chdir(tmp_path)
    with (given / "stdin").open(encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        exit_code = main.run(arguments)
    out, err = capsys.readouterr()
    if is_error:
        assert (exit_code, out) == (2, "")
        assert f"({code})" in err
        return
    assert exit_code == 1, err
    report = json.loads(out)
    assert [rule["code"] for rule in report["rules"] if rule["failed"]] == [code]
    assert {finding["code"] for finding in report["findings"]} == {code}
    *lines, last = shown_outputs(PAGE.read_text(encoding="utf-8"))[
        f'{example}; echo "exit code $?"'
    ].splitlines()
    assert lines
    assert all(f" {code} " in line for line in lines)
    assert last == "exit code 1"


def test_codes_and_names_are_unique_and_apart() -> None:
    assert len({rule.code for rule in RULES} | {rule.name for rule in RULES}) == 2 * len(RULES)
    for rule in RULES:
        assert rule.code[:3].isalpha()
        assert rule.code[:3].isupper()
        assert rule.code[3:].isdigit()
        assert rule.name == rule.name.lower()


def codes(select: str = "", ignore: str = "") -> set[str]:
    rules = selected(select.split(",") if select else (), ignore.split(",") if ignore else ())
    return {rule.code for rule in rules}


def test_selection_by_code_prefix_and_name() -> None:
    assert codes("OVF101") == {"OVF101"}
    assert codes("ovf1") == {"OVF101", "OVF102", "OVF103", "OVF104"}
    assert codes("exp-overflow,UND") == {"OVF101", "UND101", "UND102", "UND103"}
    assert codes("all") == {rule.code for rule in RULES if not rule.is_error}
    assert codes(ignore="INP") == {c for c in codes() if not c.startswith("INP")}
    assert "UND102" not in codes()
    assert codes("OVF", "OVF101") == {"OVF102", "OVF103", "OVF104"}


@pytest.mark.parametrize(
    ("select", "ignore", "told"),
    [
        ("OVF9", "", "--select OVF9: names no rule"),
        ("", "overflows", "--ignore overflows: names no rule"),
        ("OVF,", "", "--select : names no rule"),
        ("OVF", "OVF", "no rule is selected"),
        ("", "all", "no rule is selected"),
        ("LAB101", "", "no rule is selected"),
        ("", "LAB101", "--ignore LAB101: is an input error, which cannot be ignored"),
        ("", "label-out-of-range", "--ignore LAB101: is an input error, which cannot be ignored"),
        ("", "Label-Out-Of-Range", "--ignore LAB101: is an input error, which cannot be ignored"),
    ],
)
def test_selections_that_make_no_sense(select: str, ignore: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        codes(select, ignore)


def test_a_gradient_that_divides_0_by_0_is_not_said_to_have_no_exponential(
    check: Callable[..., Any],
) -> None:
    """exp(0) is 1; what is 0 is exp(-30), by which the way back divides."""
    options = ("--op", "gradient", "--formulation", "log-of-shifted", "-d", "half")
    done = check(
        "a,b,c,y\n30,0,0,0\n",
        *options,
        "--label-column",
        "y",
        "--reduction",
        "sum",
        "--format",
        "json",
    )
    [found] = [x for x in done.report["findings"] if x["code"] == "DEN101"]
    assert "every exponential is 0" not in found["message"]
    assert "exp(-30) in column 1 is 0" in found["message"]


def test_of_what_is_infinitely_far_off_the_verdict_names_the_first(
    check: Callable[..., Any],
) -> None:
    options = ("--op", "softmax", "--formulation", "naive", "-d", "half")
    done = check("12,0\n40,0\n11.5,0\n", *options, "--format", "json")
    assert any("OVF101" in x and "; first in row 0" in x for x in done.report["verdict"])
