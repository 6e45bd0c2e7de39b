"""Processes that start while this one still imports what a command needs."""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softmax_tool.process import Process

WORTH_PROCESSES = 16 << 20  # bytes, which take longer than the start of a process
_MODULES = ("softmax_tool.job", "softmax_tool.readers.text_rows")


def started_early(paths: Sequence[str], threads: int | None) -> tuple[Process[Any, Any], ...]:
    """Start processes that compute beside this one, where files are large.

    They end with what they work on, or else with this process.
    """
    if sum(map(_size, paths)) < WORTH_PROCESSES:
        return ()
    from softmax_tool.ahead import processors
    from softmax_tool.process import Process

    started: list[Process[Any, Any]] = []
    # None to be had is no error: what there is does the work.
    with suppress(OSError):
        while len(started) + 1 < (processors() if threads is None else threads):
            started.append(Process(_MODULES))
    return tuple(started)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116  # pathlib is not imported for it
    except (OSError, ValueError):
        return 0  # which whoever opens it says better
