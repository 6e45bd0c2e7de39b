"""One case on one block of rows: computed, judged, and added up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.bounds import half_an_ulp
from softmax_tool.computation import Computation
from softmax_tool.formulations import EXACT, FORMULATIONS, LOSSES
from softmax_tool.frozen import frozen
from softmax_tool.glance import glance
from softmax_tool.judged_results import judged_results
from softmax_tool.outcomes import CaseOutcome, LossPart, Marks
from softmax_tool.row_sets import rows_of
from softmax_tool.scattered import Scattered, judge_scattered
from softmax_tool.screening import Limit, Listing, Screen, Seen
from softmax_tool.summary import largest, worst_of
from softmax_tool.tally import Results, summarise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic
    from softmax_tool.exact import Exact
    from softmax_tool.infinities import Infinities
    from softmax_tool.plan import Options, Slice, Variant
    from softmax_tool.report import CaseName
    from softmax_tool.rows import Rows, Yardsticks
    from softmax_tool.screening import Screened
    from softmax_tool.summary import Summary
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]


@frozen
class CaseWork:
    """One case on one block: computes its results, judges them, adds them up."""

    name: CaseName
    variant: Variant
    yardsticks: Yardsticks
    numbers: NDArray[np.int64]
    options: Options
    measured: bool = True  # whether errors are added up
    at_distinct: Rows | None = None  # the same rows, where a loss needs no other classes

    def outcome(self, got: Array, shared: Arithmetic, stalled: Mask, seen: Seen) -> CaseOutcome:
        """Judge results of an elementwise quantity, add up.

        `shared` remembers what was computed on the way to them; in `stalled` rows a sum stalled.
        """
        plain, summary, marks = self._screened(got, stalled, seen, shared)
        rest = np.flatnonzero(~plain)
        if rest.size == len(got):
            marks, summary = self.judged_summary(got, rest, seen, shared)
        elif rest.size:
            more_marks, more = self.of_rows(rest).judged_summary(rows_of(got, rest), rest, seen)
            marks, summary = marks + more_marks, summary + more
        return CaseOutcome(summary, got, marks, None, None, self.rows.distinct)

    def swept_outcome(
        self, got: Array, screened: Screened, shared: Arithmetic, seen: Seen
    ) -> CaseOutcome:
        """Return what is added up of rows that are all plain, but of single elements."""
        summary, marks = screened.summary, _no_marks(self.rows.logits.shape[1])
        if screened.rows.size:
            scattered = self._scattered(got, screened, shared)
            if not isinstance(scattered, Scattered):
                return self.outcome(got, shared, ~screened.plain, seen)
            summary = self._with_kinds(screened, scattered, seen)
            marks = scattered.marks(got.shape[1])
        return CaseOutcome(summary, got, marks, None, None, self.rows.distinct)

    def infinite_outcome(
        self, got: Array, known: Infinities, shared: Arithmetic, seen: Seen
    ) -> CaseOutcome:
        """Judge results none of which is finite, and add up; true values are hardly asked for."""
        judged = self.judge(got, shared, known)
        marks, summary = self._summarised(judged, np.arange(len(got)), seen)
        return CaseOutcome(summary, got, marks, None, None, self.rows.distinct)

    def of_rows(self, rows: Indices) -> CaseWork:
        """Return the same case on some of the rows."""
        return replace(self, yardsticks=self.yardsticks.subset(rows), numbers=self.numbers[rows])

    def run_loss(self, xp: Arithmetic, kept: Mask, seen: Seen) -> CaseOutcome:
        """Compute a loss, judge it and add up."""
        got = self.compute(xp)
        marks, summary = self.judged_summary(got, np.arange(len(got)), seen, xp)
        loss, true_loss = self._loss_parts(got, self.ruler.exact, kept)
        return CaseOutcome(summary, got, marks, loss, true_loss)

    def run_gradient(self, xp: Arithmetic, kept: Mask, seen: Seen) -> CaseOutcome:
        """Compute a gradient, judge it and add up; that of an ignored row is 0."""
        got = self.compute(xp)
        marks, summary = self.judged_summary(got, np.flatnonzero(kept), seen, xp)
        values = np.zeros((len(kept), got.shape[1]), got.dtype)
        values[kept] = got
        return CaseOutcome(summary, values, marks, None, None)

    def compute(self, xp: Arithmetic) -> Array:
        """Return results in the carrier of the format."""
        computation = self._computation()
        return self.ruler.rounded if computation is None else computation.compute(xp)

    def _screened(
        self, got: Array, stalled: Mask, seen: Seen, shared: Arithmetic
    ) -> tuple[Mask, Summary, Marks]:
        """Add up the rows that need no judgement, but of single elements; say which they are."""
        if not self.measured:
            plain, summary = glance(self.screen, got, stalled, self.limit, self.options.top)
            return plain, summary, _no_marks(got.shape[1])
        aside = stalled
        while True:
            screened = self.screen.add_up(
                got,
                aside,
                self.limit,
                self.listing,
                seen,
                are_exact=self.is_exact,
            )
            if not screened.rows.size:
                return screened.plain, screened.summary, _no_marks(got.shape[1])
            scattered = self._scattered(got, screened, shared)
            if isinstance(scattered, Scattered):
                summary = self._with_kinds(screened, scattered, seen)
                return screened.plain, summary, scattered.marks(got.shape[1])
            aside = aside.copy()
            aside[scattered] = True

    def _scattered(self, got: Array, screened: Screened, shared: Arithmetic) -> Scattered | Indices:
        return judge_scattered(
            got,
            screened.values,
            screened.rows,
            screened.columns,
            self.rows.weights,
            self._needed_computation(shared),
        )

    def _with_kinds(self, screened: Screened, scattered: Scattered, seen: Seen) -> Summary:
        """Add the kinds of single elements, and what the list of worst cases says of them."""
        summary = screened.summary
        found = scattered.findings(self.rows, self.numbers, self.listing, seen.error)
        return replace(
            summary,
            kinds=scattered.kinds(),
            rows_hit=len(scattered.rows_hit()),
            max_rel_error=largest(summary.max_rel_error, scattered.largest_relative),
            worst=worst_of((*summary.worst, *found), summary.top),
        )

    @property
    def screen(self) -> Screen:
        """What tells which rows need no judgement."""
        return Screen(self.yardsticks, self.name.quantity, self.numbers)

    @property
    def is_exact(self) -> bool:
        """Whether results are the true values, rounded."""
        return self.name.formulation == EXACT

    @property
    def limit(self) -> Limit | None:
        """The error bound of the formulation, None if it has none."""
        model = self.variant.model
        if self.is_exact or model.sum_constant is None:
            return None
        bound = FORMULATIONS[self.name.quantity, self.name.formulation].error_bound
        conditions = self.yardsticks.conditions(model, self.yardsticks.functions)
        return None if bound is None else Limit(bound, conditions)

    @property
    def listing(self) -> Listing:
        """What the list of worst cases may name."""
        options = self.options
        rows = _ends(options.rows, len(self.numbers) + int(self.numbers[0]))
        return Listing(options.top, rows, _ends(options.columns, self.rows.logits.shape[1]))

    def judged_summary(
        self, got: Array, rows: Indices, seen: Seen, shared: Arithmetic | None = None
    ) -> tuple[Marks, Summary]:
        """Judge results of all rows of this case, which are `rows` of the block."""
        return self._summarised(self.judge(got, shared), rows, seen)

    def _summarised(self, results: Results, rows: Indices, seen: Seen) -> tuple[Marks, Summary]:
        judged = results.judged
        marks = Marks(rows, judged.kind, judged.unavoidable)
        bound = self._bound if self.measured else None
        summary = summarise(results, bound, self.options.top, seen.error)
        if self.is_exact and summary.bound_ratio is not None:
            # Half an ULP may be less than float64 holds.
            summary = replace(summary, bound_ratio=2 * summary.ulp.largest)
        return marks, summary

    def judge(
        self,
        got: Array,
        shared: Arithmetic | None = None,
        infinities: Infinities | None = None,
    ) -> Results:
        """Judge results; `shared` remembers what was computed on the way to them."""
        return judged_results(
            self.yardsticks,
            self.numbers,
            self.name.quantity,
            got,
            self._computation(shared),
            listed=self._listed(),
            infinities=infinities,
        )

    @property
    def rows(self) -> Rows:
        return self.yardsticks.rows

    @property
    def ruler(self) -> Ruler:
        return self.yardsticks.ruler(self.name.quantity)

    @property
    def _is_loss(self) -> bool:
        return self.name.quantity in LOSSES

    def _computation(self, shared: Arithmetic | None = None) -> Computation | None:
        return None if self.is_exact else self._needed_computation(shared)

    def _needed_computation(self, shared: Arithmetic | None) -> Computation:
        formulation = FORMULATIONS[self.name.quantity, self.name.formulation]
        model = self.variant.model
        return Computation(formulation, model, self.yardsticks, shared, self.at_distinct)

    def _bound(self) -> Array | None:
        if self.is_exact:
            return half_an_ulp(self.ruler)
        formulation = FORMULATIONS[self.name.quantity, self.name.formulation]
        return self.yardsticks.bound(formulation, self.variant.model)

    def _listed(self) -> Mask:
        """Return what the list of worst cases may name: `--rows` and `--columns` of it."""
        rows = _inside(self.numbers, self.options.rows)[:, None]
        if self._is_loss:
            labels = self.yardsticks.labels(self.name.quantity)
            return rows if labels is None else rows & _inside(labels, self.options.columns)[:, None]
        if self.options.columns is None:
            return rows
        columns = np.arange(self.rows.logits.shape[1])[None, :]
        return rows & _inside(columns, self.options.columns)

    def _loss_parts(
        self, got: Array, true: Exact, kept: Mask
    ) -> tuple[LossPart | None, LossPart | None]:
        if not self._is_loss:
            return None, None
        assert self.rows.targets is not None  # noqa: S101  (losses have targets)
        divisors = self.rows.targets.divisors(len(got), self.variant.target)
        # The sum takes both parts of each value; there is one divisor for the two.
        true_part = replace(
            _part(true.hi, divisors, kept), losses=true.summands(), vanished=true.has_vanished
        )
        return _part(got, divisors, kept), true_part


def _no_marks(classes: int) -> Marks:
    nothing = np.empty((0, classes), np.int8)
    return Marks(np.empty(0, np.intp), nothing, nothing.astype(bool))


def _inside(numbers: NDArray[np.int64], part: Slice | None) -> Mask:
    first, last = part if part is not None else (None, None)
    inside = np.ones(numbers.shape, bool)
    if first is not None:
        inside &= numbers >= first
    if last is not None:
        inside &= numbers < last
    return inside


def _ends(part: Slice | None, count: int) -> tuple[int, int]:
    first, last = part if part is not None else (None, None)
    return first or 0, count if last is None else last


def _part(values: Array, divisors: Array, kept: Mask) -> LossPart:
    per_row = np.zeros(len(kept), values.dtype)
    per_row[kept] = values[:, 0]
    return LossPart(values[:, 0], divisors, per_row)
