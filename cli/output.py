"""Where text goes: the answer to stdout or a file, notes and progress to stderr."""

from __future__ import annotations

import io
import os
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from softmax_tool import renderers
from softmax_tool.errors import UsageError
from softmax_tool.frozen import frozen
from softmax_tool.readers.shown import shortened
from softmax_tool.renderers import display
from softmax_tool.writers import text

from .options import STDIN, STDOUT, one_of
from .progress import Bar, expected_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from softmax_tool.readers.source import InputOverflow, Source
    from softmax_tool.report import CompareReport, ComputeReport, Report

    Advance = Callable[[int, int | None], None]

COLORS = ("auto", "always", "never")
OVERFLOWS_SAID = 3
"""So many numbers that no float64 holds are told one by one."""


@frozen
class Answer:
    """How a report is to be written, and where."""

    format: str
    path: str | None
    color: str
    width: int | None

    @property
    def whole_values(self) -> bool:
        """Whether the format writes whole arrays."""
        return renderers.FORMATS[self.format].whole_values

    @property
    def every_row(self) -> bool:
        """Whether the format writes every row, and whole, unless a person chooses."""
        return renderers.FORMATS[self.format].every_row

    def write(self, report: Report) -> None:
        """Write the report: to the file, or else to stdout."""
        if self.path is None:
            _to_stdout(report, self)
            return
        with text.open_text(self.path) as stream:
            color = self.color == "always"
            renderers.render(self.format, report, stream, width=self.width, color=color)


def answer(
    format_: str,
    path: str | None,
    color: str,
    width: int | None,
    formats: Sequence[str] = tuple(renderers.FORMATS),
) -> Answer:
    """Check the options of output before anything is computed; `formats` are those there are.

    Raises
    ------
    SoftmaxToolError
        For a choice that does not exist, or a path that cannot become a file.
    """
    place = report_path(path)
    if place is not None:
        text.destination(place)
    return Answer(
        one_of("--format", format_, formats),
        place,
        one_of("--color", color, COLORS),
        width,
    )


def report_path(output: str | None) -> str | None:
    """Give the file that --output names; None for standard output, which - names too."""
    return None if output == STDOUT else output


def spare_inputs(path: str | None, inputs: Iterable[str | None]) -> None:
    """Refuse an output that would replace a file to be read, under whatever name.

    Raises
    ------
    UsageError
        If an input is the file at `path`.
    """
    read = input_at(path, inputs)
    if read is not None:
        raise UsageError(
            f"-o {path}: is the same file as the input {read}, which would be lost; "
            "name another file"
        )


def input_at(path: str | None, inputs: Iterable[str | None]) -> str | None:
    """Name the input that is the file at a path, under whatever name; None where none is."""
    if not path or not Path(path).is_file():
        return None
    found = (name for name in inputs if name is not None and _same_file(name, path))
    name = next(found, None)
    return "standard input" if name == STDIN else name


def _same_file(name: str, path: str) -> bool:
    try:
        read = os.fstat(sys.stdin.fileno()) if name == STDIN else Path(name).stat()
        return os.path.samestat(read, Path(path).stat())
    except (AttributeError, OSError, ValueError):
        return False  # there is no such input, which whoever opens it says better


def escaping_stdout() -> TextIO:
    """Give stdout, which writes the escape of a character that its encoding lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return sys.stdout


def _to_stdout(report: Report, how: Answer) -> None:
    stream = escaping_stdout()
    renderers.render(
        how.format,
        report,
        stream,
        width=how.width or screen_width(stream),
        color=colored(how.color, stream),
        ascii_only=not display.carries(stream.encoding),
    )


def screen_width(stream: TextIO) -> int | None:
    """Give the columns of the terminal that a stream is; None where it is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def colored(choice: str, stream: TextIO) -> bool:
    """Decide on colour: the option first, then NO_COLOR, then FORCE_COLOR, then the stream."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@frozen
class Messages:
    """What is said beside the answer, on stderr."""

    quiet: bool

    def note(self, message: str) -> None:
        """Say something worth knowing."""
        if not self.quiet:
            self._say("note", message)

    def warning(self, message: str) -> None:
        """Say something that may surprise, quiet or not: the answer may not be what it seems."""
        self._say("warning", message)

    def overflows(self, found: Sequence[InputOverflow], count: int) -> None:
        """Say which numbers of the input no float64 can hold; `found` may hold the first only."""
        told = found[:OVERFLOWS_SAID]
        for overflow in told:
            self.warning(
                f"{display.files([overflow.path])}:{overflow.line}: column {overflow.column}: "
                f"{shortened(overflow.text)} is beyond float64 and read as infinite"
            )
        if count > len(told):
            rest = display.plural(count - len(told), "more number is", "more numbers are")
            self.warning(f"{rest} beyond float64 and read as infinite")

    def doubts(self, report: CompareReport | ComputeReport) -> None:
        """Say where the values do not look like what they were taken for."""
        from softmax_tool.declared import contradictions  # noqa: PLC0415  # loads NumPy

        if report.looks_like is not None:
            for sentence in contradictions(report.settings.input, report.looks_like):
                self.warning(sentence)

    def nothing_shown(self, report: CompareReport | ComputeReport) -> None:
        """Say where --rows or --columns are beyond the table, so that nothing of it is shown."""
        if report.settings.rows is None and report.settings.columns is None:
            return
        from softmax_tool.renderers.heads import shown_parts  # noqa: PLC0415  # few need it

        for anything, said in shown_parts(report.input, report.settings):
            if not anything:
                self.warning(said)

    def _say(self, kind: str, message: str) -> None:
        if sys.stderr is None:
            return
        # Nobody may be listening, which is no reason to give no answer.
        with suppress(OSError, ValueError):
            sys.stderr.write(f"softmax-tool: {kind}: {display.visible(message)}\n")

    @contextmanager
    def progress(self, what: str, source: Source | None = None) -> Iterator[Advance | None]:
        """Give a callback that draws a bar once work lasts; None where nobody would see it."""
        if self.quiet or sys.stderr is None or not sys.stderr.isatty():
            yield None
            return
        bar = Bar(what)

        def advance(done: int, total: int | None) -> None:
            fraction = None if source is None else source.read_fraction
            bar.update(done, total or expected_rows(done, fraction))

        try:
            yield advance
        finally:
            bar.close()
