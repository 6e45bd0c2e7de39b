"""The work on one block of rows: every case computed, judged, and added up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.arithmetic.sharing import Sharing
from softmax_tool.arithmetic.watching import Watching
from softmax_tool.bounds import half_an_ulp
from softmax_tool.computation import Computation
from softmax_tool.diagnose import KINDS, NO_KIND, judge
from softmax_tool.distinct import Distinct
from softmax_tool.formulations import EXACT, FORMULATIONS, GRADIENT, LOSSES, NEED_LABELS
from softmax_tool.glance import glance
from softmax_tool.rows import Rows, Yardsticks
from softmax_tool.screening import Limit, Listing, Screen, Seen
from softmax_tool.summary import PairSummary
from softmax_tool.tally import Results, compare_pair, summarise, summarise_rounding
from softmax_tool.targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic, Model
    from softmax_tool.distinct import Counts
    from softmax_tool.exact import Exact
    from softmax_tool.formats import FloatFormat
    from softmax_tool.plan import Options, Plan, Slice, Variant
    from softmax_tool.readers import Block
    from softmax_tool.report import CaseName
    from softmax_tool.summary import RoundingSummary, Summary
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]


_NO_VALUES = np.empty((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class LossPart:
    """Row values of one loss on one block, on their way into the reduction."""

    losses: Array  # (kept rows,), in the carrier of the format; float64 for the true losses
    divisors: Array  # what a mean divides by, row by row
    per_row: Array  # (rows,), 0 where a row is ignored


@dataclass(frozen=True, slots=True)
class Marks:
    """The kinds of the elements of some rows; the elements of all others have none."""

    rows: Indices
    kind: NDArray[np.int8]  # (len(rows), classes)
    unavoidable: Mask

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


@dataclass(frozen=True, slots=True)
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
        return replace(self, values=_NO_VALUES, distinct=None)


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """All that one block adds to the report."""

    kept: Mask  # (rows,): rows that losses count
    cases: tuple[CaseOutcome, ...]
    pairs: tuple[PairSummary, ...]
    rounding: tuple[RoundingSummary, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier rows have shown: what is no more than that may be left out of an outcome."""

    cases: tuple[Seen, ...]
    pairs: tuple[PairSummary, ...]

    @classmethod
    def nothing(cls, cases: int, pairs: int) -> Earlier:
        """Return what stands before the first row."""
        return cls((Seen(),) * cases, (PairSummary(),) * pairs)


def work(
    block: Block,
    plan: Plan,
    options: Options,
    pairs: tuple[tuple[int, int], ...],
    earlier: Earlier | None = None,
) -> BlockOutcome:
    """Do everything that the plan asks for on one block; `pairs` are indices into its cases.

    Elementwise results may be given at the distinct values of each row alone.
    """
    if earlier is None:
        earlier = Earlier.nothing(len(plan.cases), len(pairs))
    # Overflow, underflow and 0/0 are what this is about. A thread does not inherit the setting.
    with np.errstate(all="ignore"):
        return _work(block, plan, options, pairs, earlier)


def _work(
    block: Block,
    plan: Plan,
    options: Options,
    pairs: tuple[tuple[int, int], ...],
    earlier: Earlier,
) -> BlockOutcome:
    kept = _kept(block, options)
    cases: list[CaseOutcome] = []
    rounding = []
    rulers: list[Ruler] = []
    for target in plan.formats:
        logits = target.round(block.logits)
        rounding.append(summarise_rounding(block.logits, logits, target))
        targets = _targets(block, plan, options, target)
        rows = Rows(logits, targets, exact.reference(logits, target))
        distinct = _distinct(block, logits, targets, target, plan, options)
        measure = _Measure.of(rows, kept, target, distinct, options)
        for variant in plan.variants:
            if variant.target == target:
                mine = earlier.cases[len(cases) : len(cases) + len(variant.cases)]
                for outcome, ruler in _variant(
                    variant, measure, block.start, kept, options, mine, measured=plan.measured
                ):
                    cases.append(outcome)
                    rulers.append(ruler)
    compared = tuple(
        compare_pair(cases[a].values, cases[b].values, rulers[a], before, cases[a].weights)
        for (a, b), before in zip(pairs, earlier.pairs, strict=True)
    )
    return BlockOutcome(kept, tuple(cases), compared, tuple(rounding))


