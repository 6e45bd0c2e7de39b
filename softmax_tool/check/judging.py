"""The work on one block of results that somebody else computed."""

from __future__ import annotations

from dataclasses import field
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.reduction import ExactReduction
from softmax_tool.check.blocks import Judge
from softmax_tool.check.candidates import examine_candidate, examine_ignored
from softmax_tool.check.careful import careful_bound, sum_constant
from softmax_tool.check.comparison import ALWAYS_GRANTED
from softmax_tool.check.found import Findings, Found, Place
from softmax_tool.check.inputs import InputFacts, examine_input
from softmax_tool.check.losses import exactly, loss_rows
from softmax_tool.check.measured import Largest, Measured
from softmax_tool.check.rules import GIVEN
from softmax_tool.check.tolerance import Seen
from softmax_tool.diagnose import judge
from softmax_tool.distances import Distances
from softmax_tool.exact import Exact, reference
from softmax_tool.exact.number import of_number
from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import FLOAT64
from softmax_tool.formulations import GRADIENT, LOSSES, NEED_LABELS
from softmax_tool.frozen import frozen
from softmax_tool.judged_results import EVERY
from softmax_tool.labelled import kept_rows
from softmax_tool.renderers.display import number, ulp
from softmax_tool.report import CaseName
from softmax_tool.rows import Rows
from softmax_tool.tally import Results
from softmax_tool.ulp import Ruler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.check.tolerance import Tolerance
    from softmax_tool.formats import FloatFormat
    from softmax_tool.plan import Options
    from softmax_tool.readers import Block

    Array = NDArray[Any]

COMPARED_RULES = frozenset({"BSL101", "BSL102"})
"""What a candidate and a baseline are compared by."""

GIVEN_RULES = frozenset({"ACC101", "NAN101", "BSL102"})
"""What is always looked for in results, whatever is selected."""


@frozen
class Task:
    """What is to be done on every block."""

    quantity: str
    options: Options
    tolerance: Tolerance
    rules: frozenset[str]


@frozen
class GivenBlock:
    """A block of logits with results that were computed from them.

    `logits` are those that the results are of, rounded as they were for them.
    """

    block: Block
    logits: Array
    target: FloatFormat
    candidate: Array
    baseline: Array | None


@frozen
class GivenOutcome:
    """All that one block adds to the report; `exact` is there where a reduced loss is judged."""

    rows: int
    counted: int
    facts: InputFacts
    candidate: Measured
    baseline: Measured
    exact: ExactLoss | None


@frozen
class ExactLoss:
    """The exact reduced loss on its way, and what a careful one may be off."""

    target: FloatFormat
    losses: ExactReduction = field(default_factory=lambda: ExactReduction(FLOAT64))
    bounds: ExactSum = ExactSum()

    def __add__(self, other: ExactLoss) -> ExactLoss:
        return ExactLoss(self.target, self.losses + other.losses, self.bounds + other.bounds)

    def value(self, reduction: str) -> float:
        """Return the exact loss, rounded to float64."""
        return self.losses.value(reduction)

    def exact(self, reduction: str) -> Exact:
        """Return the exact loss as results are measured by it, (1, 1)."""
        return of_number(self.losses.exact(reduction), self.target)

    def bound(self, reduction: str) -> float:
        """Bound what careful rows, added up carefully, are off."""
        off = self.bounds.fraction()
        if reduction == "mean":
            divisor = self.losses.divisors.fraction()
            if not divisor:
                return float("inf")
            off /= abs(divisor)
        rows = sum_constant(self.losses.rows, self.target) if self.losses.rows else 0.0
        return FLOAT64.round_exactly(off) + (rows + 3) * self.target.unit_roundoff * abs(
            self.value(reduction)
        )


def judge_block(given: GivenBlock, task: Task) -> GivenOutcome:
    """Judge the results of one block."""
    # Overflow and 0/0 are what this is about. A thread does not inherit the setting.
    with np.errstate(all="ignore"):
        return _judge_block(given, task)


def _judge_block(given: GivenBlock, task: Task) -> GivenOutcome:
    block, options = given.block, task.options
    kept = kept_rows(block, options)
    rounded = np.array_equal(given.logits, given.target.round(block.logits), equal_nan=True)
    formats = [given.target] if rounded else []
    facts = examine_input(block, kept, formats, task.rules, options, (task.quantity,))
    rows = np.flatnonzero(kept) if task.quantity in NEED_LABELS else np.arange(len(kept))
    judge_ = Judge.of(block, rows, given.target, options, given.logits)
    measured = [_measured(got, rows, judge_, task) for got in (given.candidate, given.baseline)]
    if _ignored_are_zero(task) and not kept.all():
        ignored = np.flatnonzero(~kept)
        both = zip(measured, (given.candidate, given.baseline), strict=True)
        measured = [part + _of_ignored(got, ignored, given, task) for part, got in both]
    exact = None
    if task.quantity in LOSSES and not len(given.candidate):
        exact = _exact_loss(judge_, task.quantity)
    counted = int(np.count_nonzero(kept))
    return GivenOutcome(len(kept), counted, facts, measured[0], measured[1], exact)


