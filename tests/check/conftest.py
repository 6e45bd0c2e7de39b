from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

main = import_module("softmax_tool.cli.main")


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON that was written."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def failed(self) -> list[str]:
        """The codes of the rules that failed, from the JSON."""
        return [rule["code"] for rule in self.report["rules"] if rule["failed"]]


@pytest.fixture
def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Run `check` in an empty folder; arrays and text among the arguments become files there."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

    def run(logits: Any, *options: Any, **files: Any) -> Outcome:
        arguments = []
        for name, content in {"logits": logits, **files}.items():
            path = tmp_path / f"{name}.{'csv' if isinstance(content, str) else 'npy'}"
            if isinstance(content, str):
                path.write_text(content)
            else:
                np.save(path, content)
            arguments += [path.name] if name == "logits" else [f"--{name}", path.name]
        capsys.readouterr()
        code = main.run(["check", *arguments, *map(str, options)])
        return Outcome(code, *capsys.readouterr())

    return run
