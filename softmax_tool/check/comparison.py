"""The three-way rule: a candidate and a baseline, both held against the exact values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softmax_tool.check.found import Findings, Found
from softmax_tool.renderers.display import number, ulp

if TYPE_CHECKING:
    from softmax_tool.check.measured import Measured

ALWAYS_GRANTED = 0.5
"""Error in ULP that rounding the exact value once makes."""


def compared_with_baseline(
    candidate: Measured, baseline: Measured, factor: float, codes: frozenset[str]
) -> Findings:
    """Say whether the candidate's largest error is more than `factor` times the baseline's.

    And whether it is the baseline that is bad: beyond the tolerance, or not finite.
    """
    found: dict[str, Found] = {}
    # What is not finite in the baseline allows nothing.
    theirs = baseline.finite.ulp or 0.0
    allowed = max(factor * theirs, ALWAYS_GRANTED)
    furthest = candidate.findings.by_code.get("BSL101")
    if "BSL101" in codes and furthest is not None and candidate.largest_ulp > allowed:
        place = furthest.worst[0]
        text = (
            f"{place.message}; more than {number(factor)} times the baseline's largest error, "
            f"{ulp(theirs)} ULP"
        )
        found["BSL101"] = Found(1, 1, 1, (replace(place, message=text),))
    bad = baseline.findings.by_code.get("BSL102")
    if "BSL102" in codes and bad is not None:
        worst = tuple(replace(p, message=f"the baseline's {p.message}") for p in bad.worst)
        found["BSL102"] = replace(bad, worst=worst)
    return Findings(found)
