"""What happened in a row and what mends it, in sentences."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.explanation.trouble import title_of
from softmax_tool.formats import FLOAT32
from softmax_tool.formulations import GRADIENT
from softmax_tool.lookalike import PROBABILITIES
from softmax_tool.renderers import display

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.explanation.report import Gradient, GradientWay, Trouble
    from softmax_tool.explanation.truth import Truth
    from softmax_tool.formats import FloatFormat
    from softmax_tool.lookalike import Likeness
    from softmax_tool.tally import Results

_NOTICEABLE = 0.01  # of a row's gradient
_TOO_SMALL = FLOAT32.smallest_subnormal / 2  # and what is smaller is 0 even in float32
SCALING = (
    "what is too small for the format even through log-softmax, a wider one holds; or, where the "
    "way back keeps its steps in a wider format as fused arithmetic does, multiply the loss by a "
    "power of two before it and the gradient by its inverse after it, as loss scaling does."
)


def story(
    troubles: Sequence[Trouble],
    dtype: str,
    likeness: Likeness,
    undefined: str | None,
    *,
    identical: bool,
) -> Iterator[str]:
    """Yield each cause with the ways it hits, and after it what mends them; each remedy once.

    `undefined` tells why the row is nan by definition, None where it is not; `identical`, that
    naive and shifted softmax are the same to the last bit.
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
        yield (
            f"Nothing goes wrong in {dtype} beyond rounding: both ways give the same softmax"
            f"{', to the last bit' if identical else ' but for that'}."
        )
        return
    told: set[str] = set()
    for group in _by_cause(troubles):
        repairs = [text for text in dict.fromkeys(x.repair for x in group) if text not in told]
        above = "" if repairs else " What is said above mends this too."
        yield f"{_said(group)}.{_cause(group)}{above}"
        yield from (f"Instead: {text}" for text in repairs)
        told.update(repairs)


def _by_cause(troubles: Sequence[Trouble]) -> list[list[Trouble]]:
    """Put together what goes back to the same event, or rounds to the same value."""
    groups: dict[object, list[Trouble]] = {}
    for trouble in troubles:
        event = (trouble.step, trouble.at_column, trouble.operand, trouble.limit)
        groups.setdefault(event if trouble.step else trouble.why, []).append(trouble)
    return list(groups.values())


def _said(group: Sequence[Trouble]) -> str:
    """Tell what is wrong; of two ways with the same result, the second by its name alone."""
    alike: dict[str, list[str]] = {}
    for trouble in group:
        back = trouble.quantity == GRADIENT
        title = title_of(("log-softmax" if back else trouble.quantity, trouble.formulation))
        rest = trouble.said.replace(title, "", 1)
        alike.setdefault(rest, [trouble.said]).append(title)
    return "; ".join(_likewise(*ways) for ways in alike.values())


def _likewise(said: str, _: str, *others: str) -> str:
    if not others:
        return said
    through = "through " if said.startswith("the gradient") else ""
    return f"{said}, likewise {through}{_all_of(others)}"


def _cause(group: Sequence[Trouble]) -> str:
    """Tell the step at which it went wrong, where there is one."""
    first = group[0]
    if not first.step:
        return ""
    if len(group) == 1:
        return f" Step {first.step}: {first.why}."
    both = "Both" if len(group) == 2 else "All"
    return f" {both} go back to step {first.step}: {first.why}."


def beyond(
    log_softmax: Results, truth: Truth, label: int | None, target: FloatFormat
) -> Iterator[str]:
    """Yield which true log-softmax the format has no number for, and what holds it.

    Nothing went wrong there: an infinity is what such a value rounds to.
    """
    rounded, infinite = log_softmax.judged.rounded[0], log_softmax.exact.infinite[0]
    columns = np.flatnonzero(~np.isfinite(rounded) & ~infinite)
    if truth.invalid or not columns.size:
        return
    column = label if label is not None and label in columns else int(columns[0])
    more = f" and {columns.size - 1} more" if columns.size > 1 else ""
    true = display.number(truth.log_probability(column).number)
    loss = ", and the loss is inf" if column == label else ""
    yield (
        f"{target.name} has no number for log-softmax of class {column}{more}: the true value, "
        f"{true}, is beyond {display.number(target.max_finite)}, the largest, and rounds to "
        f"-inf{loss}. Instead: a wider dtype, which holds it."
    )


def learning(gradient: Gradient | None, target: FloatFormat) -> Iterator[str]:
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
        yield from _mend(gradient, target)


def _all_of(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _finite(way: GradientWay) -> bool:
    return all(isfinite(entry.value) for entry in way.entries)


def _mend(gradient: Gradient, target: FloatFormat) -> Iterator[str]:
    """Say what helps where the format does not hold what even log-softmax hands back."""
    true = [abs(Decimal(entry.exact)) for entry in gradient.ways[-1].entries]
    if not any(0 < x <= target.smallest_subnormal / 2 for x in true):
        return
    largest = max(true)
    if largest > _TOO_SMALL:
        yield f"Instead: {SCALING}"
    else:
        yield (
            f"Nothing is to be mended: the true gradient, {display.on_board(largest)} at most, is "
            "0 even in float32; the row is as good as learned."
        )
