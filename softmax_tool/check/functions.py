"""A user's own function as the source of results: it gets blocks of rows, and its code is run."""

from __future__ import annotations

import importlib
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.check.arrays import as_floating
from softmax_tool.check.report import ResultsInfo
from softmax_tool.errors import InputError, UsageError
from softmax_tool.formats import FORMATS
from softmax_tool.formulations import LOSSES
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


@dataclass(slots=True)
class FunctionResults:
    """What a function makes of blocks of rows, in the thread that asks for them.

    It is called with the logits, (rows, classes), rounded to the format where one was named, as
    they are stored otherwise; for a loss with the labels besides. It returns as many rows, or a
    loss for each.
    """

    name: str
    call: Callable[..., Any]
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
        arguments = [logits.copy()]
        is_loss = self.quantity in LOSSES
        if is_loss:
            assert block.labels is not None  # noqa: S101  (losses have labels)
            arguments.append(block.labels.copy())
        rows = f"in rows {block.start} to {block.start + len(logits) - 1}"
        got = as_floating(self._called(arguments, rows), f"--candidate {self.name}")
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
        lengths = source.shape
        if self.quantity in LOSSES:
            lengths = tuple(n for axis, n in enumerate(lengths) if axis != source.axis)
        return ResultsInfo(self.name, lengths, self.format.name)

    def _called(self, arguments: list[Array], rows: str) -> Any:
        # Its prints are no part of the answer.
        with redirect_stdout(sys.stderr):
            try:
                return self.call(*arguments)
            except (Exception, SystemExit) as error:  # whatever it raises is the user's to mend
                raise InputError(
                    f"--candidate {self.name}: raised {_told(error)}, {rows}"
                ) from error

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
    """Import MODULE and take FUNCTION of it; modules in the working directory are found.

    Raises
    ------
    InputError
        If there is no such module or function, or importing it fails.
    UsageError
        If it is none to call.
    """
    module_name, _, path = text.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with redirect_stdout(sys.stderr):
        try:
            found: Any = importlib.import_module(module_name)
            for part in path.split("."):
                found = getattr(found, part)
        except (Exception, SystemExit) as error:  # whatever the module does when it is imported
            raise InputError(f"--candidate {text}: cannot be loaded: {_told(error)}") from error
    if not callable(found):
        raise UsageError(f"--candidate {text}: is no function, but a {type(found).__name__}")
    return FunctionResults(text, found, quantity, logits_format or target, target)


def _told(error: BaseException) -> str:
    message = " ".join(visible(str(error)).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
