"""The work of `check` on one block of rows: every rule asked about everything it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.arithmetic.sharing import Sharing
from softmax_tool.check.careful import careful_bound, in_ulp
from softmax_tool.check.computations import examine_computation
from softmax_tool.check.inputs import InputFacts, examine_input
from softmax_tool.check.losses import loss_rows
from softmax_tool.computation import Computation
from softmax_tool.formulations import EXACT, FORMULATIONS, GRADIENT, LOSSES, NEED_LABELS
from softmax_tool.frozen import frozen
from softmax_tool.judged_results import judged_results
from softmax_tool.labelled import kept_rows, targets_of
from softmax_tool.rows import Rows, Yardsticks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.check.measured import Measured
    from softmax_tool.check.work import Work
    from softmax_tool.formats import FloatFormat
    from softmax_tool.plan import Options, Variant
    from softmax_tool.readers import Block
    from softmax_tool.readers.log import ReadLog
    from softmax_tool.readers.portions import Portion
    from softmax_tool.reduced_loss import LossRows
    from softmax_tool.report import CaseName
    from softmax_tool.tally import Results

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


@frozen
class BlockOutcome:
    """All that one block adds to the report; `losses` are None for what is no loss."""

    rows: int
    counted: int  # rows whose label is not the ignored one
    facts: InputFacts
    cases: tuple[Measured, ...]
    losses: tuple[LossRows | None, ...]


@frozen
class Judge:
    """The rows of a block in one format, and the true values that results are judged by."""

    yardsticks: Yardsticks
    numbers: NDArray[np.int64]  # global, of the rows

    @classmethod
    def of(
        cls,
        block: Block,
        rows: NDArray[np.intp],
        target: FloatFormat,
        options: Options,
        logits: Array | None = None,
    ) -> Judge:
        """Prepare to judge results of some rows of a block, or of other logits in its place."""
        logits = target.round(block.logits[rows]) if logits is None else logits[rows]
        labels = None if block.labels is None else block.labels[rows]
        gradient = options.ops is not None and GRADIENT in options.ops
        targets = targets_of(labels, logits.shape[1], target, options, gradient=gradient)
        reference = exact.reference(logits.astype(np.float64), target)
        numbers = block.start + rows.astype(np.int64)
        return cls(Yardsticks(Rows(logits, targets, reference), target, options.max_ulp), numbers)

    @property
    def rows(self) -> Rows:
        return self.yardsticks.rows

    def __getitem__(self, rows: NDArray[np.intp]) -> Judge:
        return Judge(self.yardsticks.subset(rows), self.numbers[rows])

    def results(self, quantity: str, got: Array, computation: Computation | None) -> Results:
        """Judge results: those of a computation can be traced to where they went wrong."""
        return judged_results(self.yardsticks, self.numbers, quantity, got, computation)


def work(portion: Portion, task: Work) -> tuple[BlockOutcome, ReadLog]:
    """Read some rows and do everything on them; give what was noticed while they were read, too."""
    block, noticed = portion.read()
    return _work(block, task), noticed


def _work(block: Block, task: Work) -> BlockOutcome:
    # Overflow and 0/0 are what this is about. A thread does not inherit the setting.
    with np.errstate(all="ignore"):
        kept = kept_rows(block, task.options)
        formats, ops = task.plan.formats, task.plan.ops
        facts = examine_input(block, kept, formats, task.rules, task.options, ops)
        cases = [
            case
            for target in formats
            for case in _of_format(block, np.flatnonzero(kept), target, task)
        ]
    return BlockOutcome(
        len(kept),
        int(np.count_nonzero(kept)),
        facts,
        tuple(measured for measured, _ in cases),
        tuple(loss for _, loss in cases),
    )


def _of_format(
    block: Block, kept: NDArray[np.intp], target: FloatFormat, task: Work
) -> Iterator[tuple[Measured, LossRows | None]]:
    """Compute and examine every case of one format."""
    every = np.arange(len(block.logits))
    of_all = Judge.of(block, every, target, task.options)
    of_kept = of_all if kept.size == every.size else of_all[kept]
    for variant in task.plan.variants:
        if variant.target != target:
            continue
        # Losses share nothing with the quantities of all rows where some rows are ignored.
        shared = {id(judge): Sharing(variant.model.build(target)) for judge in (of_all, of_kept)}
        for name in variant.cases:
            judge_ = of_kept if name.quantity in NEED_LABELS else of_all
            yield _case(judge_, name, variant, shared[id(judge_)], task)


def _case(
    judge_: Judge, name: CaseName, variant: Variant, xp: Any, task: Work
) -> tuple[Measured, LossRows | None]:
    computation = None
    got = judge_.yardsticks.ruler(name.quantity).rounded
    if name.formulation != EXACT:
        formulation = FORMULATIONS[name.quantity, name.formulation]
        computation = Computation(formulation, variant.model, judge_.yardsticks)
        got = computation.compute(xp)
    results = judge_.results(name.quantity, got, computation)
    bound = a_priori(judge_, name.quantity)
    measured = examine_computation(results, name, bound, task)
    targets = judge_.rows.targets
    is_loss = name.quantity in LOSSES and targets is not None
    return measured, loss_rows(results, targets) if is_loss and targets is not None else None


def a_priori(judge_: Judge, quantity: str) -> Array:
    """Return the bound that careful computation meets, in ULP of each true value.

    Where the bound of the `shifted` formulation says nothing, that of a careful kernel does.
    """
    yardsticks = judge_.yardsticks
    if yardsticks.max_ulp is not None:
        yardsticks = Yardsticks(judge_.rows, yardsticks.target, None)
    bound = yardsticks.thresholds(quantity)
    unbounded = ~np.isfinite(bound)
    if unbounded.any():
        careful = in_ulp(careful_bound(yardsticks, quantity), yardsticks, quantity)
        bound = np.where(unbounded, careful, bound)
    return bound
