"""No answer of `check`, told where the report would be: nothing there may look like a pass."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from softmax_tool import renderers
from softmax_tool.writers import text

from .config import FILE
from .main import said
from .options import STDIN
from .output import escaping_stdout, report_path, spare_inputs
from .summary import add_no_answer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    Word = tuple[str, str | None]  # an option and its value

OUTPUT = ("--output", "-o")


def tell_unanswered(error: BaseException, command: Any, arguments: Sequence[str]) -> None:
    """Tell an error in the format of the report, in its place.

    `arguments` are those of the command, which may be none that it takes. A format that has no
    words for an error loses the file of an earlier report instead. What is read, or run, is never
    touched, nor any file that the command line names but as the place of the report.
    """
    words = _worded(command.params, arguments)
    # What was typed counts, even behind something that ends the parsing.
    options = _understood(command, arguments) | _typed(words)
    path = report_path(options.get("output"))
    inputs = [*filter(None, named_besides_output(words)), FILE, STDIN]
    format_ = (options.get("format_") or "").lower()
    # What is wrong with the place of the report is told already, or no more than the error.
    with suppress(OSError, ValueError):
        _tell(said(error), format_, path, inputs)
    if options.get("summary"):
        with suppress(OSError, ValueError):
            add_no_answer(said(error), [*inputs, path])


def named_besides_output(words: Iterable[Word]) -> list[str]:
    """Give all by which a command line may name a file, but what --output takes.

    Nothing need be right with it: that is why there is no answer. So it is read from the words
    alone, and of PATH:COLUMN both the whole and the path are given.
    """
    found = [value for option, value in words if value is not None and option not in OUTPUT]
    return [*found, *(name.rpartition(":")[0] for name in found)]


def _typed(words: Iterable[Word]) -> dict[str, Any]:
    """Give the options that say where a report goes, the last of each."""
    found: dict[str, Any] = {}
    for option, value in words:
        if option in OUTPUT and value is not None:
            found["output"] = value
        elif option == "--format" and value is not None:
            found["format_"] = value
        elif option == "--summary":
            found["summary"] = True
    return found


def _worded(parameters: Sequence[Any], arguments: Sequence[str]) -> list[Word]:
    """Part a command line into options and their values; what is no option has none to its name."""
    taking = {
        option
        for parameter in parameters
        for option in parameter.opts
        if not getattr(parameter, "is_flag", True)
    }
    found: list[Word] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            found.extend(("", rest) for rest in words)
            break
        option, value = _parted(word, taking)
        if value is None and option in taking:
            value = next(words, None)
        found.append((option, value))
    return found


def _parted(word: str, taking: Collection[str]) -> tuple[str, str | None]:
    """Part a word into an option, "" where it is none, and the value that it holds.

    >>> _parted("--top=3", {"--top"}), _parted("-qofile", {"-o"}), _parted("-q", {"-o"})
    (('--top', '3'), ('-o', 'file'), ('-q', None))
    >>> _parted("x.csv", {"-o"}), _parted("-", {"-o"})
    (('', 'x.csv'), ('', '-'))
    """
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    if not word.startswith("-") or word == STDIN:
        return "", word
    for place, letter in enumerate(word[1:], 1):
        if f"-{letter}" in taking:
            return f"-{letter}", word[place + 1 :] or None
    return word, None


def _understood(command: Any, arguments: Sequence[str]) -> dict[str, Any]:
    """Give the options of a command as far as they can be parsed."""
    lenient = {"resilient_parsing": True, "ignore_unknown_options": True, "allow_extra_args": True}
    with command.make_context(command.name, list(arguments), **lenient) as context:
        return dict(context.params)


def _tell(message: str, format_: str, path: str | None, inputs: Sequence[str]) -> None:
    chosen = renderers.CHECK_FORMATS.get(format_)
    tells = chosen is not None and chosen.tells_errors
    if path is None:
        if tells and sys.stdout is not None:
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
