"""Outcomes of blocks, added up in the order of the rows, and what a report says of their sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.blocks import Earlier
from softmax_tool.declared import Sighting
from softmax_tool.exact.number import of_number
from softmax_tool.formats import find_format
from softmax_tool.formulations import LOSSES
from softmax_tool.pairing import pair_report, pairs_of
from softmax_tool.reduced_loss import LossRows, ReducedLoss
from softmax_tool.report import Case, InputRounding, Loss
from softmax_tool.screening import Seen
from softmax_tool.shown import ShownRows
from softmax_tool.summary import PairSummary, RoundingSummary, Summary
from softmax_tool.ulp import HISTOGRAM_EDGES, TINIEST, Ruler

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.blocks import BlockOutcome
    from softmax_tool.formats import FloatFormat
    from softmax_tool.outcomes import CaseOutcome
    from softmax_tool.plan import Options, Plan
    from softmax_tool.report import Pair

    Array = NDArray[Any]


class Totals:
    """Adds outcomes up, in row order, and turns the sums into the parts of a report."""

    def __init__(self, plan_: Plan, options: Options) -> None:
        self.plan, self.options = plan_, options
        self.names = plan_.cases
        self.pairs = pairs_of(self.names)
        self.rows = 0
        self.sighting = Sighting()
        self.shown = ShownRows(options)
        self._summaries = [Summary(options.top) for _ in self.names]
        self._pairs = [PairSummary() for _ in self.pairs]
        self._rounding = [RoundingSummary() for _ in plan_.formats]
        losses = {i: name for i, name in enumerate(self.names) if name.quantity in LOSSES}
        self._losses = {index: ReducedLoss.of(name) for index, name in losses.items()}
        self._per_row: dict[int, list[Array]] = {index: [] for index in losses}

    def add(self, outcome: BlockOutcome) -> None:
        """Take the outcome of the next block."""
        self.rows += len(outcome.kept)
        for index, case in enumerate(outcome.cases):
            self._summaries[index] += case.summary
            if index in self._losses:
                self._add_loss(index, case)
        for index, pair in enumerate(outcome.pairs):
            self._pairs[index] += pair
        for index, rounding in enumerate(outcome.rounding):
            self._rounding[index] += rounding

    def _add_loss(self, index: int, case: CaseOutcome) -> None:
        part, true = case.loss, case.true_loss
        assert part is not None  # noqa: S101  (a loss has parts)
        assert true is not None  # noqa: S101
        rows = LossRows(part.losses, part.divisors, true.losses, true.vanished)
        self._losses[index] = self._losses[index].fold(rows)
        if self.options.reduction == "none":
            self._per_row[index].append(part.per_row)

    def earlier(self) -> Earlier:
        """Return what later rows must exceed to be told."""
        cases = tuple(map(Seen.of, self._summaries))
        return Earlier(cases, tuple(self._pairs), self.shown.limit)

    def case(self, index: int) -> Case:
        """Return all that is said of one computation."""
        s = self._summaries[index]
        return Case(
            name=self.names[index],
            rows=s.rows,
            elements=s.elements,
            kinds=s.kind_counts(),
            masked=s.masked,
            invalid_rows=s.invalid_rows,
            rank_changes=s.rank_changes,
            correctly_rounded=s.correctly_rounded,
            max_ulp=s.ulp.largest,
            mean_ulp=s.ulp.mean,
            infinite_ulp=s.ulp.infinite,
            ulp_histogram=tuple(zip(HISTOGRAM_EDGES, s.ulp.histogram, strict=True)),
            max_abs_error=s.max_abs_error,
            max_rel_error=s.max_rel_error,
            bound_ratio=s.bound_ratio,
            bound_elements=s.bound_elements,
            lost_share=s.lost_share,
            worst=s.worst,
            rows_hit=s.rows_hit,
            judged=s.judged,
        )

    def losses(self, label_shape: tuple[int, ...]) -> tuple[Loss, ...]:
        """Return the losses, those of single rows in the shape of the labels."""
        return tuple(self._loss(index, label_shape) for index in self._losses)

    def _loss(self, index: int, label_shape: tuple[int, ...]) -> Loss:
        name, loss = self.names[index], self._losses[index]
        kinds = self._summaries[index].kind_counts()
        target, reduction = find_format(name.dtype), self.options.reduction
        if reduction == "none":
            whole = np.concatenate(self._per_row[index]).reshape(label_shape)
            return Loss(name, reduction, None, target.stored(whole), kinds, None, None)
        value, true = loss.value(reduction), loss.true
        tiny = true.is_tiny(reduction)
        error = _scalar_ulp(value, true.exact(reduction), target)
        if tiny and value == 0:
            error = TINIEST
        event = loss.event(reduction)
        return Loss(name, reduction, value, None, kinds, true.value(reduction), error, event, tiny)

    def pair_reports(self) -> tuple[Pair, ...]:
        """Return how the pairs compare."""
        return tuple(
            pair_report(self.names[a], self.names[b], total)
            for (a, b), total in zip(self.pairs, self._pairs, strict=True)
        )

    def rounding_reports(self) -> tuple[InputRounding, ...]:
        """Return what rounding the logits to each dtype did to them."""
        return tuple(
            InputRounding(
                target.name,
                total.overflowed,
                total.underflowed,
                total.changed,
                total.new_ties,
                total.min_logit,
                total.max_logit,
                total.far_apart,
            )
            for target, total in zip(self.plan.formats, self._rounding, strict=True)
        )


def _scalar_ulp(value: float, true: Fraction | float, target: FloatFormat) -> float:
    got = np.full((1, 1), value).astype(target.carrier)
    return float(Ruler.of(of_number(true, target), target).errors(got)[0, 0])
