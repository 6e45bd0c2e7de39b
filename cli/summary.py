"""The report as Markdown on the summary page of a GitHub workflow."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from softmax_tool.errors import UsageError
from softmax_tool.renderers import render
from softmax_tool.renderers.display import visible
from softmax_tool.renderers.markdown import escape
from softmax_tool.storing import storing

from .output import input_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from softmax_tool.check.report import CheckReport

    from .output import Messages

VARIABLE = "GITHUB_STEP_SUMMARY"
LARGEST = 1_000_000
"""Bytes of a step's summary: GitHub drops one of more than 1 MiB whole."""


def keep_off_inputs(inputs: Iterable[str | None]) -> None:
    """Refuse to add the report to a file that is read.

    Raises
    ------
    UsageError
        If the file that GitHub names is an input.
    """
    path = os.environ.get(VARIABLE)
    read = input_at(path, inputs)
    if read is not None:
        raise UsageError(
            f"--summary: {VARIABLE} is {path}, the same file as the input {read}, to which the "
            "report would be added; name another file"
        )


def write_summary(report: CheckReport, messages: Messages) -> None:
    """Append the report to the file that GitHub names, as much of it as there is room for."""
    path = os.environ.get(VARIABLE)
    if not path:
        messages.note(f"--summary: {VARIABLE} is not set, so there is no summary to write to")
        return
    target = Path(path)
    taken = target.stat().st_size if target.exists() else 0
    text = fitting(report, LARGEST - taken)
    if text is None:
        messages.warning(f"--summary: {path} is full; the report is not on it")
        return
    with storing(f"--summary: {path}", "leave out --summary"), target.open("ab") as stream:
        stream.write(text)


def add_no_answer(message: str, inputs: Iterable[str | None]) -> None:
    """Append why there is no report, where a report would be; nothing to a file that is read."""
    path = os.environ.get(VARIABLE)
    if not path or Path(path).suffix == ".py" or input_at(path, inputs) is not None:
        return
    text = f"## check\n\n### No answer\n\n- {escape(visible(message))}\n\n".encode()
    with Path(path).open("ab") as stream:
        if stream.tell() + len(text) <= LARGEST:
            stream.write(text)


def fitting(report: CheckReport, room: int) -> bytes | None:
    """Return the report in at most `room` bytes, with fewer places listed if need be."""
    while True:
        stream = io.StringIO()
        render("markdown", report, stream)
        text = f"{stream.getvalue()}\n".encode()
        if len(text) <= room:
            return text
        if not report.findings:
            return None
        report = replace(report, findings=report.findings[: len(report.findings) // 2])
