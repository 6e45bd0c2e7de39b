"""One block of rows in one format and arithmetic: what its cases share, and the work on each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.sharing import Sharing
from softmax_tool.arithmetic.watching import Watching
from softmax_tool.case_work import CaseWork
from softmax_tool.formulations import GRADIENT, LOSSES, NEED_LABELS
from softmax_tool.frozen import frozen
from softmax_tool.rows import Rows, Yardsticks
from softmax_tool.screening import Screened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic, Model
    from softmax_tool.distinct import Distinct
    from softmax_tool.formats import FloatFormat
    from softmax_tool.outcomes import CaseOutcome
    from softmax_tool.plan import Options, Variant
    from softmax_tool.report import CaseName
    from softmax_tool.screening import Seen
    from softmax_tool.summary import PairSummary
    from softmax_tool.sweep import Case

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]
    _Pair = tuple[CaseName, CaseName]

_NOT_MADE = np.empty((0, 0))


@frozen
class Measure:
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
    ) -> Measure:
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


@frozen
class _Shared:
    """Arithmetics that remember what cases have in common, each for other rows and classes."""

    elementwise: Sharing
    # Losses share nothing with quantities of other rows, nor gradients with those of some classes.
    gradients: Sharing
    losses: Sharing
    loss_rows: Rows | None  # the rows that losses are computed of, where these need no others


@frozen
class _Elementwise:
    """What is known of the elementwise cases of a block before any is judged on its own."""

    got: Mapping[CaseName, Array]  # results, but for true values that a sweep makes as it goes
    stalled: Mask  # (rows,): rows in which a sum stalled
    swept: Mapping[CaseName, Case]

    def outcome(self, name: CaseName, work: CaseWork, xp: Sharing, seen: Seen) -> CaseOutcome:
        """Judge one of them, and add up."""
        case = self.swept.get(name)
        if isinstance(case, Screened):
            return work.swept_outcome(self.got.get(name, _NOT_MADE), case, xp, seen)
        if case is not None:
            return work.infinite_outcome(self.got[name], case, xp, seen)
        results = self.got[name] if name in self.got else work.compute(xp)
        return work.outcome(results, xp, self.stalled, seen)


@frozen
class VariantWork:
    """Every case of one format and arithmetic."""

    variant: Variant
    measure: Measure
    start: int
    kept: Mask
    options: Options
    measured: bool

    def run(
        self, seen: tuple[Seen, ...], before: Mapping[_Pair, PairSummary]
    ) -> tuple[list[tuple[CaseOutcome, CaseWork]], dict[_Pair, PairSummary]]:
        """Compute and judge all cases; compare such pairs of them as it is quick to compare."""
        seen_of = dict(zip(self.variant.cases, seen, strict=True))
        inner = self.variant.model.build(self.variant.target)
        watching = Watching(inner, getattr(inner, "working", self.variant.target))
        shared = self._shared(inner, watching)
        works = {name: self._work(name, shared.loss_rows) for name in self.variant.cases}
        elementwise, pairs = self._elementwise(works, shared.elementwise, watching, seen_of, before)
        outcomes: dict[CaseName, CaseOutcome] = {}
        for name, work in works.items():
            # Where there is an nll, ce is the same computation of the same targets.
            alike = replace(name, quantity="nll")
            if name.quantity not in NEED_LABELS:
                outcome = elementwise.outcome(name, work, shared.elementwise, seen_of[name])
            elif name.quantity == GRADIENT:
                outcome = work.run_gradient(shared.gradients, self.kept, seen_of[name])
            elif alike in outcomes:
                outcome = outcomes[alike]
            else:
                outcome = work.run_loss(shared.losses, self.kept, seen_of[name])
            outcomes[name] = outcome
        return [(outcome, works[name]) for name, outcome in outcomes.items()], pairs

    def _shared(self, inner: Arithmetic, watching: Watching) -> _Shared:
        """Return what cases compute with; where sums may stall, they are watched."""
        yardsticks = self.measure.elementwise(self.variant.model)
        watched: Any = inner if self.variant.model.sums_are_wide else watching
        elementwise = _sharing(yardsticks.rows, watched)
        gradients = losses = elementwise if self.measure.kept_rows is yardsticks else Sharing(inner)
        loss_rows = self.measure.for_losses(self.variant.model)
        if loss_rows is yardsticks.rows:
            losses = elementwise
        elif loss_rows is not None:
            losses = Sharing(loss_rows.arithmetic(inner))
        return _Shared(elementwise, gradients, losses, loss_rows)

    def _elementwise(
        self,
        works: Mapping[CaseName, CaseWork],
        xp: Sharing,
        watching: Watching,
        seen: Mapping[CaseName, Seen],
        before: Mapping[_Pair, PairSummary],
    ) -> tuple[_Elementwise, dict[_Pair, PairSummary]]:
        """Compute the elementwise quantities, and measure together what can be."""
        elementwise = {n: work for n, work in works.items() if n.quantity not in NEED_LABELS}
        paired = {name for pair in before for name in pair}
        # A sweep makes true values tile by tile: in a block they are made where it does not.
        left = {n for n, work in elementwise.items() if work.is_exact and n not in paired}
        got = {n: work.compute(xp) for n, work in elementwise.items() if n not in left}
        stalled = watching.stalled(len(self.kept))
        if not self.measured or stalled.any():
            return _Elementwise(got, stalled, {}), {}
        swept, pairs = _swept(elementwise, got, seen, before)
        return _Elementwise(got, stalled, swept), pairs

    def _work(self, name: CaseName, loss_rows: Rows | None) -> CaseWork:
        numbers = np.arange(self.start, self.start + len(self.kept))
        yardsticks = self.measure.elementwise(self.variant.model)
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
