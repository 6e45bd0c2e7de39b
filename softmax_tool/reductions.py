"""What went wrong in adding up the rows of a loss, each of which may be fine."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING

from softmax_tool.arithmetic.tracing import stall_tolerance
from softmax_tool.exact import decimals
from softmax_tool.report import ReductionEvent

if TYPE_CHECKING:
    from softmax_tool.arithmetic.protocol import Reduction
    from softmax_tool.arithmetic.reduction import ExactReduction
    from softmax_tool.exact_sum import ExactSum
    from softmax_tool.formats import FloatFormat


def reduction_event(
    mine: Reduction, exactly: ExactReduction, reduction: str, target: FloatFormat
) -> ReductionEvent | None:
    """Judge a reduction by the exact sums of the same row values; the losses' sum comes first.

    It overflowed where finite values gave an infinite sum, and stalled where the sum is further
    off than one kept in a wide accumulator may be. A mean needs the sum of the divisors as well.
    """
    losses, divisors = mine.sums()
    rows = exactly.rows
    if reduction == "sum" and abs(exactly.losses.fraction()) >= target.overflow_threshold:
        return None  # no reduction could do better
    event = _judge(losses, exactly.losses, rows, target)
    if event is not None or reduction != "mean":
        return event
    event = _judge(divisors, exactly.divisors, rows, target)
    return None if event is None else replace(event, of_divisors=True)


def _judge(
    computed: Fraction | float, total: ExactSum, rows: int, target: FloatFormat
) -> ReductionEvent | None:
    if total.special() is not None or not rows:
        return None
    exact = total.fraction()
    if isinstance(computed, float) and not isfinite(computed):
        return ReductionEvent("overflow", decimals.number(exact), target.max_finite)
    missed = abs(Fraction(computed) - exact)
    allowed = Fraction(stall_tolerance(rows, target)) * abs(exact)
    if missed <= allowed:
        return None
    return ReductionEvent("stalled-sum", decimals.number(missed), decimals.number(allowed))
