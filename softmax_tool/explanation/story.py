"""What happened in a row and what mends it, in sentences."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

from softmax_tool.explanation.trouble import title_of
from softmax_tool.formats import FLOAT32
from softmax_tool.lookalike import PROBABILITIES
from softmax_tool.renderers import display

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.explanation.report import Gradient, GradientWay, Trouble
    from softmax_tool.lookalike import Likeness

_NOTICEABLE = 0.01  # of a row's gradient
_TOO_SMALL = FLOAT32.smallest_subnormal / 2  # and what is smaller is 0 even in float32
SCALING = (
    "what is too small for the format even through log-softmax, a wider one holds; or multiply the "
    "loss by a power of two before the way back and the gradient by its inverse after it, as loss "
    "scaling does."
)


def story(
    troubles: Sequence[Trouble], dtype: str, likeness: Likeness, undefined: str | None
) -> Iterator[str]:
    """Yield what went wrong on each way, and after it what mends it; each sentence once.

    `undefined` tells why the row is nan by definition, None where it is not.
    """
    if likeness.kind == PROBABILITIES:
        yield (
            "The row sums to 1, as probabilities do. If that is what they are, softmax has been "
            "applied already: take their logarithm, and then nll."
        )
    if undefined is not None:
        yield undefined
        return
    if not troubles:
        yield f"Nothing goes wrong in {dtype} beyond rounding: both ways give the same softmax."
        return
    told: set[str] = set()
    for trouble in troubles:
        yield f"{trouble.said}.{_cause(trouble, told)}"
        if trouble.repair not in told:
            yield f"Instead: {trouble.repair}"
        told |= {trouble.why, trouble.repair}


def learning(gradient: Gradient | None) -> Iterator[str]:
    """Yield what is lost of the gradient, and so of what the row could teach."""
    if gradient is None:
        return
    lost: dict[float, list[str]] = {}
    spoiling: list[str] = []
    for way in gradient.ways:
        through = title_of(("log-softmax", way.formulation))
        if not _finite(way):
            spoiling.append(through)
        if way.lost_share is not None and way.lost_share >= _NOTICEABLE:
            lost.setdefault(way.lost_share, []).append(through)
    for share, ways in sorted(lost.items(), reverse=True):
        much = display.fraction(share)
        yield (
            f"Back through {_all_of(ways)} {much} of the row's gradient is lost: "
            f"{'it teaches nothing' if share == 1 else 'it teaches something else'}."
        )
    if spoiling:
        yield (
            f"What {_all_of(spoiling)} {'hand' if spoiling[1:] else 'hands'} back is not finite: "
            "worse than nothing, for it spoils every weight that it reaches."
        )
    if any("shifted log-softmax" in ways for ways in lost.values()):
        yield from _mend(gradient)


def _all_of(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _finite(way: GradientWay) -> bool:
    return all(isfinite(entry.value) for entry in way.entries)


def _mend(gradient: Gradient) -> Iterator[str]:
    """Say what helps where the format does not hold what even log-softmax hands back."""
    if all(entry.kind != "underflow" for entry in gradient.ways[-1].entries):
        return
    largest = max(abs(Decimal(entry.exact)) for entry in gradient.ways[-1].entries)
    if largest > _TOO_SMALL:
        yield f"Instead: {SCALING}"
    else:
        yield (
            f"Nothing is to be mended: the true gradient, {display.on_board(largest)} at most, is "
            "0 even in float32; the row is as good as learned."
        )


def _cause(trouble: Trouble, told: set[str]) -> str:
    """Tell the step at which it went wrong, where there is one and it has not been told."""
    if not trouble.step:
        return ""
    if trouble.why in told:
        return f" It goes back to the same step, {trouble.step}."
    return f" Step {trouble.step}: {trouble.why}."
