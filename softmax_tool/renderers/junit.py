"""Report of `check` to JUnit XML: a test case a rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from softmax_tool.renderers import display
from softmax_tool.renderers.concise import sentence, subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from softmax_tool.check.report import CheckReport, RuleResult

SUITE = "softmax-tool check"

# What the schema of Ant asks for, and nobody needs: the answer is the same at any time and place.
_WHEN_AND_WHERE = 'timestamp="1970-01-01T00:00:00" hostname="localhost"'

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: CheckReport, stream: TextIO) -> None:
    """Write a suite with a case for each rule; a rule that failed is a failure with its findings.

    Valid against the schemas of Jenkins' xUnit plugin and of Apache Ant.
    """
    stream.writelines(f"{line}\n" for line in _lines(report))


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
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield "<testsuites>"
    name = attribute(subject(report))
    yield f'  <testsuite id="0" package={attribute(SUITE)} name={name} {counts} {_WHEN_AND_WHERE}>'
    yield "    <properties/>"
    for rule in report.rules:
        yield from _case(report, rule)
    yield f"    <system-out>{text(' '.join(report.verdict))}</system-out>"
    yield f"    <system-err>{text(' '.join(report.warnings))}</system-err>"
    yield "  </testsuite>"
    yield "</testsuites>"


def _case(report: CheckReport, rule: RuleResult) -> Iterator[str]:
    name = attribute(f"{rule.code} {rule.name}")
    start = f'    <testcase classname="softmax-tool.check" name={name} time="0"'
    if not rule.failed:
        yield f"{start}/>"
        return
    places = f"{display.plural(rule.elements, 'element')} in {display.plural(rule.rows, 'row')}"
    listed = "\n".join(sentence(f) for f in report.findings if f.code == rule.code)
    yield f"{start}>"
    message = attribute(f"{rule.summary}: {places}")
    yield f"      <failure type={attribute(rule.code)} message={message}>{text(listed)}</failure>"
    yield "    </testcase>"
