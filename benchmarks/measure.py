"""Whole processes in turn: wall time, processor time and memory of each, medians and ratios.

Imports no NumPy: what a new process is said to have taken at most includes what its parent holds.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PEERS = Path(__file__).parent / "peers"
_BETWEEN_LOOKS = 0.01


@dataclass(frozen=True, slots=True)
class Contender:
    """A command to be measured, and what the table calls it."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took, its children included: seconds, and bytes at the highest."""

    wall: float
    processor: float
    peak: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What every benchmark is told on its command line."""

    rounds: int
    folder: Path
    tool: str
    peers: str | None
    numbers: dict[str, int]

    def tool_command(self, *arguments: object) -> tuple[str, ...]:
        """A command of softmax-tool."""
        return (self.tool, *map(str, arguments))

    def peer(self, name: str, script: str, needs: str, *arguments: object) -> list[Contender]:
        """A script of `peers/`, or nothing where the interpreter lacks what it needs."""
        if self.peers is None:
            print(f"{name}: left out, for want of --peers")
            return []
        find = f"import sys, importlib.util as u; sys.exit(u.find_spec({needs!r}) is None)"
        if subprocess.run([self.peers, "-c", find], check=False).returncode:
            print(f"{name}: left out, {self.peers} has no {needs}")
            return []
        return [Contender(name, (self.peers, str(PEERS / script), *map(str, arguments)))]


@contextmanager
def setting(about: str | None, **numbers: int) -> Iterator[Setting]:
    """Read the command line; `numbers` are sizes and their defaults. The folder goes at the end."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, in turn")
    parser.add_argument("--folder", help="where the files are made, and removed")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has the peers")
    tool = str(Path(sysconfig.get_path("scripts")) / "softmax-tool")
    parser.add_argument("--tool", default=tool, help="the softmax-tool to measure")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="softmax-tool-", dir=given.folder) as folder:
        chosen = {name: getattr(given, name) for name in numbers}
        yield Setting(given.rounds, Path(folder), given.tool, given.peers, chosen)


def make(kind: str, *arguments: object) -> None:
    """Write a file in a process of its own, so that this one stays small."""
    command = [sys.executable, "-m", "benchmarks.data", kind, *map(str, arguments)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1])


def in_turn(contenders: Sequence[Contender], rounds: int) -> dict[str, Cost]:
    """Run each contender once a round; give medians of times, and the highest peak.

    Memory is watched in one more run of each, whose times do not count: looking at a process every
    few milliseconds takes a processor from it, and keeps it waiting for memory meanwhile.
    """
    costs: dict[str, list[Cost]] = {each.name: [] for each in contenders}
    for _ in range(rounds):
        for each in contenders:
            costs[each.name].append(run(each.command))
    watched = {each.name: run(each.command, watched=True).peak for each in contenders}
    return {name: _middle(found, watched[name]) for name, found in costs.items()}


def run(command: Sequence[str], *, watched: bool = False) -> Cost:
    """Run a command, its output thrown away, and say what it took.

    The peak is that of the process or of the largest of its children, and where it is watched, at
    the cost of time, that of all together.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=_environment()
    )
    peak = _Peak(process.pid) if watched else None
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    largest = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    held = max(largest, peak.seen()) if peak else largest
    return Cost(wall, used.ru_utime + used.ru_stime, held)


def _environment() -> dict[str, str]:
    """An environment in which modules are compiled once, as they are when they are installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def table(costs: dict[str, Cost], ours: str) -> None:
    """Print a line a contender; ratios are its times over those of `ours`."""
    width = max(map(len, costs))
    print(f"{'':{width}}    wall s   CPU s  peak MB   wall ×   CPU ×")
    base = costs[ours]
    for name, cost in costs.items():
        print(
            f"{name:{width}}  {cost.wall:8.3f} {cost.processor:7.3f} {cost.peak / 1e6:8.0f}"
            f" {cost.wall / base.wall:8.2f} {cost.processor / base.processor:7.2f}",
            flush=True,
        )


def difference(name: str, costs: dict[str, Cost], whole: str, start: str) -> dict[str, Cost]:
    """Add what a process took beyond another that only starts up, where both were measured."""
    if whole not in costs or start not in costs:
        return costs
    a, b = costs[whole], costs[start]
    return costs | {name: Cost(a.wall - b.wall, a.processor - b.processor, a.peak)}


class _Peak:
    """Watches the memory of a process and all its children, where /proc shows it.

    Their proportional shares are added up: a page that two of them have in common, as a process and
    its copy do, counts once.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def seen(self) -> int:
        """Bytes at the highest; the process has ended."""
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while (held := _resident(self._pid)) > 0:
            self._most = max(self._most, held)
            time.sleep(_BETWEEN_LOOKS)


def _resident(pid: int) -> int:
    folder = Path(f"/proc/{pid}")
    try:
        share = re.search(r"^Pss: +(\d+) kB$", (folder / "smaps_rollup").read_text(), re.MULTILINE)
        children = [
            int(child)
            for task in (folder / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return 0
    return (int(share[1]) << 10 if share else 0) + sum(map(_resident, children))


def _middle(costs: Sequence[Cost], watched: int) -> Cost:
    return Cost(
        median(cost.wall for cost in costs),
        median(cost.processor for cost in costs),
        max(watched, *(cost.peak for cost in costs)),
    )
