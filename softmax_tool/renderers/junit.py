"""Report of `check` to JUnit XML: a test case a rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from softmax_tool.renderers import display
from softmax_tool.renderers.concise import found_in, sentence, subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from softmax_tool.check.report import CheckFinding, CheckReport, RuleResult

SUITE = "softmax-tool check"

# What the schema of Ant asks for, and nobody needs: the answer is the same at any time and place.
_WHEN_AND_WHERE = 'timestamp="1970-01-01T00:00:00" hostname="localhost"'

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: CheckReport, stream: TextIO) -> None:
    """Write a suite with a case for each rule; a rule that failed is a failure with its findings.

    Valid against the schemas of Jenkins' xUnit plugin and of Apache Ant.
    """
    stream.writelines(f"{line}\n" for line in _lines(report))


def render_error(message: str, _paths: Sequence[str], stream: TextIO) -> None:
    """Write a suite with one case, which is an error: why there is no report."""
    said = display.visible(message)
    counts = 'tests="1" failures="0" errors="1" skipped="0" time="0"'
    case = [
        '    <testcase classname="softmax-tool.check" name="no answer" time="0">',
        f'      <error type="no-answer" message={attribute(said)}>{text(said)}</error>',
        "    </testcase>",
    ]
    stream.writelines(f"{line}\n" for line in _suite(SUITE, counts, case, said, ""))


def text(value: str) -> str:
    r"""Make text fit an element: markup and what XML has no character for stand for themselves.

    Examples
    --------
    >>> text("a < b & \x00")
    'a &lt; b &amp; \\x00'
    """
    return escape(_legal(value))


def attribute(value: str) -> str:
    """Make text fit an attribute, with its quotes.

    Examples
    --------
    >>> attribute('1 < "2"')
    '\\'1 &lt; "2"\\''
    """
    return quoteattr(_legal(value))


def _legal(value: str) -> str:
    return _NO_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), value)


def _lines(report: CheckReport) -> Iterator[str]:
    failures = sum(rule.failed for rule in report.rules)
    counts = f'tests="{len(report.rules)}" failures="{failures}" errors="0" skipped="0" time="0"'
    cases = (line for rule in report.rules for line in _case(report, rule))
    verdict, warnings = " ".join(report.verdict), " ".join(report.warnings)
    yield from _suite(subject(report), counts, cases, verdict, warnings)


def _suite(name: str, counts: str, cases: Iterable[str], out: str, err: str) -> Iterator[str]:
    package = attribute(SUITE)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield "<testsuites>"
    yield (
        f'  <testsuite id="0" package={package} name={attribute(name)} {counts} {_WHEN_AND_WHERE}>'
    )
    yield "    <properties/>"
    yield from cases
    yield f"    <system-out>{text(out)}</system-out>"
    yield f"    <system-err>{text(err)}</system-err>"
    yield "  </testsuite>"
    yield "</testsuites>"


def _case(report: CheckReport, rule: RuleResult) -> Iterator[str]:
    name = attribute(f"{rule.code} {rule.name}")
    start = f'    <testcase classname="softmax-tool.check" name={name} time="0"'
    if not rule.failed:
        yield f"{start}/>"
        return
    places = f"{display.plural(rule.elements, 'element')} in {display.plural(rule.rows, 'row')}"
    listed = "\n".join(_listed(report, f) for f in report.findings if f.code == rule.code)
    yield f"{start}>"
    message = attribute(f"{rule.summary}: {places}")
    yield f"      <failure type={attribute(rule.code)} message={message}>{text(listed)}</failure>"
    yield "    </testcase>"


def _listed(report: CheckReport, finding: CheckFinding) -> str:
    """Print a finding, with its file where that is not the one of the suite."""
    where, suite = found_in(report, finding.code), subject(report)
    return sentence(finding) if where == suite else f"{where}: {sentence(finding)}"
