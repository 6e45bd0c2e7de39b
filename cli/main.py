"""The entry point: the one place that turns an error into a line on stderr and an exit code.

Nothing but the standard library is imported before `run` guards it, so that a broken installation
gets a line as well, and no traceback.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import gc
import math
import os
import signal
import sys
import time
import traceback
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from softmax_tool.errors import SoftmaxToolError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

DONE = 0
NOT_POSSIBLE = 2
BUG = 3
BY_A_SIGNAL = 128
INTERRUPTED = BY_A_SIGNAL + signal.SIGINT

_OBJECTS_BEFORE_GARBAGE = 100_000

PROGRAM = "softmax-tool"
DEBUG = "--debug"


def main() -> NoReturn:
    """Run the command that the process was started with, and exit."""
    # Nearly all that is made at the start stays: to look for garbage in it is in vain.
    gc.set_threshold(_OBJECTS_BEFORE_GARBAGE)
    # NumPy would start threads for products of matrices, of which there are none here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Interrupts())
    code = run(sys.argv[1:])
    if code > BY_A_SIGNAL:
        # Files are cleaned up and all is said. Threads that still compute are not waited for.
        os._exit(code)
    # The interpreter would look for garbage in all that is left once more.
    gc.freeze()
    sys.exit(code)


def _end(number: int, _frame: object) -> NoReturn:
    """End by an exception, so that no temporary file is left behind."""
    sys.exit(BY_A_SIGNAL + number)


class _Interrupts:
    """Ends by an exception, again and again until it is heard, but not twice in a row.

    In some places exceptions are lost. A second one must not get between the first and a temporary
    file.
    """

    _APART = 0.5  # seconds; cleaning up takes less
    _SOON = 0.01

    def __init__(self) -> None:
        self._last = -math.inf

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last < self._APART and number == signal.SIGINT:
            return
        if _is_importing(frame) and self._come_back(self._SOON):
            # Out of an import, an exception may leave a lock behind that others wait for.
            return
        self._last = now
        self._come_back(self._APART)
        raise KeyboardInterrupt

    def _come_back(self, seconds: float) -> bool:
        """Be called again, where the system has a clock for that."""
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return True
        return False


def _heard() -> None:
    """Do not be interrupted again: all that is left is to say so, and to end."""
    if hasattr(signal, "setitimer") and isinstance(signal.getsignal(signal.SIGALRM), _Interrupts):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; errors become one line on stderr."""
    debug = False
    try:
        debug = DEBUG in arguments
        if not debug and not sys.warnoptions:
            warnings.simplefilter("ignore")
        code = _invoke(arguments)
        _flush()
        _heard()
    except BaseException as error:
        _heard()
        if debug:
            _say(traceback.format_exc().rstrip())
        return _code_of(error)
    return code


def _invoke(arguments: Sequence[str]) -> int:
    from .app import invoke

    return invoke(arguments)


def _flush() -> None:
    """Write what is buffered while errors can still be told."""
    sys.stdout.flush()


def _code_of(error: BaseException) -> int:
    """Say what went wrong, in one line, and give the exit code for it."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else NOT_POSSIBLE
    if isinstance(error, BrokenPipeError):
        abandon_output()
        return DONE
    if isinstance(error, KeyboardInterrupt):
        abandon_output()
        _error("interrupted")
        return INTERRUPTED
    abandon_output()
    _error(said(error))
    return BUG if _mendable(error) is None else NOT_POSSIBLE


def said(error: BaseException) -> str:
    """Say what went wrong, in one line."""
    mendable = _mendable(error)
    if mendable is not None:
        return mendable
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"this is a bug of {PROGRAM} ({what}); run again with {DEBUG} for the traceback"


# Python's own words, in a RuntimeError: there is no memory for another stack.
_NO_THREAD = "can't start new thread"


def _mendable(error: BaseException) -> str | None:
    """Say what a caller can do about an error; None where it is our own."""
    if isinstance(error, SoftmaxToolError):
        return str(error)
    if isinstance(error, MemoryError) or str(error) == _NO_THREAD:
        return (
            f"out of memory{f': {error}' if str(error) else ''}; free some, or use fewer --threads"
        )
    if isinstance(error, ImportError):
        return f"cannot load a part of {PROGRAM} ({error}); install it again"
    if isinstance(error, OSError):
        from softmax_tool.storing import refusal

        where = "standard output" if error.filename is None else str(error.filename)
        return f"{where}: {refusal(error, 'send it elsewhere')}"
    return None


def _error(message: str) -> None:
    from softmax_tool.renderers.display import visible

    _say(f"{PROGRAM}: error: {visible(message)}")


def _say(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def abandon_output() -> None:
    """Flush what can be, and point stdout at nothing, so that the interpreter's exit is quiet."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
