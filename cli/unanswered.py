"""No answer of `check`, told where the report would be: nothing there may look like a pass."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from softmax_tool import renderers
from softmax_tool.writers import text

from .config import FILE
from .main import said
from .output import escaping_stdout, spare_inputs
from .summary import add_no_answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def tell_unanswered(
    error: BaseException, options: Mapping[str, Any], arguments: Sequence[str]
) -> None:
    """Tell an error in the format of the report, in its place.

    Of `arguments` the options are what was understood. A format that has no words for an error
    loses the file of an earlier report instead. What is read, or run, is never touched.
    """
    format_ = (options.get("format_") or "").lower()
    if format_ in renderers.CHECK_FORMATS:
        # What is wrong with the place of the report is told already, or no more than the error.
        with suppress(OSError, ValueError):
            _tell(said(error), format_, options.get("output"), _inputs(options))
    if options.get("summary"):
        with suppress(OSError, ValueError):
            named = [argument.rpartition("=")[2] for argument in arguments]
            add_no_answer(said(error), [*_inputs(options), *named])


def _inputs(options: Mapping[str, Any]) -> list[str]:
    several = (*(options.get("logits") or ()), *(options.get("labels") or ()))
    single = (options.get(name) for name in ("weights", "candidate", "baseline"))
    return [*several, *filter(None, single), options.get("config") or FILE]


def _tell(message: str, format_: str, path: str | None, inputs: Sequence[str]) -> None:
    tells = renderers.CHECK_FORMATS[format_].tells_errors
    if path is None:
        if tells:
            renderers.render_error(format_, message, inputs, escaping_stdout())
        return
    spare_inputs(path, inputs)
    target = text.destination(path)
    if target.suffix == ".py":
        return  # the code of a candidate, from wherever it was imported, and never a report
    if tells:
        with text.open_text(path) as stream:
            renderers.render_error(format_, message, inputs, stream)
    elif text.is_regular(target):
        target.unlink(missing_ok=True)
