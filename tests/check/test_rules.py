"""Every rule: its example triggers it and no other; codes, names and selections are as promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from softmax_tool.check.rules import BY_CODE, RULES, selected
from softmax_tool.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def shell(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run an example as a reader would."""
    scripts = str(Path(sys.executable).parent)
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(  # noqa: S602  (a page's command lines are a shell's)
        command,
        shell=True,
        cwd=place,
        env=os.environ | {"PATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize("code", [r.code for r in RULES])
def test_the_example_triggers_the_rule_and_no_other(code: str, tmp_path: Path) -> None:
    example = BY_CODE[code].example
    if BY_CODE[code].is_error:
        done = shell(example, tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"({code})" in done.stderr
        return
    done = shell(example.replace("--format concise", "--format json"), tmp_path)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [rule["code"] for rule in report["rules"] if rule["failed"]] == [code]
    assert {finding["code"] for finding in report["findings"]} == {code}
    lines = shell(example, tmp_path).stdout.splitlines()
    assert lines
    assert all(f" {code} " in line for line in lines)


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
