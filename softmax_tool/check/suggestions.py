"""The tightest tolerance that would pass, as options of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.check.measured import Largest
from softmax_tool.check.rules import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.check.measured import Measured
    from softmax_tool.check.report import RuleResult
    from softmax_tool.check.tolerance import Budget

# What is found of the same elements where the tolerance holds.
_WITHIN = {"UND101": "UND102", "ABS101": "ABS102"}


def suggestions(
    rules: Sequence[RuleResult], subjects: Sequence[Measured], *, budget: Budget
) -> tuple[str, ...]:
    """Return options each of which alone would pass, or say that no tolerance would.

    Each is the largest error there is: one notch tighter, and that element fails. So no budget is
    needed with any; with one, tighter options may pass, which is said.
    """
    found = tuple(_suggestions(rules, subjects))
    needless = budget.count or budget.share
    if needless and any(option.startswith("--") for option in found):
        return (*found, f"each passes without --budget {budget.text}; with it, tighter ones may")
    return found


def _suggestions(rules: Sequence[RuleResult], subjects: Sequence[Measured]) -> Iterator[str]:
    looked_for = {rule.code for rule in rules}
    others = [
        rule
        for rule in rules
        if rule.failed and (not BY_CODE[rule.code].budgeted or _WITHIN.get(rule.code) in looked_for)
    ]
    if others:
        listed = ", ".join(f"{rule.code} {rule.name}" for rule in others)
        yield f"no tolerance passes: it has no say in {listed}"
        return
    if any(found.intolerable for m in subjects for found in m.findings.by_code.values()):
        yield (
            "no tolerance passes: it has no say in results that are nan or infinite, nor where the "
            "exact value is"
        )
        return
    worst = sum((measured.wrong for measured in subjects), Largest())
    for option, largest in (
        ("--max-ulp", worst.ulp),
        ("--max-abs", worst.absolute),
        ("--max-rel", worst.relative),
    ):
        if largest is None or largest < float("inf"):
            yield f"{option} {largest or 0.0!r}"
