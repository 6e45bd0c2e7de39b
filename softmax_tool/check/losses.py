"""What there is to say of a reduced loss."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from softmax_tool.check.found import Findings, Found, Place
from softmax_tool.reduced_loss import LossRows
from softmax_tool.renderers.display import number
from softmax_tool.sentences import said

if TYPE_CHECKING:
    from softmax_tool.arithmetic.reduction import ExactReduction
    from softmax_tool.reduced_loss import ReducedLoss
    from softmax_tool.tally import Results
    from softmax_tool.targets import Targets


def loss_rows(results: Results, targets: Targets) -> LossRows:
    """Take the losses of rows from results."""
    return LossRows(
        results.got[:, 0],
        targets.divisors(len(results.got), results.target),
        results.exact.summands(),
        results.exact.has_vanished,
    )


def findings(loss: ReducedLoss, reduction: str, rules: frozenset[str]) -> Findings:
    """Say whether the loss is not finite without any row's being to blame, or has stalled."""
    found: dict[str, Found] = {}
    rows = loss.wide.rows
    if reduction == "none" or not rows:
        return Findings(found)
    value, exact = loss.value(reduction), loss.true.value(reduction)
    name = f"{loss.name.dtype} {loss.name.formulation} {loss.name.quantity}"
    rows_are_finite = loss.true.losses.special() is None
    is_weighed_down = loss.true.divisors.special() is not None
    is_unexplained = isfinite(exact) or rows_are_finite or is_weighed_down
    if "LSS101" in rules and not isfinite(value) and is_unexplained:
        text = f"{reduction} of {name} is {number(value)}"
        if is_weighed_down:
            text += ": the weight of a label is infinite once rounded"
        elif reduction == "mean" and _divides_by_zero(loss):
            text += ": the weights that it divides by add up to 0 once rounded"
        else:
            text += f", {exactly(loss.true, reduction)}"
        found["LSS101"] = _of_all_rows(rows, text, value, exact)
    event = loss.event(reduction)
    # What overflows and is divided by makes a loss 0.
    if "LSS102" in rules and event is not None and isfinite(value):
        what = f"the sum over the rows of {name}"
        if event.of_divisors:
            what = f"the sum that the mean of {name} divides by"
        text = (
            f"{what} {said(event)}; the {reduction} is {number(value)}, "
            f"{exactly(loss.true, reduction)}"
        )
        found["LSS102"] = _of_all_rows(rows, text, value, exact)
    return Findings(found)


def _divides_by_zero(loss: ReducedLoss) -> bool:
    divisors = loss.true.divisors
    return divisors.special() is None and not divisors.fraction()


def exactly(true: ExactReduction, reduction: str) -> str:
    """Say what a reduced loss is; that it is not 0 where float64 has nothing else to show."""
    if true.is_tiny(reduction):
        return "not exactly 0, but below every float64"
    return f"exactly {number(true.value(reduction))}"


def _of_all_rows(rows: int, text: str, value: float, exact: float) -> Found:
    return Found(1, 1, rows, (Place(float("inf"), None, None, text, value, exact),))
