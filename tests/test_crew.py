"""Several processes on one job: the same results in the same order, whatever happens to one."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from softmax_tool import crew
from softmax_tool.errors import InputError, SoftmaxToolError
from softmax_tool.process import Process


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return functions that other processes can import as well."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("crew_jobs")


@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("processors", [1, 2, 3])
def test_results_come_in_order(processors: int, many: bool, jobs: Any) -> None:
    results = list(crew.in_order(jobs.square, range(120), processors, many=many))
    assert [value for value, _ in results] == [n * n for n in range(120)]
    assert len({process for _, process in results}) == processors


def test_few_items_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    assert list(crew.in_order(abs, [-1, -2, -3], 2, many=False)) == [1, 2, 3]


def test_no_items_no_results(jobs: Any) -> None:
    assert not list(crew.in_order(jobs.square, [], 2, many=True))


def test_without_other_processes_this_one_does_all(
    monkeypatch: pytest.MonkeyPatch, jobs: Any
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", fail)
    results = list(crew.in_order(jobs.square, range(20), 2, many=True))
    assert results == [(n * n, os.getpid()) for n in range(20)]


def test_an_error_is_raised_where_its_result_would_be(jobs: Any) -> None:
    results = crew.in_order(jobs.refuse, range(60), 2, many=True)
    assert [next(results) for _ in range(30)] == list(range(30))
    with pytest.raises(InputError, match="row 30: no"):
        next(results)


def test_a_process_that_ends_is_told(jobs: Any) -> None:
    with pytest.raises(SoftmaxToolError, match=r"a worker process ended .*; free some"):
        list(crew.in_order(jobs.EndElsewhere(os.getpid()), range(200), 2, many=True))


def test_no_process_outlives_the_results(jobs: Any) -> None:
    results = crew.in_order(jobs.square, range(1000), 2, many=True)
    others = {process for _, process in (next(results) for _ in range(100))} - {os.getpid()}
    assert others
    results.close()
    for process in others:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_processes_that_were_started_early_work_and_end(jobs: Any) -> None:
    early = [Process[int, tuple[int, int]](("colorsys",)) for _ in range(2)]
    results = list(crew.in_order(jobs.square, range(120), 3, many=False, early=early))
    assert [value for value, _ in results] == [n * n for n in range(120)]
    others = {process for _, process in results} - {os.getpid()}
    assert len(others) == 2
    for process in others:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_one_that_ended_early_is_not_missed(jobs: Any) -> None:
    early = [Process[int, tuple[int, int]]()]
    early[0].end()
    results = list(crew.in_order(jobs.square, range(40), 2, many=True, early=early))
    assert results == [(n * n, os.getpid()) for n in range(40)]


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, softmax_tool as st\n"
        "print('once')\n"
        "st.compare(np.zeros((400, 6000), np.float32), dtypes=['float32'], threads=2)\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout == "once\n"
    assert not run.stderr


def test_a_module_in_the_current_folder_is_not_taken_for_another(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    command = [sys.executable, "-P", "-m", "softmax_tool.cli", "limits", "--format", "json"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    script = (
        "import numpy as np, softmax_tool as st\n"
        "st.compare(np.zeros((400, 6000), np.float32), dtypes=['float32'], threads=2)\n"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
