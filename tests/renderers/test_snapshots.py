"""What every report looks like in every format, at fixed widths and without colour.

`UPDATE_SNAPSHOTS=1 pytest tests/renderers/test_snapshots.py` writes them anew: read the difference
before committing it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from softmax_tool import renderers

if TYPE_CHECKING:
    from softmax_tool.report import Report

SNAPSHOTS = Path(__file__).parent.parent / "snapshots"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"

SCREENS = (80, 120, 200, None)
NAMES = (
    "check",
    "check_candidate",
    "compare",
    "compare_hostile",
    "compare_demonstration",
    "compute",
    "compute_none",
    "compute_wide",
    "explain",
    "explain_broken",
    "inspect",
    "limits",
)
TOO_LONG = {("compute_wide", "json"), ("compute_wide", "csv")}


def rendered(report: Report, name: str, width: int | None, *, ascii_only: bool = False) -> str:
    stream = io.StringIO()
    renderers.render(name, report, stream, width=width, ascii_only=ascii_only)
    return stream.getvalue()


def check(file_name: str, text: str) -> None:
    path = SNAPSHOTS / file_name
    if UPDATE:
        path.write_text(text, encoding="utf-8", newline="")
    assert path.read_bytes().decode("utf-8") == text


@pytest.mark.parametrize("width", SCREENS)
@pytest.mark.parametrize("name", NAMES)
def test_tables(reports: dict[str, Report], name: str, width: int | None) -> None:
    text = rendered(reports[name], "table", width)
    check(f"{name}-{width or 'pipe'}.txt", text)
    if width is not None:
        assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("name", NAMES)
def test_ascii_tables(reports: dict[str, Report], name: str) -> None:
    text = rendered(reports[name], "table", 80, ascii_only=True)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    check(f"{name}-80-ascii.txt", text)


@pytest.mark.parametrize("suffix", ["concise", "github", "junit"])
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("check")])
def test_formats_of_check(reports: dict[str, Report], name: str, suffix: str) -> None:
    check(f"{name}.{suffix}", rendered(reports[name], suffix, None))


@pytest.mark.parametrize("suffix", ["json", "csv", "markdown"])
@pytest.mark.parametrize("name", NAMES)
def test_other_formats(reports: dict[str, Report], name: str, suffix: str) -> None:
    if (name, suffix) in TOO_LONG:
        pytest.skip("the same for a row of 5 classes")
    text = rendered(reports[name], suffix, None)
    check(f"{name}.{'md' if suffix == 'markdown' else suffix}", text)


def test_no_snapshot_is_left_over() -> None:
    expected = {
        *(f"{name}-{width or 'pipe'}.txt" for name in NAMES for width in SCREENS),
        *(f"{name}-80-ascii.txt" for name in NAMES),
        *(
            f"{name}.{suffix}"
            for name in NAMES
            for suffix in ("json", "csv", "md")
            if (name, suffix) not in TOO_LONG
        ),
        *(
            f"{name}.{suffix}"
            for name in NAMES
            for suffix in ("concise", "github", "junit")
            if name.startswith("check")
        ),
    }
    assert {path.name for path in SNAPSHOTS.iterdir()} == expected
