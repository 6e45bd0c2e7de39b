"""A progress bar on stderr: how many rows are done, at what rate, and how long the rest takes."""

# ruff: noqa: PLC0415

from __future__ import annotations

import time
from typing import Any

from softmax_tool.renderers import display

PATIENCE = 1.0
"""Seconds of work before the bar is shown."""


class Bar:
    """A bar that appears after a while and leaves nothing behind."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = time.monotonic()
        self._shown: tuple[Any, Any] | None = None

    def update(self, done: int, total: int | None) -> None:
        """Say how many rows are done, and how many there are, where that is known."""
        elapsed = time.monotonic() - self._started
        if self._shown is None and elapsed >= PATIENCE:
            self._shown = self._show()
        if self._shown is not None:
            progress, task = self._shown
            said = said_of(done, total, elapsed)
            progress.update(task, completed=done, total=total, said=said)

    def close(self) -> None:
        """Take the bar away."""
        if self._shown is not None:
            self._shown[0].stop()

    def _show(self) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            console=Console(stderr=True),
            transient=True,
        )
        task = progress.add_task(self._what, total=None, said="")
        progress.start()
        return progress, task


def said_of(done: int, total: int | None, elapsed: float) -> str:
    """Say how far the work is, after `elapsed` seconds."""
    rate = done / elapsed
    speed = f"{display.count(round(rate)) if rate >= 10 else f'{rate:.2g}'} rows/s"
    if total is None:
        return f"{display.count(done)} rows, {speed}"
    left = max(0, total - done) / rate
    return f"{display.count(done)} of {display.count(total)} rows, {speed}, {duration(left)} left"


def duration(seconds: float) -> str:
    """Say how long something takes, rounded up."""
    whole = int(-(-seconds // 1))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = -(-whole // 60)
    return f"{minutes // 60} h {minutes % 60} min"


def expected_rows(done: int, fraction: float | None) -> int | None:
    """How many rows there will be, if the rest of the input is like what has been read."""
    return None if not fraction else max(done, round(done / fraction))
