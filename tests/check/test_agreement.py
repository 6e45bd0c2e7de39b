"""Verdict, JSON and exit code say the same, in every format, whatever is found."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = np.random.default_rng(8)
ORDINARY = (RNG.normal(size=(40, 12)) * 6).astype(np.float16)
E = np.exp(ORDINARY.astype(np.float64) - ORDINARY.max(axis=1, keepdims=True))
SOFTMAX = (E / E.sum(axis=1, keepdims=True)).astype(np.float16)
LABELS = RNG.integers(0, 12, 40)
BROKEN = SOFTMAX.copy()
BROKEN[3, 4] = np.nan
BROKEN[7] *= np.float16(1.5)

# What is checked, with which options, and whether that passes.
CASES: dict[str, tuple[dict[str, Any], list[str], bool]] = {
    "ordinary half logits, shifted": ({"logits": ORDINARY}, [], True),
    "with labels": ({"logits": ORDINARY, "labels": LABELS}, [], True),
    "naive": ({"logits": ORDINARY}, ["--formulation", "naive"], False),
    "naive, in float32": ({"logits": ORDINARY}, ["--formulation", "naive", "-d", "single"], True),
    "naive, overflow ignored": (
        {"logits": ORDINARY},
        ["--formulation", "naive", "--op", "softmax", "--ignore", "OVF,HDR"],
        False,  # what overflowed is nan
    ),
    "naive, what is not finite ignored": (
        {"logits": ORDINARY},
        ["--formulation", "naive", "--op", "softmax", "--ignore", "OVF,HDR,NAN,ACC"],
        True,
    ),
    "every rule": ({"logits": ORDINARY}, ["--select", "all"], False),
    "a nan": ({"logits": "1,nan\n2,3\n"}, [], False),
    "a nan, ignored": ({"logits": "1,nan\n2,3\n"}, ["--ignore", "INP101"], True),
    "probabilities": ({"logits": SOFTMAX}, [], False),
    "a right candidate": ({"logits": ORDINARY, "candidate": SOFTMAX}, ["--op", "softmax"], True),
    "a wrong one": ({"logits": ORDINARY, "candidate": BROKEN}, ["--op", "softmax"], False),
    "a wrong one, within budget": (
        {"logits": ORDINARY, "candidate": np.nan_to_num(BROKEN)},
        ["--op", "softmax", "--select", "ACC", "--budget", "12"],
        True,
    ),
    "no budget covers nan": (
        {"logits": ORDINARY, "candidate": BROKEN},
        ["--op", "softmax", "--select", "ACC", "--budget", "12"],
        False,
    ),
    "too narrow a tolerance": ({"logits": ORDINARY}, ["--max-ulp", "0.6"], False),
    "too wide a tolerance": (
        {"logits": ORDINARY, "candidate": np.nan_to_num(BROKEN)},
        ["--op", "softmax", "--select", "ACC", "--max-abs", "1"],
        True,
    ),
    "nan is beyond every tolerance": (
        {"logits": ORDINARY, "candidate": BROKEN},
        ["--op", "softmax", "--select", "ACC", "--max-abs", "1"],
        False,
    ),
}


def run(check: Callable[..., Any], name: str, format_: str) -> Any:
    files, options, _ = CASES[name]
    others = {key: value for key, value in files.items() if key != "logits"}
    return check(files["logits"], *options, "--format", format_, **others)


@pytest.mark.parametrize("name", CASES)
def test_every_format_and_the_exit_code_agree(name: str, check: Callable[..., Any]) -> None:
    passes = CASES[name][2]
    done = run(check, name, "json")
    report = done.report
    assert done.code == (0 if passes else 1), done.failed
    assert report["exit_code"] == done.code
    assert report["passed"] == passes
    assert report["passed"] == (not done.failed)
    assert report["verdict"][0].startswith("Passed" if passes else "Failed")
    listed = {finding["code"] for finding in report["findings"]}
    assert set(done.failed) <= listed
    for rule in report["rules"]:
        assert bool(rule["elements"]) == (rule["code"] in listed)
    places = [f for f in report["findings"] if f["code"] in done.failed]

    concise = run(check, name, "concise")
    assert concise.code == done.code
    assert bool(concise.out) == (not passes)
    assert concise.out.count("\n") >= len(places)

    github = run(check, name, "github")
    assert github.code == done.code
    assert ("::error" in github.out) == (not passes)
    assert github.out.count("::error") == min(len(places), 10)

    junit = run(check, name, "junit")
    assert junit.code == done.code
    suite = ET.fromstring(junit.out.encode())[0]  # noqa: S314  (our own)
    failures = {case.get("name", "")[:6] for case in suite.iter("testcase") if len(case)}
    assert failures == set(done.failed)
    assert int(suite.get("failures", "-1")) == len(failures)
    assert int(suite.get("tests", "-1")) == len(report["rules"])

    table = run(check, name, "table")
    markdown = run(check, name, "markdown")
    for text in (table, markdown):
        assert text.code == done.code
        assert report["verdict"][0].split(":")[0] in text.out

    flat = run(check, name, "csv")
    lines = list(csv.DictReader(io.StringIO(flat.out)))
    assert flat.code == done.code
    assert {line["code"] for line in lines} == listed
