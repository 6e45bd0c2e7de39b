from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.errors import InputError
from softmax_tool.readers import csv, lines, open_logits
from softmax_tool.readers.numerals import table
from softmax_tool.readers.parsers import Parsers, parsers

if TYPE_CHECKING:
    from softmax_tool.readers.parsers import Table

ROWS = "".join(f"{n}.5,{-n},{n}e-3\n" for n in range(200))
TEXT = f'a,b,c\n{ROWS}# end\n\n"1",2,-inf\n1e400,5,6'


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "WORTH_PROCESSES", 0)
    monkeypatch.setattr(lines, "BATCH_BYTES", 256)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "table.csv"
    made.write_text(TEXT)
    return made


def read(path: Path, threads: int, **options: Any) -> tuple[Any, Any]:
    source = open_logits([str(path)], threads=threads, **options)
    values = np.concatenate([block.logits for block in source.blocks(7)])
    return values.tobytes(), (source.shape, source.overflows, source.read_fraction)


@pytest.mark.parametrize("threads", [2, 5])
def test_processes_change_nothing(path: Path, threads: int) -> None:
    assert read(path, threads) == read(path, 1)
    assert read(path, threads, axis=0) == read(path, 1, axis=0)


@pytest.mark.parametrize(
    "bad", ["1,2\n", "1,,3\n", "1,2,x\n", '"1,2,3\n', "1,2,3,4\n", "1,2,1_0\n", "1,\u0661,3\n"]
)
@pytest.mark.parametrize("place", [0, 100])
def test_errors_are_the_same(path: Path, bad: str, place: int) -> None:
    rows = TEXT.split("\n")
    path.write_text("\n".join(rows[: place + 1]) + "\n" + bad + "\n".join(rows[place + 1 :]))
    said = []
    for threads in (1, 2):
        with pytest.raises(InputError) as caught:
            read(path, threads)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert f"table.csv:{place + 2}: " in said[0]


def refuse(text: str) -> Table:
    raise AssertionError(text)


def ask(found: Parsers, *texts: str) -> list[Table]:
    """Ask no more at a time than is sent ahead, so that nothing is parsed here."""
    return [table for _, table in found.tables(((None, text) for text in texts), refuse)]


def test_one_that_is_killed_is_an_error_and_none_is_left() -> None:
    with parsers(2, ",", 2, "logits.csv") as found:
        values, refused, empty = ask(found, "1,2\n3,4.5\n", "1,2,3\n", "")
        assert values is not None
        assert values.tolist() == [[1, 2], [3, 4.5]]
        assert refused is None
        assert empty is None
        processes = found.processes
        for process in processes:
            process.kill()
        with pytest.raises(InputError, match=r"^logits.csv: a process .* --threads 1"):
            ask(found, "1,2\n")
    assert all(process.returncode is not None for process in processes)


def test_answers_keep_their_order_wherever_they_are_made() -> None:
    """Texts of all lengths, more than pipes hold, while this process parses as well or does not."""
    rng = np.random.default_rng(1)
    texts = [
        "".join(f"{n}\n" for n in rng.integers(0, 999, size)) for size in rng.integers(1, 2000, 60)
    ]
    texts[7] = "1\n" * 700_000
    texts[8] = "word\n"
    here: list[str] = []

    def parse(text: str) -> Table:
        here.append(text)
        return table(text.encode(), b",", 1)

    with parsers(2, ",", 1, "x") as found:
        answers = list(found.tables(enumerate(texts), parse))
    assert [item for item, _ in answers] == list(range(60))
    for (_, values), text in zip(answers, texts, strict=True):
        expected = None if text == "word\n" else [[float(line)] for line in text.split()]
        assert (None if values is None else values.tolist()) == expected
    assert len(here) < 60


def test_none_is_left_where_reading_ends_early(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Parsers] = []
    begin = Parsers.__init__

    def noted(self: Parsers, *arguments: Any) -> None:
        begin(self, *arguments)
        started.append(self)

    monkeypatch.setattr(Parsers, "__init__", noted)
    with closing(open_logits([str(path)], threads=2).blocks(3)) as blocks:  # type: ignore[type-var]
        next(blocks)
        assert len(started) == 1
        assert all(process.poll() is None for process in started[0].processes)
    assert all(process.returncode is not None for process in started[0].processes)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
def test_it_ends_with_whoever_started_it(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from softmax_tool.readers.parsers import parsers\n"
        "with parsers(2, ',', 2, 'x') as found:\n"
        "    list(found.tables([(0, '1,2\\n')], None))\n"
        "    print(*(process.pid for process in found.processes), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    numbers = [int(number) for number in done.stdout.split()]
    assert len(numbers) == 2
    give_up = time.monotonic() + 20
    while any(map(is_running, numbers)):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []


def is_running(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_module_of_that_name_where_one_stands_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "softmax_tool.py").write_text("raise SystemExit")
    (tmp_path / "numpy.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    with parsers(1, ",", 1, "x") as found:
        [values] = ask(found, "1\n")
        assert values is not None
    assert os.getcwd() == str(tmp_path)  # noqa: PTH109
