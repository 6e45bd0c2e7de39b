from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


# The package is mapped onto another folder, where a type checker does not look for it.
main = import_module("softmax_tool.cli.main")


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Run a command in this process and give its exit code and output."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run_(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main.run([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run_


@pytest.fixture
def logits(tmp_path: Path) -> str:
    """A table of three rows, the last of which is beyond float16."""
    path = tmp_path / "logits.csv"
    path.write_text("2,1,0.1\n-999,1,2\n12,11.5,3\n")
    return str(path)


@pytest.fixture
def labels(tmp_path: Path) -> str:
    """Labels for the table."""
    path = tmp_path / "labels.csv"
    path.write_text("0\n2\n1\n")
    return str(path)