def _measured(got: Array | None, rows: NDArray[np.intp], judge_: Judge, task: Task) -> Measured:
    if got is None or not len(got) or not rows.size:
        return Measured()
    results = judge_.results(task.quantity, got[rows], None)
    name = case_name(task.quantity, judge_.yardsticks.target)
    return examine_candidate(
        results, name, judge_.yardsticks, task.tolerance, task.rules, task.options.top
    )


def _ignored_are_zero(task: Task) -> bool:
    """Whether results of ignored rows are part of the answer: no mean or sum looks at a loss."""
    no_sum = task.quantity in LOSSES and task.options.reduction == "none"
    return no_sum or task.quantity == GRADIENT


def _of_ignored(
    got: Array | None, rows: NDArray[np.intp], given: GivenBlock, task: Task
) -> Measured:
    """Judge the loss, or its gradient, of rows that are ignored: all of it is 0."""
    if got is None or not len(got):
        return Measured()
    zeros = np.zeros((len(rows), got.shape[1]))
    nothing = np.zeros(zeros.shape, bool)
    exact = Exact(zeros, None, nothing, nothing)
    ruler, logits = Ruler.of(exact, given.target), given.logits[rows]
    judged = judge(got[rows], ruler, nothing[:, :1], nothing, None)
    numbers = given.block.start + rows.astype(np.int64)
    results = Results(
        target=given.target,
        quantity=task.quantity,
        got=got[rows],
        judged=judged,
        invalid=nothing[:, :1],
        rows=Rows(logits, None, reference(logits.astype(np.float64), given.target)),
        row_numbers=numbers,
        columns=None,
        listed=EVERY,
    )
    name = case_name(task.quantity, given.target)
    return examine_ignored(results, name, task.tolerance, task.rules, task.options.top)


def case_name(quantity: str, target: FloatFormat) -> CaseName:
    """Name results of somebody else."""
    return CaseName(quantity, GIVEN, target.name, None)


def _exact_loss(judge_: Judge, quantity: str) -> ExactLoss:
    target, targets = judge_.yardsticks.target, judge_.rows.targets
    assert targets is not None  # noqa: S101  (losses have targets)
    rounded = judge_.yardsticks.ruler(quantity).rounded
    rows = loss_rows(judge_.results(quantity, rounded, None), targets)
    bound = careful_bound(judge_.yardsticks, quantity)
    losses = ExactReduction(FLOAT64).fold(rows.true, rows.divisors, vanished=rows.vanished)
    return ExactLoss(target, losses, ExactSum.of(bound))


def judge_reduced(value: float, exact: ExactLoss, name: CaseName, task: Task) -> Measured:
    """Judge a single loss."""
    reduction = task.options.reduction
    values, got = exact.exact(reduction), np.full((1, 1), value)
    true = values.hi
    with np.errstate(all="ignore"):
        ruler = Ruler.of(values, exact.target)
        errors, distances = ruler.errors(got), Distances.of(got, values)
        absolute, relative = distances.absolute, distances.relative()
        limit = np.maximum(ruler.in_ulp(np.full((1, 1), exact.bound(reduction))), 1.0)
        # No finite loss is near one that is infinite or nan.
        nowhere = values.infinite | np.isnan(true)
        # Of one beyond float64 only the last number before overflow is.
        limit = np.where(np.isfinite(true), limit, 1.0)
        far = nowhere | task.tolerance.beyond(errors, absolute, relative, limit)
    right = value == ruler.rounded[0, 0] or bool(np.isnan(value) and np.isnan(true[0, 0]))
    lost = not right and not isfinite(value)
    beyond = not right and isfinite(value) and bool(far[0, 0])
    error = float(errors[0, 0])
    text = (
        f"{reduction} of {name.dtype} {name.quantity} is {number(value)}, "
        f"{exactly(exact.losses, reduction)}, {ulp(error)} ULP off"
    )
    place = Place(error, None, None, text, value, exact.value(reduction), error)
    wrong = {
        "ACC101": beyond,
        "NAN101": lost,
        "RNG101": value < 0 <= true[0, 0],
        "BSL101": error > ALWAYS_GRANTED,
        "BSL102": beyond or lost,
    }
    never = int(lost or (beyond and bool(nowhere[0, 0])))
    found = {
        code: Found(1, 1, 1, (place,), never)
        for code, hit in wrong.items()
        if hit and code in task.rules
    }
    finite = Largest()
    if isfinite(absolute[0, 0]):
        finite = Largest(error, float(absolute[0, 0]), float(relative[0, 0]))
    seen = Seen()
    if isfinite(true[0, 0]):
        in_ulp = float(ruler.in_ulp(np.abs(true))[0, 0])
        seen = Seen(abs(float(true[0, 0])), in_ulp)
    return Measured(
        rows=1,
        elements=1,
        judged=1,
        correctly_rounded=int(right),
        beyond=int(beyond),
        allowed_ulp=float(limit[0, 0]),
        largest_ulp=error,
        finite=finite,
        wrong=Largest() if right else finite,
        seen=seen,
        findings=Findings(found),
    )
