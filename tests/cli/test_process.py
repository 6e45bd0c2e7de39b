"""What only a process of its own shows: start-up, pipes, devices, encodings, terminals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

COMMAND = [sys.executable, "-m", "softmax_tool.cli"]
FULL = Path("/dev/full")

on_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX shells and devices")


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, check=False, timeout=120, env=env
    )


def script_run(script: str, folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, cwd=folder, timeout=60
    )


def shell(line: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            "bash",
            "-c",
            f"set -o pipefail; tool() {{ '{sys.executable}' -m softmax_tool.cli \"$@\"; }}; {line}",
        ],
        capture_output=True,
        check=False,
        timeout=120,
    )


def test_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith(b"softmax-tool 0.")
    assert done.stderr == b""


AT_ONCE = ("numpy", "rich", "json", "decimal", "fractions", "logging", "softmax_tool.engine")
SMALL = (
    *("rich", "multiprocessing", "secrets", "asyncio", "email", "http", "importlib.metadata"),
    *("numpy.random", "numpy.polynomial", "numpy.testing", "softmax_tool.demonstration"),
    *("softmax_tool.check.report", "numpy.ma", "softmax_tool.several"),
    *("importlib.resources", "softmax_tool.readers.memory", "numpy.typing"),
)
OTHERS = tuple(f"softmax_tool.cli.{name}" for name in ("check", "explain", "inspect", "limits"))
MEASURING = ("softmax_tool.sweep", "softmax_tool.attempt", "softmax_tool.minorant")
STORING = ("tempfile", "softmax_tool.writers.arrays")


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--version"], AT_ONCE),
        (["--help"], AT_ONCE),
        (["compute", "LOGITS", "--format", "json"], SMALL + MEASURING + OTHERS),
        (["compute", "LOGITS", "--format", "csv"], SMALL + MEASURING + STORING + OTHERS),
        (["compare", "LOGITS", "--format", "markdown"], SMALL + STORING + OTHERS),
        (["compute", "LOGITS", "--format", "table"], SMALL[1:] + MEASURING + STORING),
    ],
)
def test_nothing_heavy_is_imported_that_is_not_needed(
    tmp_path: Path, arguments: list[str], heavy: tuple[str, ...]
) -> None:
    logits = tmp_path / "logits.csv"
    logits.write_text("1,2,3\n4,5,6\n")
    given = [str(logits) if word == "LOGITS" else word for word in arguments]
    script = (
        "import sys; from softmax_tool.cli.main import run; "
        f"code = run({given!r}); "
        f"found = set({heavy!r}) & set(sys.modules); "
        "sys.exit(repr(found) if found else code)"
    )
    done = script_run(script)
    assert done.stderr == b""
    assert done.returncode == 0


def test_help_of_a_command_lists_the_registered_names() -> None:
    done = run("compare", "--help")
    assert done.returncode == 0
    text = " ".join(done.stdout.decode().split())
    for name in ("float16 (half, fp16, f16)", "wide-sum", "log1p", "log-softmax", "markdown"):
        assert name in text
    for placeholder in ("<dtypes>", "<ops>", "<formulations>", "<arithmetics>", "<formats>"):
        assert placeholder not in text
    assert b"\x1b" not in done.stdout


@on_posix
def test_head_ends_quietly() -> None:
    done = shell("tool limits --format json | head -n 1")
    assert done.stderr == b""
    assert done.stdout == b"{\n"


@on_posix
def test_a_reader_that_is_gone_already() -> None:
    done = shell("tool limits | true")
    assert done.stderr == b""
    both = shell("tool compute missing.csv 2>&1 | true")
    assert both.stderr == b""


@on_posix
@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_device_is_an_error() -> None:
    done = shell("tool limits > /dev/full")
    assert done.returncode == 2
    assert done.stderr == (
        b"softmax-tool: error: standard output: No space left on device; "
        b"free some, or send it elsewhere\n"
    )


@on_posix
@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["limits", "inspect -", "explain -"])
def test_a_full_device_is_named(command: str) -> None:
    done = shell(f"echo 1,2 | tool {command} -o /dev/full")
    assert done.returncode == 2
    assert done.stderr == (
        b"softmax-tool: error: /dev/full: No space left on device; "
        b"free some, or name a file elsewhere\n"
    )


@on_posix
@pytest.mark.parametrize(
    ("options", "output"),
    [
        ("--op softmax --formulation naive", "y.npy"),
        ("--op softmax --formulation naive", "y.csv"),
        ("--op softmax", "y.npz"),
        ("--op softmax --formulation naive --axis 0", "y.npy"),
    ],
)
def test_results_that_the_system_does_not_take(tmp_path: Path, options: str, output: str) -> None:
    """A limit of the size of files stands for a full disk: what happens is the same."""
    np.save(tmp_path / "x.npy", np.ones((200, 200)))
    done = shell(f"cd {tmp_path}; ulimit -f 16; tool compute x.npy {options} --output {output}")
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr == f"softmax-tool: error: {output}: File too large\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


@on_posix
@pytest.mark.parametrize(
    "command",
    ["compute --format json x.npy", "inspect --axis 0 - < x.npy", "compute --axis 0 x.csv"],
)
def test_temporary_files_that_the_system_does_not_take(tmp_path: Path, command: str) -> None:
    table = np.ones((200, 200))
    np.save(tmp_path / "x.npy", table)
    np.savetxt(tmp_path / "x.csv", table, delimiter=",", fmt="%.0f")
    (tmp_path / "folder").mkdir()
    done = shell(f"cd {tmp_path}; export TMPDIR=$PWD/folder; ulimit -f 100; tool {command}")
    assert done.returncode == 2
    assert done.stdout == b""
    folder = tmp_path / "folder"
    told = f"softmax-tool: error: temporary files in {folder}: File too large\n"
    assert done.stderr == told.encode()
    assert not list(folder.iterdir())


@on_posix
def test_rows_that_the_system_does_not_take(tmp_path: Path) -> None:
    """They go to a file once they are many; few need none."""
    command = "tool compute x.npy --format csv --op softmax"
    np.save(tmp_path / "x.npy", np.ones((800, 1000)))
    limited = f"cd {tmp_path}; export TMPDIR=$PWD; ulimit -f 100"
    done = shell(f"{limited}; {command}")
    assert done.returncode == 2
    assert done.stdout == b""
    told = f"softmax-tool: error: temporary files in {tmp_path}: File too large\n"
    assert done.stderr == told.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    np.save(tmp_path / "x.npy", np.ones((8, 1000)))
    assert shell(f"{limited}; {command}").stdout.count(b"\n") == 8001


@on_posix
def test_standard_input_has_one_name_in_messages() -> None:
    done = shell("echo 1e400,2 | tool compute - > /dev/null")
    assert done.stderr.startswith(b"softmax-tool: warning: <stdin>:1: column 0: 1e400 is beyond")
    done = shell("echo 1,2 | tool explain - --row 7")
    assert done.stderr.startswith(b"softmax-tool: error: row 7: <stdin> has 1 row")


@on_posix
def test_a_closed_stdout_is_an_error() -> None:
    done = shell("tool limits >&-")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


@on_posix
def test_stdout_as_a_file_to_write() -> None:
    assert run("limits", "-o", "/dev/stdout").stdout == run("limits").stdout


@on_posix
def test_logits_from_stdin() -> None:
    done = shell("printf '1,2\\n3,5\\n' | tool compare - --format csv")
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.startswith(b"quantity,")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_every_encoding_is_served(encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    script = (
        "from softmax_tool.cli import main\n"
        "for name in ('table', 'markdown', 'json', 'csv'):\n"
        "    assert main.run(['compare', '-d', 'half', '--format', name]) == 0, name\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "Bit for bit" in done.stdout.decode(encoding)
    assert b"Traceback" not in done.stderr


@on_posix
def test_a_terminal_gets_its_width_and_colour() -> None:
    import pty  # noqa: PLC0415 (does not exist everywhere)

    leader, follower = pty.openpty()
    environment = {
        name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}
    }
    process = subprocess.Popen(
        [*COMMAND, "limits", "-d", "half"],
        stdout=follower,
        env=environment | {"COLUMNS": "80", "TERM": "xterm"},
    )
    os.close(follower)
    received = b""
    try:
        while part := os.read(leader, 65536):
            received += part
    except OSError:  # how Linux says that the other end is closed
        pass
    assert process.wait(60) == 0
    os.close(leader)
    assert b"\x1b[1m" in received


def test_an_interrupt_is_130() -> None:
    script = (
        "import sys; from softmax_tool import engine; from softmax_tool.cli.main import run\n"
        "def stop(*_): raise KeyboardInterrupt\n"
        "engine.limits = stop; sys.exit(run(['limits']))"
    )
    done = script_run(script)
    assert done.returncode == 130
    assert done.stderr == b"softmax-tool: error: interrupted\n"


@on_posix
def test_ctrl_c_waits_for_no_thread_and_leaves_no_file(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, threading, time\n"
        "from softmax_tool import engine\n"
        "from softmax_tool.ahead import in_order\n"
        "from softmax_tool.cli.main import main\n"
        "from softmax_tool.writers.text import open_text\n"
        "def interrupt():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "def work(_): time.sleep(90)\n"
        "def limits(*_):\n"
        "    with open_text('report.txt'):\n"
        "        threading.Timer(0.2, interrupt).start()\n"
        "        list(in_order(work, range(9), 2))\n"
        "engine.limits = limits; sys.argv = ['softmax-tool', 'limits']; main()"
    )
    done = script_run(script, tmp_path)
    assert done.returncode == 130
    assert done.stderr == b"softmax-tool: error: interrupted\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="copies are for such systems")
@pytest.mark.parametrize("when", ["before", "after_in_parent"])
def test_ctrl_c_while_a_copy_is_made_is_heard_after_it(when: str) -> None:
    script = (
        "import os, signal, sys, time\n"
        "os.environ['OPENBLAS_NUM_THREADS'] = '1'  # one thread, as in the program itself\n"
        "from softmax_tool import engine\n"
        "from softmax_tool.cli.main import main\n"
        "from softmax_tool.process import Process, can_copy\n"
        f"os.register_at_fork({when}=lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "def limits(*_):\n"
        "    assert can_copy()\n"
        "    Process(abs, copy=True); time.sleep(90); print('not heard')\n"
        "engine.limits = limits; sys.argv = ['softmax-tool', 'limits']; main()"
    )
    done = script_run(script)
    assert done.stdout == b""
    assert done.stderr == b"softmax-tool: error: interrupted\n"
    assert done.returncode == 130


@on_posix
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_during_an_import_is_heard_after_it(tmp_path: Path, times: int) -> None:
    """An exception out of an import may be lost, or leave a lock behind that others wait for."""
    (tmp_path / "imported.py").write_text(
        "import os, signal\n"
        f"for _ in range({times}): os.kill(os.getpid(), signal.SIGINT)\n"
        "class Raises:\n"
        "    def __set_name__(self, *_): sum(range(10**6))\n"
        "class Here: there = Raises()\n"
        "print('imported', flush=True)\n"
    )
    script = (
        "import sys, time\n"
        "from softmax_tool import engine\n"
        "from softmax_tool.cli.main import main\n"
        "def limits(*_):\n"
        "    import imported; time.sleep(90); print('not heard')\n"
        "engine.limits = limits; sys.argv = ['softmax-tool', 'limits']; main()"
    )
    done = script_run(script, tmp_path)
    assert done.stdout == b"imported\n"
    assert done.stderr == b"softmax-tool: error: interrupted\n"
    assert done.returncode == 130


@on_posix
def test_an_interrupt_that_was_lost_comes_again() -> None:
    script = (
        "import os, signal, sys, time, weakref\n"
        "from softmax_tool import engine\n"
        "from softmax_tool.cli import main as program\n"
        "class Thing: pass\n"
        "def limits(*_):\n"
        "    thing = Thing()\n"
        "    gone = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))\n"
        "    del thing; time.sleep(90)\n"
        "engine.limits = limits; sys.argv = ['softmax-tool', 'limits']; program.main()"
    )
    done = script_run(script)
    assert done.returncode == 130
    assert done.stderr.endswith(b"softmax-tool: error: interrupted\n")


@on_posix
def test_an_interrupt_at_the_very_end_kills_nobody() -> None:
    script = (
        "import os, signal, sys, time\n"
        "from softmax_tool import engine\n"
        "from softmax_tool.cli.main import main\n"
        "from softmax_tool.errors import InputError\n"
        "def limits(*_):\n"
        "    try: os.kill(os.getpid(), signal.SIGINT); time.sleep(1)\n"
        "    except KeyboardInterrupt: raise InputError('too late')\n"
        "import atexit; atexit.register(time.sleep, 1)\n"
        "engine.limits = limits; sys.argv = ['softmax-tool', 'limits']; main()"
    )
    done = script_run(script)
    assert done.returncode == 2
    assert done.stderr == b"softmax-tool: error: too late\n"


@on_posix
def test_being_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    script = (
        "import signal, sys, os\n"
        "from softmax_tool import engine\n"
        "from softmax_tool.cli.main import main\n"
        "from softmax_tool.writers.text import open_text\n"
        "def end(*_):\n"
        "    with open_text('report.txt'): os.kill(os.getpid(), signal.SIGTERM)\n"
        "engine.limits = end; sys.argv = ['softmax-tool', 'limits']; main()"
    )
    done = script_run(script, tmp_path)
    assert done.returncode == 128 + 15
    assert done.stderr == b""
    assert list(tmp_path.iterdir()) == []
