"""A process that works for another one: it takes a job, then items, and hands results back.

Both directions are pickles in a pipe: first the job, a function, which is answered by None; then
items one by one, each answered by its result. The end of the input ends the process, so that none
outlives its master.
"""

from __future__ import annotations

import os
import pickle
import signal
from typing import TYPE_CHECKING, Any

from softmax_tool.frozen import frozen
from softmax_tool.heap import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

PICKLE_PROTOCOL = 5


@frozen
class Raised:
    """An error in the place of a result."""

    error: BaseException


def main() -> None:
    """Serve the process at the other end of standard input and output."""
    # Whoever started this decides what an interrupt means for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Whatever a library reads or prints must not get between questions and answers.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    keep_freed_memory()
    serve(questions, answers)


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Take a job, and answer until the questions end."""
    try:
        job = _taken(questions)
        _send(job if isinstance(job, Raised) else None, answers)
        work(job, questions, answers)
    except (EOFError, BrokenPipeError):
        return


def work(job: Callable[[Any], Any], questions: BinaryIO, answers: BinaryIO) -> None:
    """Do a job on one item after another.

    Raises
    ------
    EOFError
        The questions have ended.
    BrokenPipeError
        Nobody takes the answers.
    """
    while True:
        _send(_result(job, pickle.load(questions)), answers)  # noqa: S301  (from its master)


def _taken(questions: BinaryIO) -> Any:
    try:
        return pickle.load(questions)  # noqa: S301  (from the process that started this one)
    except EOFError:
        raise
    except Exception as error:
        return Raised(error)


def _result(job: Any, item: Any) -> Any:
    try:
        return job(item)
    except Exception as error:
        return Raised(error)


def _send(value: Any, answers: BinaryIO) -> None:
    pickle.dump(value, answers, PICKLE_PROTOCOL)
    answers.flush()
