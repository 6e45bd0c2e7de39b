"""Several processes on one job: the same results in the same order, whatever happens to one."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from softmax_tool import crew
from softmax_tool.errors import InputError, SoftmaxToolError
from softmax_tool.process import Process, WorkerEndedError


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
    # Where the machine is busy, all jobs may be done before another process is there.
    assert len({process for _, process in results}) <= processors


@pytest.mark.parametrize("processors", [2, 3])
def test_every_process_is_given_work(processors: int, jobs: Any, tmp_path: Path) -> None:
    """However late one of them comes: the others wait for it."""
    job = jobs.MeetIn(tmp_path, processors)
    assert len(set(crew.in_order(job, range(12), processors, many=True))) == processors


def test_each_process_works_in_one_thread(jobs: Any) -> None:
    """What a thread frees is kept for it: a second one would take as much memory once more."""
    places = set(crew.in_order(jobs.place, range(120), 3, many=True))
    assert 1 <= len({process for process, _ in places}) == len(places) <= 3


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


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_a_process_with_one_thread_is_copied(tmp_path: Path) -> None:
    """A copy does nothing that the first one has still to do, and none is left."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, subprocess, sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import crew_jobs\n"
        "from softmax_tool import crew, process\n"
        "subprocess.Popen = None\n"
        "assert process.can_copy()\n"
        "sys.stdout.write('once\\n')  # is in the buffer when copies are made\n"
        "try:\n"
        "    found = list(crew.in_order(crew_jobs.square, range(60), 3, many=True))\n"
        "finally:\n"
        "    print('finally')\n"
        "assert [value for value, _ in found] == [n * n for n in range(60)]\n"
        "others = {number for _, number in found} - {os.getpid()}\n"
        "assert len(others) == 2\n"
        "for number in others:\n"
        "    try: os.kill(number, 0)\n"
        "    except ProcessLookupError: continue\n"
        "    raise SystemExit('one is left')\n"
        "def wait():  # a thread that has been joined may take a moment to go\n"
        "    while not process.can_copy(): time.sleep(0.01)\n"
        "wait()\n"
        "refused = crew.in_order(crew_jobs.refuse, range(60), 2, many=True)\n"
        "try: list(refused)\n"
        "except Exception as error: print(error)\n"
        "wait()\n"
        "ended = crew.in_order(crew_jobs.EndElsewhere(os.getpid()), range(60), 2, many=True)\n"
        "try: list(ended)\n"
        "except Exception as error: print(str(error).partition(',')[0])\n"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    assert run.stderr == ""
    ended = f"a worker process ended (exit status {-signal.SIGTERM})"
    assert run.stdout == f"once\nfinally\nrow 30: no\n{ended}\n"
    assert run.returncode == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="copies are for such systems")
def test_how_a_copy_ended_may_be_forgotten() -> None:
    """As it is by the system where whoever started this program ignores the end of children."""
    script = (
        "import signal\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "from softmax_tool import crew, process\n"
        "assert process.can_copy()\n"
        "print(list(crew.in_order(abs, range(-9, 0), 2, many=True)))\n"
        "ending = process.Process(exit, copy=True)\n"
        "try: ending(1)\n"
        "except process.WorkerEndedError as error: print(str(error).partition(',')[0])\n"
        "ending.end()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        timeout=60,
    )
    assert run.stderr == ""
    assert run.stdout == f"{list(range(9, 0, -1))}\na worker process ended (exit status 0)\n"


def test_threads_may_ask_a_process_at_once() -> None:
    """Each gets its own answer, and none waits for ever where both ways are full."""
    process: Process[bytes, bytes] = Process(bytes.swapcase)
    assert process.is_ready()
    items = [bytes([97 + number % 26]) * (number % 3 * 2_000_000 + 1) for number in range(60)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(process, items, timeout=60)) == [item.upper() for item in items]
    process.end()


def test_threads_that_ask_a_process_are_all_told_that_it_ended(jobs: Any) -> None:
    process: Process[int, int] = Process(jobs.EndElsewhere(os.getpid()))
    assert process.is_ready()
    with ThreadPoolExecutor(3) as pool:
        told = [pool.submit(process, number).exception(timeout=60) for number in range(9)]
    assert {type(error) for error in told} == {WorkerEndedError}


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
def test_a_copy_ends_with_whom_it_copies(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\n"
        "from softmax_tool.process import Process\n"
        "copies = [Process(abs, copy=True) for _ in range(3)]\n"
        "assert [copy(-1) for copy in copies] == [1, 1, 1]\n"
        "print(*(copy._child.number for copy in copies), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # Its output is at an end only when nobody holds it any more.
    run = subprocess.run([sys.executable, script], capture_output=True, check=False, timeout=30)
    assert run.returncode == -signal.SIGKILL
    numbers = [int(number) for number in run.stdout.split()]
    give_up = time.monotonic() + 20
    while any(map(is_running, numbers)):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert len(numbers) == 3


def is_running(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# Blocks of 2**19 elements, and enough of them that another process is started: 2**21 in all.
COMPARE_IN_TWO_PROCESSES = (
    "st.compare(np.zeros((400, 6000), np.float32), dtypes=['float32'], ops=['softmax'], "
    "formulations=['shifted'], arithmetics=['wide-sum'], threads=2)"
)


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import numpy as np, softmax_tool as st\nprint('once')\n{COMPARE_IN_TWO_PROCESSES}\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout == "once\n"
    assert not run.stderr


def test_a_module_in_the_current_folder_is_not_taken_for_another(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    command = [sys.executable, "-P", "-m", "softmax_tool.cli", "limits", "--format", "json"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    script = f"import numpy as np, softmax_tool as st\n{COMPARE_IN_TWO_PROCESSES}\n"
    run = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
