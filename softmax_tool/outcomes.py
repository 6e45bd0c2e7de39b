"""What one case on one block of rows comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen
from softmax_tool.kinds import KINDS, NO_KIND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.distinct import Counts, Distinct
    from softmax_tool.summary import Summary

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]


_NO_VALUES = np.empty((0, 0), np.float32)


@frozen
class LossPart:
    """Row values of one loss on one block, on their way into the reduction."""

    losses: Array  # (kept rows,), in the carrier of the format; float64 for the true losses
    divisors: Array  # what a mean divides by, row by row
    per_row: Array  # (rows,), 0 where a row is ignored
    vanished: bool = False  # whether some are not 0, but below every float64


@frozen
class Marks:
    """The kinds of the elements of some rows; the elements of all others have none."""

    rows: Indices
    kind: NDArray[np.int8]  # (len(rows), classes)
    unavoidable: Mask

    def __add__(self, other: Marks) -> Marks:
        """Join those of different rows."""
        if not (self.rows.size and other.rows.size):
            return self if self.rows.size else other
        return Marks(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.kind, other.kind]),
            np.concatenate([self.unavoidable, other.unavoidable]),
        )

    def of_row(self, row: int) -> NDArray[np.int8]:
        """Return the kinds of one row, or one NO_KIND for all."""
        place = np.flatnonzero(self.rows == row)
        return self.kind[place[0]] if place.size else np.full(1, NO_KIND, np.int8)

    def worst(self, rows: int) -> NDArray[np.int8]:
        """Return the first kind of `KINDS` in each of all rows, avoidable; else len(KINDS)."""
        worst = np.full(rows, len(KINDS), np.int8)
        harmless = self.unavoidable | (self.kind == NO_KIND)
        worst[self.rows] = np.where(harmless, np.int8(len(KINDS)), self.kind).min(axis=1)
        return worst

    def expanded(self, distinct: Distinct) -> Marks:
        """Return those of whole rows, of these of their distinct values."""
        some = distinct[self.rows]
        return Marks(self.rows, some.expand(self.kind), some.expand(self.unavoidable))


_NO_MARKS = Marks(np.empty(0, np.intp), np.empty((0, 0), np.int8), np.empty((0, 0), bool))


@frozen
class CaseOutcome:
    """One case on one block."""

    summary: Summary
    values: Array  # (rows, classes), or (kept rows, 1); empty where nobody asked for them
    marks: Marks
    loss: LossPart | None
    true_loss: LossPart | None
    distinct: Distinct | None = None  # of whole rows, where values are given at these alone

    @property
    def weights(self) -> Counts | None:
        """How many elements each of the values stands for; None where each for itself."""
        return None if self.distinct is None else self.distinct.counts

    def expanded(self) -> CaseOutcome:
        """Return the same with values and marks of whole rows."""
        if self.distinct is None:
            return self
        values, marks = self.distinct.expand(self.values), self.marks.expanded(self.distinct)
        return replace(self, values=values, marks=marks, distinct=None)

    def without_values(self) -> CaseOutcome:
        """Return what is enough for sums over blocks."""
        return CaseOutcome(self.summary, _NO_VALUES, _NO_MARKS, self.loss, self.true_loss)

    def without_marks(self) -> CaseOutcome:
        """Return the same but for the kinds of single elements."""
        return replace(self, marks=_NO_MARKS)
