"""The samples for CI: the workflow is one and its commands pass, the gate decides on exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
SCRIPTS = str(Path(sys.executable).parent)
ENVIRONMENT = os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}


def workflow() -> dict[Any, Any]:
    """Read the workflow; YAML 1.1 takes the key `on` for true."""
    text = (SAMPLES / "ci" / "workflow.yml").read_text(encoding="utf-8")
    found: dict[Any, Any] = yaml.safe_load(text)
    return found


def test_the_workflow_has_what_github_asks_for() -> None:
    found = workflow()
    assert set(found[True]) == {"push", "pull_request"}
    assert found["permissions"] == {"contents": "read"}
    for job in found["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "@" in step.get("uses", "@")


def test_the_commands_of_the_workflow_pass(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "samples")
    page = tmp_path / "summary.md"
    [job] = workflow()["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "softmax-tool check" in step.get("run", "")]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=tmp_path,
            env=ENVIRONMENT | {"GITHUB_STEP_SUMMARY": str(page)},
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in page.read_text(encoding="utf-8")
    kept = next(step["with"]["path"] for step in job["steps"] if "upload" in step.get("uses", ""))
    assert "<testsuites>" in (tmp_path / kept).read_text(encoding="utf-8")


def gate(*arguments: str, table: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SAMPLES / "ci" / "gate.sh"), *arguments],
        cwd=SAMPLES,
        env=ENVIRONMENT,
        input=table,
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("digits_logits.npy --dtype half", 0, "passed"),
        ("digits_logits.npy --labels digits_labels.npy --dtype half", 0, "passed"),
        ("tutorial.csv --label-column label", 0, "passed"),
        ("digits_logits.npy --dtype half --formulation naive", 1, "found something"),
        ("traps.csv --label-column label --dtype half --formulation naive", 1, "found something"),
        ("nowhere.npy", 2, "could not be checked"),
        ("digits_logits.npy --dtype quarter", 2, "could not be checked"),
        ("digits_logits.npy --ignore all", 2, "could not be checked"),
        ("", 2, "could not be checked"),
    ],
)
def test_the_gate(arguments: str, code: int, told: str) -> None:
    done = gate(*arguments.split())
    assert done.returncode == code, done.stderr
    assert told in done.stderr.splitlines()[-1]
    assert bool(done.stdout) == (code == 1)


@pytest.mark.parametrize(
    ("table", "options", "code", "told"),
    [
        ("70000,1,2\n80000,90000,1\n", "--op log-softmax", 1, "INP104"),
        ("nan,nan\n1,2\n", "--op softmax", 1, "INP101"),
        ("nan,nan\n", "--op softmax", 1, "INP101"),
        ("1,2,-100\n", "--label-column 2 --op ce", 2, ""),
        ("1,-inf,1\n", "--label-column 2 --op ce", 1, "LAB103"),
        ("1,-inf,1\n1,2,0\n", "--label-column 2 --op ce --reduction none", 1, "LAB103"),
        ("1,2,0\n3,4,-100\n", "--label-column 2 --op ce --reduction none", 0, ""),
        ("1,-inf,2\n", "--op softmax", 0, ""),
        ("1,-300\n", "--op softmax", 0, ""),
    ],
)
def test_the_gate_passes_only_what_is_finite(
    table: str, options: str, code: int, told: str
) -> None:
    done = gate("-", "--dtype", "half", "--header", "no", *options.split(), table=table)
    assert done.returncode == code, done.stderr
    assert told in done.stdout


def test_the_kernels_are_what_they_say(tmp_path: Path) -> None:
    command = "python3 -c \"import numpy; numpy.save('x.npy', numpy.zeros((3, 5000), 'half'))\""
    shutil.copy(SAMPLES / "ci" / "kernels.py", tmp_path)
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env=ENVIRONMENT, check=True)
    for kernel, code in (("fused", 0), ("half_sum", 1)):
        done = subprocess.run(
            [
                "softmax-tool",
                "check",
                "x.npy",
                "--candidate",
                f"kernels:{kernel}",
                "--op",
                "softmax",
            ],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            check=False,
        )
        assert done.returncode == code
