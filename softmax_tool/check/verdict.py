"""What the report of `check` comes to, in sentences whose numbers are those of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.renderers.display import number, plural, ulp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.check.report import CheckedCase, RuleResult


def verdict(rules: Sequence[RuleResult], cases: Sequence[CheckedCase]) -> tuple[str, ...]:
    """Return the sentences: what failed, or that nothing did and how near it was."""
    failed = [rule for rule in rules if rule.failed]
    if failed:
        return tuple(_failures(failed))
    return tuple(_passes(rules, cases))


def _failures(failed: Sequence[RuleResult]) -> Iterator[str]:
    listed = ", ".join(f"{rule.code} {rule.name}" for rule in failed)
    yield f"Failed: {plural(len(failed), 'rule')} found something: {listed}."


def _passes(rules: Sequence[RuleResult], cases: Sequence[CheckedCase]) -> Iterator[str]:
    judged = sum(case.judged for case in cases)
    yield (
        f"Passed: {plural(len(rules), 'rule')} found nothing in {plural(judged, 'judged element')}."
    )
    covered = [rule for rule in rules if rule.elements]
    for rule in covered:
        yield (
            f"{rule.code} {rule.name}: {plural(rule.elements, 'element')}, which the budget of "
            f"{number(rule.allowed)} covers."
        )
    worst = max(cases, key=lambda case: case.max_ulp, default=None)
    if worst is not None and worst.judged:
        yield (
            f"Furthest off: {worst.name.formulation} {worst.name.quantity} in {worst.name.dtype}, "
            f"{ulp(worst.max_ulp)} ULP."
        )
