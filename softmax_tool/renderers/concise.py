"""Report of `check` to lines: one a finding, as compilers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.check.rules import BY_CODE
from softmax_tool.renderers import display
from softmax_tool.renderers.of_check import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from softmax_tool.check.report import CheckFinding, CheckReport, RuleResult

LONGEST_LIST = 3
"""So many files are named; of more, the first and the last."""


def render(report: CheckReport, stream: TextIO) -> None:
    """Write a line a finding, then one for each rule that found more than is listed.

    A line is `PATH: row R, column C: CODE MESSAGE`. A pass writes nothing, and what the budget
    covers is none. Last comes what tolerances would pass, where that was asked.
    """
    stream.writelines(f"{line}\n" for line in _lines(report))


def subject(report: CheckReport) -> str:
    """Name what is judged: the candidate, or else the logits."""
    given = report.candidate
    return _files(report.input.paths if given is None else (given.name,))


def found_in(report: CheckReport, code: str) -> str:
    """Name the file that a rule finds something in: the logits, unless it is about results."""
    return _files(report.input.paths) if BY_CODE[code].is_of_input else subject(report)


def _files(paths: Sequence[str]) -> str:
    names = [display.visible(display.files([path])) for path in paths]
    if len(names) > LONGEST_LIST:
        return f"{names[0]} … {names[-1]}"
    return ", ".join(names)


def sentence(finding: CheckFinding) -> str:
    """Print a finding without its file: place, code, message."""
    where = place(finding)
    return f"{where}: {said(finding)}" if where else said(finding)


def said(finding: CheckFinding) -> str:
    """Print a finding without its place: code and message."""
    return f"{finding.code} {display.visible(finding.message)}"


def total(rule: RuleResult, listed: int) -> str:
    """Say how much one rule found, where not all of it is listed."""
    return (
        f"{rule.code} {rule.name}: {display.plural(rule.elements, 'element')} in "
        f"{display.plural(rule.rows, 'row')}, {display.plural(listed, 'place')} listed"
    )


def advice(option: str) -> str:
    """Say that an option is the tightest of its kind that passes, or that none does."""
    return f"tightest that passes: {option}" if option.startswith("--") else option


def _lines(report: CheckReport) -> Iterator[str]:
    failed = {rule.code: rule for rule in report.rules if rule.failed}
    found = [finding for finding in report.findings if finding.code in failed]
    for finding in found:
        yield f"{found_in(report, finding.code)}: {sentence(finding)}"
    for code, rule in failed.items():
        places = [finding for finding in found if finding.code == code]
        whole = any(finding.row is None for finding in places)
        if rule.rows > len(places) and not whole:
            yield f"{found_in(report, code)}: {total(rule, len(places))}"
    for option in report.suggestions:
        yield f"{subject(report)}: {advice(option)}"
