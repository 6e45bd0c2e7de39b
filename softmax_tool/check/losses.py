"""Reduced losses on their way: what a formulation makes of the rows, and the exact value."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic import find_model
from softmax_tool.arithmetic.reduction import ExactReduction
from softmax_tool.check.found import Findings, Found, Place
from softmax_tool.formats import FLOAT64, find_format
from softmax_tool.frozen import frozen
from softmax_tool.reductions import reduction_event
from softmax_tool.renderers.display import number
from softmax_tool.sentences import said

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic.protocol import Reduction
    from softmax_tool.report import CaseName
    from softmax_tool.tally import Results
    from softmax_tool.targets import Targets

    Array = NDArray[Any]


@frozen
class LossRows:
    """The losses of a block of rows that count, and what a mean divides by."""

    losses: Array
    divisors: Array
    true: Array  # in two parts where one float64 is not enough
    vanished: bool  # whether some are not 0, but below every float64

    @classmethod
    def of(cls, results: Results, targets: Targets) -> LossRows:
        """Take them from results."""
        divisors = np.ones(len(results.got), results.target.carrier)
        if targets.labels is not None and targets.weights is not None:
            divisors = np.asarray(targets.weights[0, targets.labels[:, 0]])
        return cls(
            results.got[:, 0], divisors, results.exact.summands(), results.exact.has_vanished
        )


@frozen
class ReducedLoss:
    """A loss over the rows seen so far, which come in order: that is how `strict` adds them."""

    name: CaseName
    mine: Reduction
    wide: ExactReduction  # of the same row values
    true: ExactReduction

    @classmethod
    def of(cls, name: CaseName) -> ReducedLoss:
        """Begin with no rows."""
        target = find_format(name.dtype)
        wide = ExactReduction(target)
        mine = wide if name.arithmetic is None else find_model(name.arithmetic).reduction(target)
        return cls(name, mine, wide, ExactReduction(FLOAT64))

    def fold(self, rows: LossRows) -> ReducedLoss:
        """Return the same with further rows."""
        return ReducedLoss(
            self.name,
            self.mine.fold(rows.losses, rows.divisors),
            self.wide.fold(rows.losses, rows.divisors),
            self.true.fold(rows.true, rows.divisors, vanished=rows.vanished),
        )

    def findings(self, reduction: str, rules: frozenset[str]) -> Findings:
        """Say whether the loss is not finite without any row's being to blame, or has stalled."""
        found: dict[str, Found] = {}
        if reduction == "none" or not self.wide.rows:
            return Findings(found)
        value = self.mine.mean() if reduction == "mean" else self.mine.sum()
        exact = self.true.mean() if reduction == "mean" else self.true.sum()
        name = f"{self.name.dtype} {self.name.formulation} {self.name.quantity}"
        rows_are_finite = self.true.losses.special() is None
        if "LSS101" in rules and not isfinite(value) and (isfinite(exact) or rows_are_finite):
            text = f"{reduction} of {name} is {number(value)}"
            if reduction == "mean" and self._divides_by_zero():
                text += ": the weights that it divides by add up to 0 once rounded"
            else:
                text += f", {exactly(self.true, reduction)}"
            found["LSS101"] = _of_all_rows(self.wide.rows, text, value, exact)
        event = None
        if self.name.arithmetic is not None:
            target = find_format(self.name.dtype)
            event = reduction_event(self.mine, self.wide, reduction, target)
        # What overflows and is divided by makes a loss 0.
        if "LSS102" in rules and event is not None and isfinite(value):
            what = f"the sum over the rows of {name}"
            if event.of_divisors:
                what = f"the sum that the mean of {name} divides by"
            text = (
                f"{what} {said(event)}; the {reduction} is {number(value)}, "
                f"{exactly(self.true, reduction)}"
            )
            found["LSS102"] = _of_all_rows(self.wide.rows, text, value, exact)
        return Findings(found)

    def _divides_by_zero(self) -> bool:
        divisors = self.true.divisors
        return divisors.special() is None and not divisors.fraction()


def exactly(true: ExactReduction, reduction: str) -> str:
    """Say what a reduced loss is; that it is not 0 where float64 has nothing else to show."""
    if true.is_tiny(reduction):
        return "not exactly 0, but below every float64"
    return f"exactly {number(true.mean() if reduction == 'mean' else true.sum())}"


def _of_all_rows(rows: int, text: str, value: float, exact: float) -> Found:
    return Found(1, 1, rows, (Place(float("inf"), None, None, text, value, exact),))
