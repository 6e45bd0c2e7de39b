"""What happened in a row and what mends it, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.explanation.trouble import title_of
from softmax_tool.lookalike import PROBABILITIES
from softmax_tool.renderers import display

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.explanation.report import Gradient, Trouble
    from softmax_tool.lookalike import Likeness

_NOTICEABLE = 0.01  # of a row's gradient
SCALING = (
    "what is too small for the format even through log-softmax, a wider one holds; or multiply the "
    "loss by a power of two before the way back and the gradient by its inverse after it, as loss "
    "scaling does."
)


def story(
    troubles: Sequence[Trouble], dtype: str, likeness: Likeness, *, invalid: bool
) -> Iterator[str]:
    """Yield what went wrong on each way, and after it what mends it; each sentence once."""
    if likeness.kind == PROBABILITIES:
        yield (
            "The row sums to 1, as probabilities do. If that is what they are, softmax has been "
            "applied already: take their logarithm, and then nll."
        )
    if invalid:
        yield (
            "The row is nan by definition: it holds a nan or +inf, or nothing but -inf, once "
            f"rounded to {dtype}. No formulation is to blame; look at where the logits come from."
        )
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
    for way in gradient.ways:
        if way.lost_share is not None and way.lost_share >= _NOTICEABLE:
            through = title_of(("log-softmax", way.formulation))
            lost.setdefault(way.lost_share, []).append(through)
    for share, ways in sorted(lost.items(), reverse=True):
        yield (
            f"Back through {_all_of(ways)} {_how_much(share)} of the row's gradient is lost: "
            f"{'it teaches nothing' if share == 1 else 'it teaches something else'}."
        )
    if any("shifted log-softmax" in ways for ways in lost.values()):
        yield f"Instead: {SCALING}"


def _all_of(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _how_much(share: float) -> str:
    return "all" if share == 1 else f"{display.number(100 * share, 3)} %"


def _cause(trouble: Trouble, told: set[str]) -> str:
    """Tell the step at which it went wrong, where there is one and it has not been told."""
    if not trouble.step:
        return ""
    if trouble.why in told:
        return f" It goes back to the same step, {trouble.step}."
    return f" Step {trouble.step}: {trouble.why}."
