"""The work on one block of rows: every case computed, judged, and added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.case_work import CaseWork
from softmax_tool.distinct import Distinct
from softmax_tool.extremes import Extremes
from softmax_tool.formulations import GRADIENT, LOSSES, NEED_LABELS
from softmax_tool.frozen import frozen
from softmax_tool.input_rounding import summarise_rounding
from softmax_tool.labelled import kept_rows, targets_of
from softmax_tool.pairs import compare_pair
from softmax_tool.rows import Rows, Yardsticks
from softmax_tool.screening import Seen
from softmax_tool.shown import ANY_SEVERITY
from softmax_tool.summary import PairSummary
from softmax_tool.variant_work import Measure, VariantWork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.outcomes import CaseOutcome
    from softmax_tool.plan import Options, Plan
    from softmax_tool.readers import Block
    from softmax_tool.report import CaseName
    from softmax_tool.summary import RoundingSummary
    from softmax_tool.tally import Results
    from softmax_tool.targets import Targets

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]
    _Pair = tuple[CaseName, CaseName]


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
        measure = Measure.of(rows, kept, target, distinct, options)
        for variant in plan.variants:
            if variant.target == target:
                seen = earlier.cases[len(done) : len(done) + len(variant.cases)]
                every = VariantWork(variant, measure, block.start, kept, options, plan.measured)
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
