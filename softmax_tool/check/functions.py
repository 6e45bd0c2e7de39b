"""A user's own function as the source of results: it gets blocks of rows, and its code is run.

In a process of its own, so that whatever it does, be it to end the process or to write where the
report goes, cannot make the gate pass.
"""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.check.arrays import as_floating
from softmax_tool.check.report import ResultsInfo
from softmax_tool.errors import InputError, UsageError
from softmax_tool.formats import FORMATS
from softmax_tool.formulations import LOSSES, NEED_LABELS
from softmax_tool.frozen import frozen
from softmax_tool.process import Process, WorkerEndedError
from softmax_tool.renderers.display import shape, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.readers import Block, Source

    Array = NDArray[Any]

_SPECIFICATION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_function(text: str) -> bool:
    """Tell whether a candidate is named as MODULE:FUNCTION, and is no file.

    >>> is_function("kernels.half:softmax"), is_function("out.npy"), is_function("a:b:c")
    (True, False, False)
    """
    return _SPECIFICATION.fullmatch(text) is not None and not Path(text).exists()


@frozen
class _Function:
    """The function, as the job of its process: it is loaded there when first called.

    None asks for the file that it was loaded from, "" where that is unknown; arguments for the
    results, as an array of a format.
    """

    name: str

    def __call__(self, arguments: list[Array] | None) -> Any:
        found = _loaded(self.name)
        if arguments is None:
            return str(getattr(sys.modules[self.name.partition(":")[0]], "__file__", "") or "")
        try:
            # What comes through a pipe is read-only, and kernels work in place.
            return as_floating(found(*map(np.array, arguments)), f"--candidate {self.name}")
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # whatever it raises is the user's to mend
            raise InputError(f"--candidate {self.name}: raised {_told(error)}") from None
        finally:
            sys.stdout.flush()  # what it printed; the process may be ended at any time


@cache
def _loaded(text: str) -> Callable[..., Any]:
    """Import MODULE and take FUNCTION of it; modules in the working directory are found."""
    module_name, _, path = text.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        raise InputError(f"--candidate {text}: cannot be loaded: {_told(error)}") from None
    if not callable(found):
        raise UsageError(f"--candidate {text}: is no function, but of type {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


@dataclass(slots=True)
class FunctionResults:
    """What a function makes of blocks of rows.

    It is called with the logits, (rows, classes), rounded to the format where one was named, as
    they are stored otherwise; for a loss or a gradient with the labels besides. It returns as many
    rows, or a loss for each.
    """

    name: str
    process: Process[list[Array] | None, Any]
    origin: str  # the file that holds it
    quantity: str
    logits_format: FloatFormat | None
    format: FloatFormat | None
    reduced: bool = False

    def value(self) -> float:
        """Return the single loss, which a function does not give."""
        raise InputError(f"{self.name}: gives losses of rows")

    def take(self, block: Block) -> Array:
        """Return the results of a block."""
        logits = self.logits(block)
        arguments = [logits]
        is_loss = self.quantity in LOSSES
        if self.quantity in NEED_LABELS:
            assert block.labels is not None  # noqa: S101  (what needs labels has them)
            arguments.append(block.labels)
        rows = f"in rows {block.start} to {block.start + len(logits) - 1}"
        got = self._called(arguments, rows)
        fitting = {(len(logits),), (len(logits), 1)} if is_loss else {logits.shape}
        if got.shape not in fitting:
            raise InputError(
                f"--candidate {self.name}: returned shape {shape(got.shape)} for {self.quantity} "
                f"of logits of shape {shape(logits.shape)}, {rows}; "
                + ("one loss for each row is needed" if is_loss else "the same is needed")
            )
        return self._checked(got).reshape(len(logits), -1)

    def logits(self, block: Block) -> Array:
        """Return the logits as the function gets them."""
        if self.logits_format is not None:
            return self.logits_format.stored(self.logits_format.round(block.logits))
        if block.logits.dtype.name in FORMATS:
            return block.logits
        return block.logits.astype(np.float64)

    def finish(self, source: Source) -> ResultsInfo:
        """Say what they were."""
        assert source.shape is not None  # noqa: S101  (every row has been read)
        assert self.format is not None  # noqa: S101  (and so results have been taken)
        self.process.end()
        lengths = source.shape
        if self.quantity in LOSSES:
            lengths = tuple(n for axis, n in enumerate(lengths) if axis != source.axis)
        return ResultsInfo(self.name, lengths, self.format.name)

    def _called(self, arguments: list[Array], rows: str) -> Array:
        try:
            got: Array = self.process(arguments)
        except WorkerEndedError as error:
            raise InputError(
                f"--candidate {self.name}: ended its process (exit status {error.status}), {rows}"
            ) from None
        except InputError as error:
            raise InputError(f"{error}, {rows}") from None
        return got

    def _checked(self, got: Array) -> Array:
        """Return results in the carrier of their format, which is that of the first block."""
        theirs = FORMATS[got.dtype.name]
        if self.format is None:
            self.format = theirs
        if theirs != self.format:
            raise InputError(
                f"--candidate {self.name}: returned {theirs.name}, but {self.format.name} is "
                "judged; return one dtype, and name it with --dtype"
            )
        return theirs.round(got)


def load_function(
    text: str, quantity: str, target: FloatFormat | None, logits_format: FloatFormat | None
) -> FunctionResults:
    """Start a process that imports MODULE and takes FUNCTION of it.

    Raises
    ------
    InputError
        If there is no such module or function, or importing it fails.
    UsageError
        If it is none to call.
    """
    process: Process[list[Array] | None, Any] = Process(_Function(text))
    process.is_ready()  # if not, it has ended, and the first call says so
    try:
        origin = process(None)
    except WorkerEndedError as error:
        raise InputError(
            f"--candidate {text}: ended its process (exit status {error.status}) when it was loaded"
        ) from None
    return FunctionResults(text, process, origin, quantity, logits_format or target, target)


def _told(error: BaseException) -> str:
    message = " ".join(visible(str(error)).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
