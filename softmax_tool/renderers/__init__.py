"""One module an output format; the table below is all that knows them by name.

A renderer is a function `render(report, stream)` that writes text and computes nothing. One that
lays text out for a screen takes its width, colour and character set besides (`fits_screen`).
To add a format, add a module and a line to `FORMATS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from softmax_tool.report import Report


@frozen
class OutputFormat:
    """An output format: where its renderer lives, what it is for, and what it has to be given.

    `whole_values`: whole arrays. `every_row`: every row shown, and whole, unless a person chooses.
    `tells_errors`: it has words for that there is no report, in `render_error` of its module.
    """

    module: str
    purpose: str
    fits_screen: bool = False
    whole_values: bool = False
    every_row: bool = False
    tells_errors: bool = False


FORMATS = {
    "table": OutputFormat("table", "for reading", fits_screen=True),
    "json": OutputFormat("json", "for programs: everything, with a schema", whole_values=True),
    "csv": OutputFormat("csv", "for spreadsheets: one flat table", every_row=True),
    "markdown": OutputFormat("markdown", "for pull requests and notes"),
}
"""Every output format by the name that `--format` takes; the modules are imported when used."""

CHECK_FORMATS = {
    "table": FORMATS["table"],
    "concise": OutputFormat("concise", "a line a finding"),
    "json": FORMATS["json"],
    "csv": FORMATS["csv"],
    "markdown": FORMATS["markdown"],
    "github": OutputFormat(
        "github", "annotations of a GitHub workflow, worst first", tells_errors=True
    ),
    "junit": OutputFormat("junit", "XML for test reports, a case a rule", tells_errors=True),
}
"""What `--format` of `check` takes."""


def render(
    name: str,
    report: Report,
    stream: TextIO,
    *,
    width: int | None = None,
    color: bool = False,
    ascii_only: bool = False,
) -> None:
    """Write a report to a text stream in the format called `name`.

    `width` None means as wide as the content; it, `color` and `ascii_only` matter only to formats
    that fit a screen.
    """
    chosen = (FORMATS | CHECK_FORMATS)[name]
    module = import_module(f"{__name__}.{chosen.module}")
    if chosen.fits_screen:
        module.render(report, stream, width=width, color=color, ascii_only=ascii_only)
    else:
        module.render(report, stream)


def render_error(name: str, message: str, paths: Sequence[str], stream: TextIO) -> None:
    """Write that there is no report, and why, in a format that `tells_errors`.

    `paths` are the inputs, of which the message may name one.
    """
    import_module(f"{__name__}.{CHECK_FORMATS[name].module}").render_error(message, paths, stream)
