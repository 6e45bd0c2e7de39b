"""The work on one block of rows: every case computed, judged, and added up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.arithmetic.sharing import Sharing
from softmax_tool.arithmetic.watching import Watching
from softmax_tool.case_work import CaseWork
from softmax_tool.distinct import Distinct
from softmax_tool.extremes import Extremes
from softmax_tool.formulations import GRADIENT, LOSSES, NEED_LABELS
from softmax_tool.frozen import frozen
from softmax_tool.input_rounding import summarise_rounding
from softmax_tool.labelled import kept_rows, targets_of
from softmax_tool.pairs import compare_pair
from softmax_tool.rows import Rows, Yardsticks
from softmax_tool.screening import Screened, Seen
from softmax_tool.shown import ANY_SEVERITY
from softmax_tool.summary import PairSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic, Model
    from softmax_tool.formats import FloatFormat
    from softmax_tool.outcomes import CaseOutcome
    from softmax_tool.plan import Options, Plan, Variant
    from softmax_tool.readers import Block
    from softmax_tool.report import CaseName
    from softmax_tool.summary import RoundingSummary
    from softmax_tool.sweep import Case
    from softmax_tool.tally import Results
    from softmax_tool.targets import Targets

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]
    _Pair = tuple[CaseName, CaseName]

_NOT_MADE = np.empty((0, 0))


@frozen
class BlockOutcome:
    """All that one block adds to the report."""

    kept: Mask  # (rows,): rows that losses count
    cases: tuple[CaseOutcome, ...]
    pairs: tuple[PairSummary, ...]
    rounding: tuple[RoundingSummary, ...]


@frozen
class Earlier:
    """What earlier rows have shown: what is no more than that may be left out of an outcome."""

    cases: tuple[Seen, ...]
    pairs: tuple[PairSummary, ...]
    severity: int = ANY_SEVERITY  # what rows must be worse than to be shown

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
    kept = kept_rows(block, options)
    done: list[tuple[CaseOutcome, CaseWork]] = []
    rounding = []
    names = plan.cases
    before = {
        (names[a], names[b]): known for (a, b), known in zip(pairs, earlier.pairs, strict=True)
    }
    compared: dict[_Pair, PairSummary] = {}
    for target in plan.formats:
        logits = target.round(block.logits)
        extremes = Extremes(logits)
        reference = exact.reference(logits, target, extremes)
        rounding.append(summarise_rounding(block.logits, logits, target, reference.of_rows))
        targets = _targets(block, target, plan, options)
        rows = Rows(logits, targets, reference, extremes=extremes)
        distinct = _distinct(block, logits, targets, target, plan, options)
        measure = _Measure.of(rows, kept, target, distinct, options)
        for variant in plan.variants:
            if variant.target == target:
                seen = earlier.cases[len(done) : len(done) + len(variant.cases)]
                every = _VariantWork(variant, measure, block.start, kept, options, plan.measured)
                outcomes, swept = every.run(seen, before)
                done += outcomes
                compared |= swept
    for a, b in pairs:
        key = names[a], names[b]
        if key not in compared:
            (one, case), (other, _) = done[a], done[b]
            compared[key] = compare_pair(
                one.values, other.values, case.ruler, before[key], one.weights
            )
    cases = tuple(outcome for outcome, _ in done)
    return BlockOutcome(kept, cases, tuple(compared[key] for key in before), tuple(rounding))


@frozen
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
    targets = _targets(block, target, plan, options)
    extremes = Extremes(logits)
    rows = Rows(logits, targets, exact.reference(logits, target, extremes), extremes=extremes)
    numbers = np.arange(block.start, block.start + len(logits))
    yardsticks = Yardsticks(rows, target, options.max_ulp)
    case = CaseWork(variant.cases[0], variant, yardsticks, numbers, options)
    with np.errstate(all="ignore"):
        return case.judge(case.compute(variant.model.build(target)))


def _targets(block: Block, target: FloatFormat, plan: Plan, options: Options) -> Targets | None:
    classes = block.logits.shape[1]
    return targets_of(block.labels, classes, target, options, gradient=GRADIENT in plan.ops)


@frozen
class _VariantWork:
    """Every case of one format and arithmetic."""

    variant: Variant
    measure: _Measure
    start: int
    kept: Mask
    options: Options
    measured: bool

    def run(
        self, seen: tuple[Seen, ...], before: Mapping[_Pair, PairSummary]
    ) -> tuple[list[tuple[CaseOutcome, CaseWork]], dict[_Pair, PairSummary]]:
        """Compute and judge all cases; compare such pairs of them as it is quick to compare."""
        variant, measure = self.variant, self.measure
        yardsticks, kept_yardsticks = measure.elementwise(variant.model), measure.kept_rows
        inner = variant.model.build(variant.target)
        watching = Watching(inner, getattr(inner, "working", variant.target))
        watched: Any = inner if variant.model.sums_are_wide else watching
        xp = _sharing(yardsticks.rows, watched)
        loss_rows = measure.for_losses(variant.model)
        # Losses share nothing with quantities of other rows, nor gradients with those of some
        # classes.
        whole_xp = xp if kept_yardsticks is yardsticks else Sharing(inner)
        loss_xp: Arithmetic = whole_xp
        if loss_rows is not None:
            shared = loss_rows is yardsticks.rows
            loss_xp = xp if shared else Sharing(loss_rows.arithmetic(inner))
        works = {name: self._work(name, yardsticks, loss_rows) for name in variant.cases}
        seen_of = dict(zip(variant.cases, seen, strict=True))
        elementwise = {n: work for n, work in works.items() if n.quantity not in NEED_LABELS}
        paired = {name for pair in before for name in pair}
        # A sweep makes true values tile by tile: in a block they are made where it does not.
        left = {n for n, work in elementwise.items() if work.is_exact and n not in paired}
        got = {n: work.compute(xp) for n, work in elementwise.items() if n not in left}
        stalled = watching.stalled(len(self.kept))
        swept: dict[CaseName, Case] = {}
        pairs: dict[_Pair, PairSummary] = {}
        if self.measured and not stalled.any():
            swept, pairs = _swept(elementwise, got, seen_of, before)
        outcomes: dict[CaseName, tuple[CaseOutcome, CaseWork]] = {}
        for name, work in works.items():
            case = swept.get(name)
            if isinstance(case, Screened):
                results = got.get(name, _NOT_MADE)
                outcome = work.swept_outcome(results, case, xp, seen_of[name])
            elif case is not None:
                outcome = work.infinite_outcome(got[name], case, xp, seen_of[name])
            elif name in elementwise:
                results = got[name] if name in got else work.compute(xp)
                outcome = work.outcome(results, xp, stalled, seen_of[name])
            elif name.quantity == GRADIENT:
                outcome = work.run_gradient(whole_xp, self.kept, seen_of[name])
            else:
                # Where there is an nll, ce is the same computation of the same targets.
                alike = replace(name, quantity="nll")
                if alike in outcomes:
                    outcome = outcomes[alike][0]
                else:
                    outcome = work.run_loss(loss_xp, self.kept, seen_of[name])
            outcomes[name] = outcome, work
        return list(outcomes.values()), pairs

    def _work(self, name: CaseName, yardsticks: Yardsticks, loss_rows: Rows | None) -> CaseWork:
        numbers = np.arange(self.start, self.start + len(self.kept))
        if name.quantity in NEED_LABELS:
            yardsticks, numbers = self.measure.kept_rows, numbers[self.kept]
        at_distinct = loss_rows if name.quantity in LOSSES else None
        return CaseWork(
            name, self.variant, yardsticks, numbers, self.options, self.measured, at_distinct
        )


def _sharing(rows: Rows, inner: Arithmetic) -> Sharing:
    """Return an arithmetic on some rows that remembers; their maxima, where these are known."""
    xp = Sharing(rows.arithmetic(inner))
    if rows.extremes is not None:
        xp.know("max", (rows.logits,), rows.extremes.maximum)
    return xp


def _swept(
    works: Mapping[CaseName, CaseWork],
    got: Mapping[CaseName, Array],
    seen: Mapping[CaseName, Seen],
    before: Mapping[_Pair, PairSummary],
) -> tuple[dict[CaseName, Case], dict[_Pair, PairSummary]]:
    """Measure all cases of each quantity at once, where that is possible.

    Those that nothing was `got` of are true values.
    """
    from softmax_tool.sweep import Candidate, sweep  # noqa: PLC0415  # 5 ms that few need

    cases: dict[CaseName, Case] = {}
    compared: dict[_Pair, PairSummary] = {}
    for quantity in dict.fromkeys(name.quantity for name in works):
        names = [name for name in works if name.quantity == quantity]
        places = {name: place for place, name in enumerate(names)}
        pairs = {(a, b): known for (a, b), known in before.items() if a in places and b in places}
        candidates = [
            Candidate(got.get(name), works[name].limit, seen[name], works[name].is_exact)
            for name in names
        ]
        some = works[names[0]]
        swept = sweep(
            some.screen,
            candidates,
            {(places[a], places[b]): known for (a, b), known in pairs.items()},
            some.listing,
        )
        cases |= dict(zip(names, swept.cases, strict=True))
        compared |= {(names[a], names[b]): total for (a, b), total in swept.pairs.items()}
    return cases, compared
