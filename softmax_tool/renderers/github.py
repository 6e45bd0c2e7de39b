"""Report of `check` to annotations of a GitHub workflow: worst first, no more than are shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from softmax_tool.renderers import display
from softmax_tool.renderers.concise import advice, found_in, sentence, subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from softmax_tool.check.report import CheckFinding, CheckReport

SHOWN = 10
"""GitHub shows so many annotations of each type of a step; the others it drops in silence."""


def render(report: CheckReport, stream: TextIO) -> None:
    """Write one workflow command a line: errors for findings, warnings, and the verdict.

    The last error says how many findings there are beside those shown.
    """
    stream.writelines(f"{line}\n" for line in _lines(report))


def render_error(message: str, paths: Sequence[str], stream: TextIO) -> None:
    """Write one error: why there is no report, at the file and line that the message names."""
    properties = {**_place(message, paths), "title": "softmax-tool check"}
    stream.write(f"{command('error', display.visible(message), properties)}\n")


def command(kind: str, message: str, properties: Mapping[str, str]) -> str:
    """Write a workflow command, its text escaped so that it is one.

    Examples
    --------
    >>> command("error", "100 %, row 1\\n::x", {"title": "a: b, c"})
    '::error title=a%3A b%2C c::100 %25, row 1%0A::x'
    """
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(message)}" if listed else f"::{kind}::{_data(message)}"


def _place(message: str, paths: Sequence[str]) -> dict[str, str]:
    """Give the file that a message begins with, and the line where one follows.

    >>> _place("a.csv:3: column 1: x is no number", ["a.csv"]), _place("a.csv: is empty", ["b.csv"])
    ({'file': 'a.csv', 'line': '3'}, {})
    """
    for path in paths:
        found = re.match(rf"{re.escape(path)}:(?:([0-9]+):)?", message)
        if found is not None:
            return {"file": path} if found[1] is None else {"file": path, "line": found[1]}
    return {}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _lines(report: CheckReport) -> Iterator[str]:
    failed = _worst_first(report)
    shown = failed if 0 < len(failed) <= SHOWN else failed[: SHOWN - 1]
    for finding in shown:
        where = found_in(report, finding.code)
        yield command("error", f"{where}: {sentence(finding)}", _properties(finding))
    if not report.passed and shown is not failed:
        more = display.plural(len(failed) - len(shown), "more finding")
        yield command("error", f"{subject(report)}: {more}; {_counts(report)}", {})
    for warning in report.warnings[:SHOWN]:
        yield command("warning", display.visible(warning), {})
    for option in report.suggestions:
        yield command("notice", advice(option), {"title": "softmax-tool check --suggest"})
    yield command("notice", " ".join(report.verdict), {"title": "softmax-tool check"})


def _worst_first(report: CheckReport) -> list[CheckFinding]:
    """Take from every rule that failed in turn, so that each shows; the worst of each first."""
    of_rules = [
        [finding for finding in report.findings if finding.code == rule.code]
        for rule in report.rules
        if rule.failed
    ]
    longest = max(map(len, of_rules), default=0)
    return [found[i] for i in range(longest) for found in of_rules if i < len(found)]


def _properties(finding: CheckFinding) -> dict[str, str]:
    return {"title": f"{finding.code} {finding.name}"}


def _counts(report: CheckReport) -> str:
    return ", ".join(
        f"{rule.code} in {display.plural(rule.rows, 'row')}" for rule in report.rules if rule.failed
    )
