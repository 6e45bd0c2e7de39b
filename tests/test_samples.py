"""The worked examples give the figures of the tutorials, the real logits those they are known for.

Figures with their digits as printed in tutorials on softmax and cross-entropy in PyTorch; a figure
is right if it rounds to the digits printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"

main = import_module("softmax_tool.cli.main")


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command on a sample and give its JSON report."""

    def run(command: str, *arguments: str) -> dict[str, Any]:
        files = [
            str(SAMPLES / argument) if (SAMPLES / argument).is_file() else argument
            for argument in arguments
        ]
        assert main.run([command, *files, "--format", "json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


def one(cases: Sequence[dict[str, Any]], **wanted: str | None) -> dict[str, Any]:
    """Give the only case with these properties."""
    [found] = [c for c in cases if all(c[key] == value for key, value in wanted.items())]
    return found


def prints_as(values: ArrayLike, digits: int, *expected: Sequence[float]) -> None:
    assert np.abs(np.asarray(values, float) - np.asarray(expected)).max() <= 0.501 * 10**-digits


@pytest.mark.parametrize("formulation", ["naive", "shifted"])
def test_textbook(report: Any, formulation: str) -> None:
    found = report("compute", "textbook.csv", "--op", "softmax")
    values = one(found["results"], formulation=formulation)["values"]
    prints_as(values, 6, [0.659001, 0.242433, 0.098566])


def test_far_apart(report: Any) -> None:
    found = report("compute", "far_apart.csv", "--op", "softmax", "--op", "log-softmax")
    softmax = one(found["results"], quantity="softmax", formulation="shifted")
    prints_as(softmax["values"][0], 4, [0, 0.0048, 0.0131, 0.2641, 0.7179])
    assert softmax["values"][0][0] == softmax["values"][1][0] == 0
    log_softmax = one(found["results"], quantity="log-softmax", formulation="shifted")["values"][0]
    prints_as(log_softmax[:1], 1, [-1005.3])
    prints_as(log_softmax[1:4], 4, [-5.3314, -4.3314, -1.3314])
    prints_as(log_softmax[4:], 5, [-0.33141])


def test_far_apart_log_of_softmax_is_lost(report: Any) -> None:
    found = report("compute", "far_apart.csv", "--op", "log-of-softmax")
    for result in found["results"]:
        assert [row[0] for row in result["values"]] == ["-inf", "-inf"]
        assert result["kinds"]["log-of-zero"]["elements"] == 2


def test_tutorial(report: Any) -> None:
    found = report("compute", "tutorial.csv", "--label-column", "label")
    expected = [[0.4153, 0.4934, 0.0913], [0.0358, 0.0490, 0.9152], [0.7847, 0.1789, 0.0364]]
    softmax = one(found["results"], quantity="softmax", formulation="shifted")
    prints_as(softmax["values"], 4, *expected)
    expected = [[-0.8786, -0.7064, -2.3940], [-3.3294, -3.0155, -0.0886]]
    expected += [[-0.2424, -1.7211, -3.3123]]
    for result in found["results"]:
        if result["quantity"] == "log-softmax":
            prints_as(result["values"], 4, *expected)
    assert len(found["losses"]) == 4
    for loss in found["losses"]:
        prints_as([loss["value"]], 4, [0.3458])
    nll_against_ce = [p for p in found["pairs"] if p["a"]["quantity"] != p["b"]["quantity"]]
    assert [pair["identical"] for pair in nll_against_ce] == [True]


def test_bit_equality(report: Any) -> None:
    found = report("compare", "bit_equality.npy", "--dtype", "single", "--op", "log-softmax")
    pair = one(
        found["pairs"],
        a={"quantity": "log-softmax", "formulation": "log-of-shifted"},  # type: ignore[arg-type]
        b={"quantity": "log-softmax", "formulation": "shifted"},  # type: ignore[arg-type]
    )
    assert not pair["identical"]
    assert (pair["differing"], pair["elements"]) == (5, 10)
    assert pair["identical_in"]["float16"]


def test_bit_equality_rows_sum_to_one(report: Any) -> None:
    found = report("compute", "bit_equality.npy", "--op", "softmax")
    for result in found["results"]:
        np.testing.assert_allclose(np.sum(result["values"], axis=1), 1, rtol=2**-23)


def test_two_rows(report: Any) -> None:
    options = ("two_rows.csv", "--label-column", "label", "--reduction")
    for loss in report("compute", *options, "none")["losses"]:
        prints_as(loss["per_row"], 4, [0.9203, 1.1605])
    for loss in report("compute", *options, "mean")["losses"]:
        prints_as([loss["value"]], 4, [1.0404])


def test_float32_samples_hold_float32_numbers() -> None:
    assert np.load(SAMPLES / "bit_equality.npy").dtype == np.float32
    logits = np.loadtxt(SAMPLES / "two_rows.csv", delimiter=",", skiprows=2)[:, :2]
    np.testing.assert_array_equal(logits, logits.astype(np.float32))


@pytest.mark.parametrize(("sample", "rows"), [("digits", (324, 360)), ("contrastive", (118, 118))])
def test_real_logits_overflow_in_float16(report: Any, sample: str, rows: tuple[int, int]) -> None:
    found = report("compare", f"{sample}_logits.npy", "--dtype", "half", "--op", "softmax")
    naive = one(found["cases"], formulation="naive")
    assert (naive["kinds"]["overflow"]["rows"], naive["rows"]) == rows
    assert "overflow" not in one(found["cases"], formulation="shifted")["kinds"]


@pytest.mark.parametrize("sample", ["digits", "contrastive"])
def test_real_logits_survive_wide(report: Any, sample: str) -> None:
    """Neither fits float16 as the definition reads, unless a kernel computes it in float32."""
    files = (f"{sample}_logits.npy", "--labels", f"{sample}_labels.npy")
    fused = report("compare", *files, "--dtype", "half", "--arithmetic", "fused")
    single = report("compare", *files, "--dtype", "single")
    for case in (*fused["cases"], *single["cases"]):
        assert "overflow" not in case["kinds"]


def test_traps_break_what_they_are_set_for(report: Any) -> None:
    found = report("compare", "traps.csv", "--label-column", "label")
    hit = {(c["quantity"], c["formulation"]) for c in found["cases"] if c["rows_hit"]}
    broken = {name for _, name in hit}
    assert {"naive", "via-lse", "log-of-naive", "log-of-shifted", "minus-lse"} <= broken
    assert {"naive-lse", "clamped"} <= broken
    assert ("softmax", "shifted") not in hit
    assert ("log-softmax", "shifted") in hit
    assert ("ce", "log1p") not in hit
    assert "exact" not in broken


def test_a_script_without_a_file_gets_the_demonstration() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "softmax_tool.cli", "compare", "--dtype", "half"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert "demonstration" in done.stdout.decode()
    assert "demonstration" in done.stderr.decode()