@dataclass(frozen=True, slots=True)
class _Measure:
    """Yardsticks of all rows, of their distinct values, and of the rows that losses count."""

    all_rows: Yardsticks
    at_distinct: Yardsticks
    kept_rows: Yardsticks
    kept_at_distinct: Rows | None  # where a loss takes no other classes of the rows that it counts

    @classmethod
    def of(
        cls,
        rows: Rows,
        kept: Mask,
        target: FloatFormat,
        distinct: Distinct | None,
        options: Options,
    ) -> _Measure:
        every = kept_rows = at_distinct = Yardsticks(rows, target, options.max_ulp)
        kept_at_distinct = None
        if not kept.all():
            kept_rows = Yardsticks(rows[np.flatnonzero(kept)], target, options.max_ulp)
        if distinct is not None:
            some = rows.at(distinct)
            at_distinct = Yardsticks(some, target, options.max_ulp)
            if rows.targets is not None and rows.targets.only is not None:
                kept_at_distinct = some if kept.all() else some[np.flatnonzero(kept)]
        return cls(every, at_distinct, kept_rows, kept_at_distinct)

    def for_losses(self, model: Model) -> Rows | None:
        """Return distinct values that are enough for losses, if they are."""
        return None if model.in_storage else self.kept_at_distinct

    def elementwise(self, model: Model) -> Yardsticks:
        """Return what elementwise results are measured by.

        NumPy's own arithmetic promises no bits, and so takes all classes.
        """
        return self.all_rows if model.in_storage else self.at_distinct


def _distinct(
    block: Block,
    logits: Array,
    targets: Targets | None,
    target: FloatFormat,
    plan: Plan,
    options: Options,
) -> Distinct | None:
    """Return where the distinct values are, if enough is to be computed at them alone.

    Where only some columns are listed, the first of a value may be none of these. One loss takes
    less time than finding them.
    """
    labels = None if targets is None else targets.only
    elementwise = any(case.quantity not in NEED_LABELS for case in plan.cases)
    losses = 0 if labels is None else sum(case.quantity in LOSSES for case in plan.cases)
    if options.columns is not None or not (elementwise or losses > 1):
        return None
    as_stored = block.logits.dtype == target.storage
    return Distinct.of(logits, target, block.logits if as_stored else None, labels)


def judge_case(block: Block, plan: Plan, options: Options) -> Results:
    """Compute and judge the first case of a plan on one block whose rows all count."""
    variant = plan.variants[0]
    target = variant.target
    logits = target.round(block.logits)
    targets = _targets(block, plan, options, target)
    rows = Rows(logits, targets, exact.reference(logits, target))
    numbers = np.arange(block.start, block.start + len(logits))
    yardsticks = Yardsticks(rows, target, options.max_ulp)
    case = _Case(variant.cases[0], variant, yardsticks, numbers, options)
    with np.errstate(all="ignore"):
        return case.judge(case.compute(variant.model.build(target)))


def _kept(block: Block, options: Options) -> Mask:
    """Return which rows losses count: all but those whose label is the ignored one."""
    if block.labels is None or block.labels.ndim > 1:
        return np.ones(len(block.logits), bool)
    return np.asarray(block.labels != options.ignore_index)


def _targets(block: Block, plan: Plan, options: Options, target: FloatFormat) -> Targets | None:
    if block.labels is None:
        return None
    targets = Targets.of(
        block.labels,
        target,
        block.logits.shape[1],
        ignore_index=options.ignore_index,
        smoothing=Fraction(options.label_smoothing),
        weights=options.weights,
    )
    if GRADIENT in plan.ops:
        return targets.for_gradient(options.label_counts, block.logits.shape)
    return targets


