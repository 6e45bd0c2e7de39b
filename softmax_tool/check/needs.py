"""What rules need to have something to look at, told where it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.check.rules import selected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from softmax_tool.check.request import Request
    from softmax_tool.check.rules import About, Rule

_NEEDS: dict[About, str] = {
    "input": "logits",
    "labels": "labels",
    "computation": "a formulation that is computed, and no --candidate",
    "losses": "labels, an op that is a loss, and no --candidate",
    "candidate": "a --candidate",
    "baseline": "a --baseline",
}


def looked_for(request: Request, there: set[About]) -> tuple[Rule, ...]:
    """Return the selected rules that have something to look at."""
    rules = selected(request.select, request.ignore)
    return tuple(rule for rule in rules if there & set(rule.about))


def idle(request: Request, active: Iterable[Rule]) -> Iterator[str]:
    """Tell of each rule that was selected by itself, and is not looked for, what it needs."""
    known = set(active)
    asked = {entry.lower() for entry in request.select}
    for rule in selected(request.select, request.ignore):
        if rule not in known and {rule.code.lower(), rule.name} & asked:
            yield f"--select {needed([rule])}; it was not looked for"


def needed(rules: Sequence[Rule]) -> str:
    """Say what rules need, those of the same need together."""
    groups: dict[str, list[str]] = {}
    for rule in rules:
        what = ", or ".join(_NEEDS[about] for about in rule.about)
        groups.setdefault(what, []).append(rule.code)
    return "; ".join(
        f"{', '.join(codes)} {'needs' if len(codes) == 1 else 'need'} {what}"
        for what, codes in groups.items()
    )
