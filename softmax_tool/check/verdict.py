"""What the report of `check` comes to, in sentences whose numbers are those of the report."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from softmax_tool.check.rules import GIVEN
from softmax_tool.renderers.display import count, plural, ulp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.check.report import CheckedCase, CheckFinding, RuleResult


def verdict(
    rules: Sequence[RuleResult], cases: Sequence[CheckedCase], findings: Sequence[CheckFinding]
) -> tuple[str, ...]:
    """Return the sentences: what failed and where the worst is; or that nothing did, and how near.

    `findings` have the worst place of each rule first, if they list any.
    """
    failed = [rule for rule in rules if rule.failed]
    if failed:
        return tuple(_failures(failed, len(rules), findings))
    return tuple(_passes(rules, cases))


def _failures(
    failed: Sequence[RuleResult], looked_for: int, findings: Sequence[CheckFinding]
) -> Iterator[str]:
    yield f"Failed: {count(len(failed))} of {plural(looked_for, 'rule')} found something."
    for rule in failed:
        start = "It is the baseline that is bad: " if rule.code == "BSL102" else ""
        worst = next((finding for finding in findings if finding.code == rule.code), None)
        yield f"{start}{rule.code} {rule.name}, {_extent(rule)}{_place(worst)}."


def _extent(rule: RuleResult) -> str:
    covered = f", of which the budget covers {count(rule.allowed)}" if rule.allowed else ""
    return f"{plural(rule.elements, 'element')} in {plural(rule.rows, 'row')}{covered}"


def _place(worst: CheckFinding | None) -> str:
    if worst is None or worst.row is None:
        return ""
    column = "" if worst.column is None else f", column {worst.column}"
    # Of what is infinitely far off, none is worse than another.
    which = "first" if worst.ulp == inf else "the worst"
    return f"; {which} in row {worst.row}{column}"


def _passes(rules: Sequence[RuleResult], cases: Sequence[CheckedCase]) -> Iterator[str]:
    judged = sum(case.judged for case in cases)
    yield (f"Passed: {plural(len(rules), 'rule')} looked for, {plural(judged, 'element')} judged.")
    for rule in rules:
        if rule.elements:
            yield (f"{rule.code} {rule.name}: {_extent(rule)}.")
    worst = max(cases, key=lambda case: case.max_ulp, default=None)
    if worst is not None:
        name = worst.name
        how = "" if name.formulation == GIVEN else f"{name.formulation} "
        off = f"{ulp(worst.max_ulp)} ULP"
        if worst.allowed_ulp is not None:
            off += f", where up to {ulp(worst.allowed_ulp)} pass"
        yield f"Furthest off: {how}{name.quantity} in {name.dtype}, {off}."