def _variant(
    variant: Variant,
    measure: _Measure,
    start: int,
    kept: Mask,
    options: Options,
    seen: tuple[Seen, ...],
    *,
    measured: bool,
) -> list[tuple[CaseOutcome, Ruler]]:
    """Compute and judge every case of one format and arithmetic."""
    yardsticks, kept_yardsticks = measure.elementwise(variant.model), measure.kept_rows
    inner = variant.model.build(variant.target)
    watching = Watching(inner, getattr(inner, "working", variant.target))
    watched: Any = inner if variant.model.sums_are_wide else watching
    xp = Sharing(yardsticks.rows.arithmetic(watched))
    loss_rows = measure.for_losses(variant.model)
    # Losses share nothing with quantities of other rows, nor gradients with those of some classes.
    whole_xp = xp if kept_yardsticks is yardsticks else Sharing(inner)
    loss_xp: Arithmetic = whole_xp
    if loss_rows is not None:
        shared = loss_rows is yardsticks.rows
        loss_xp = xp if shared else Sharing(loss_rows.arithmetic(inner))
    numbers = np.arange(start, start + len(kept))
    outcomes = []
    losses: dict[str, tuple[CaseOutcome, Ruler]] = {}
    for name, seen_of_case in zip(variant.cases, seen, strict=True):
        if name.quantity in LOSSES:
            # Where there is an nll, ce is the same computation of the same targets.
            if name.formulation not in losses:
                case = _Case(
                    name, variant, kept_yardsticks, numbers[kept], options, measured, loss_rows
                )
                outcome = case.run_loss(loss_xp, kept, seen_of_case)
                losses[name.formulation] = outcome, case.ruler
            outcomes.append(losses[name.formulation])
        elif name.quantity == GRADIENT:
            case = _Case(name, variant, kept_yardsticks, numbers[kept], options, measured)
            outcomes.append((case.run_gradient(whole_xp, kept, seen_of_case), case.ruler))
        else:
            case = _Case(name, variant, yardsticks, numbers, options, measured)
            outcomes.append((case.run(xp, watching, seen_of_case), case.ruler))
    return outcomes


