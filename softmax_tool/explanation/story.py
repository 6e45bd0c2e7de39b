"""What happened in a row and what mends it, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.lookalike import PROBABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.explanation.report import Trouble
    from softmax_tool.lookalike import Likeness


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


def _cause(trouble: Trouble, told: set[str]) -> str:
    """Tell the step at which it went wrong, where there is one and it has not been told."""
    if not trouble.step:
        return ""
    if trouble.why in told:
        return f" It goes back to the same step, {trouble.step}."
    return f" Step {trouble.step}: {trouble.why}."
