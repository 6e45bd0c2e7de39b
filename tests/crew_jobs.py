"""Jobs for several processes; each takes a moment, so that all get to work."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from softmax_tool.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def square(number: int) -> tuple[int, int]:
    time.sleep(0.01)
    return number * number, os.getpid()


def place(_: int) -> tuple[int, int]:
    time.sleep(0.01)
    return os.getpid(), threading.get_ident()


def refuse(number: int) -> int:
    if number == 30:
        raise InputError("row 30: no")
    time.sleep(0.01)
    return number


@dataclass(frozen=True, slots=True)
class MeetIn:
    """Does nothing until so many processes have left a file in a folder."""

    folder: Path
    processes: int

    def __call__(self, _: int) -> int:
        (self.folder / str(os.getpid())).touch()
        end = time.monotonic() + 120
        while len(list(self.folder.iterdir())) < self.processes:
            if time.monotonic() > end:
                raise InputError("the others have not come")
            time.sleep(0.01)
        return os.getpid()


@dataclass(frozen=True, slots=True)
class EndElsewhere:
    """Works in one process and ends every other one."""

    home: int

    def __call__(self, number: int) -> int:
        time.sleep(0.01)
        if os.getpid() != self.home:
            os.kill(os.getpid(), signal.SIGTERM)
        return number