@dataclass(frozen=True, slots=True)
class _Case:
    name: CaseName
    variant: Variant
    yardsticks: Yardsticks
    numbers: NDArray[np.int64]
    options: Options
    measured: bool = True  # whether errors are added up
    at_distinct: Rows | None = None  # the same rows, where a loss needs no other classes

    def run(self, xp: Arithmetic, watching: Watching, seen: Seen) -> CaseOutcome:
        """Compute an elementwise quantity, judge it and add up."""
        got = self.compute(xp)
        plain, summary = self._screen(got, watching.stalled(len(got)), seen)
        rest = np.flatnonzero(~plain)
        if rest.size == len(got):
            marks, summary = self.judged_summary(got, rest, seen, xp)
        elif rest.size:
            part = replace(
                self, yardsticks=self.yardsticks.subset(rest), numbers=self.numbers[rest]
            )
            marks, more = part.judged_summary(got[rest], rest, seen)
            summary += more
        else:
            nothing = np.empty((0, got.shape[1]), np.int8)
            marks = Marks(rest, nothing, nothing.astype(bool))
        return CaseOutcome(summary, got, marks, None, None, self.rows.distinct)

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

    def _screen(self, got: Array, stalled: Mask, seen: Seen) -> tuple[Mask, Summary]:
        """Add up the rows that need no judgement, and say which they are."""
        screen = Screen(self.yardsticks, self.name.quantity, self.numbers)
        if not self.measured:
            return glance(screen, got, stalled, self.options.top)
        model = self.variant.model
        exact_values = self.name.formulation == EXACT
        limit = None
        if not exact_values and model.sum_constant is not None:
            bound = FORMULATIONS[self.name.quantity, self.name.formulation].error_bound
            conditions = self.yardsticks.conditions(model, self.yardsticks.functions)
            limit = None if bound is None else Limit(bound, conditions)
        whole = len(self.numbers) + int(self.numbers[0]), self.rows.logits.shape[1]
        listing = Listing(
            self.options.top,
            _ends(self.options.rows, whole[0]),
            _ends(self.options.columns, whole[1]),
        )
        return screen.add_up(got, stalled, limit, listing, seen, are_exact=exact_values)

    def judged_summary(
        self, got: Array, rows: Indices, seen: Seen, shared: Arithmetic | None = None
    ) -> tuple[Marks, Summary]:
        """Judge results of all rows of this case, which are `rows` of the block."""
        results = self.judge(got, shared)
        judged = results.judged
        marks = Marks(rows, judged.kind, judged.unavoidable)
        bound = self._bound if self.measured else None
        return marks, summarise(results, bound, self.options.top, seen.error)

    def judge(self, got: Array, shared: Arithmetic | None = None) -> Results:
        """Judge results; `shared` remembers what was computed on the way to them."""
        ruler, reference = self.ruler, self.rows.reference
        masked = self.yardsticks.masked(self.name.quantity)
        judged = judge(got, ruler, reference.invalid, masked, self._computation(shared))
        return Results(
            self.variant.target,
            self.name.quantity,
            got,
            ruler.exact,
            judged,
            reference.invalid,
            self.rows,
            self.numbers,
            self._labels(),
            self._listed(),
            self._coefficients(),
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
        if self.name.formulation == EXACT:
            return None
        formulation = FORMULATIONS[self.name.quantity, self.name.formulation]
        model = self.variant.model
        return Computation(formulation, model, self.yardsticks, shared, self.at_distinct)

    def _bound(self) -> Array | None:
        if self.name.formulation == EXACT:
            return half_an_ulp(self.ruler)
        formulation = FORMULATIONS[self.name.quantity, self.name.formulation]
        return self.yardsticks.bound(formulation, self.variant.model)

    def _labels(self) -> NDArray[np.int64] | None:
        targets = self.rows.targets
        if self.name.quantity not in NEED_LABELS or targets is None or targets.labels is None:
            return None
        return targets.labels[:, 0].astype(np.int64)

    def _listed(self) -> Mask:
        """Return what the list of worst cases may name: `--rows` and `--columns` of it."""
        rows = _inside(self.numbers, self.options.rows)[:, None]
        if self._is_loss:
            labels = self._labels()
            return rows if labels is None else rows & _inside(labels, self.options.columns)[:, None]
        columns = np.arange(self.rows.logits.shape[1])[None, :]
        return rows & _inside(columns, self.options.columns)

    def _coefficients(self) -> Array | None:
        targets = self.rows.targets
        if self._labels() is None or targets is None or targets.smoothing:
            return None
        coefficients = exact.coefficients_of(self.rows.reference, targets)
        if self.name.quantity == GRADIENT:
            return coefficients / float(targets.divisor)
        return coefficients

    def _loss_parts(
        self, got: Array, true: Exact, kept: Mask
    ) -> tuple[LossPart | None, LossPart | None]:
        if not self._is_loss:
            return None, None
        assert self.rows.targets is not None  # noqa: S101  (losses have targets)
        divisors = _divisors(self.rows.targets, len(got), self.variant.target)
        # The sum takes both parts of each value; there is one divisor for the two.
        true_part = replace(_part(true.hi, divisors, kept), losses=true.summands())
        return _part(got, divisors, kept), true_part


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


def _divisors(targets: Targets, rows: int, target: FloatFormat) -> Array:
    """Return what each row adds to a mean's denominator: its label's weight, or 1."""
    if targets.labels is None or targets.weights is None:
        return np.ones(rows, target.carrier)
    return np.asarray(targets.weights[0, targets.labels[:, 0]])
