"""A loss on its way over the rows: what an arithmetic makes of it, and what is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool.arithmetic import find_model
from softmax_tool.arithmetic.reduction import ExactReduction
from softmax_tool.formats import FLOAT64, find_format
from softmax_tool.frozen import frozen
from softmax_tool.reductions import reduction_event

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic.protocol import Reduction
    from softmax_tool.report import CaseName, ReductionEvent

    Array = NDArray[Any]


@frozen
class LossRows:
    """The losses of a block of rows that count, each (rows,), and what a mean divides by."""

    losses: Array
    divisors: Array
    true: Array  # in two parts, one after the other, where one float64 is not enough
    vanished: bool  # whether some true ones are not 0, but below every float64


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

    def value(self, reduction: str) -> float:
        """Return the mean or the sum that was computed; for `exact`, the true one rounded once."""
        if self.name.arithmetic is None:
            target = find_format(self.name.dtype)
            return ExactReduction(target, self.true.losses, self.true.divisors).value(reduction)
        return self.mine.mean() if reduction == "mean" else self.mine.sum()

    def event(self, reduction: str) -> ReductionEvent | None:
        """Say what went wrong in adding up, and not in a row."""
        if self.name.arithmetic is None:
            return None
        return reduction_event(self.mine, self.wide, reduction, find_format(self.name.dtype))
