"""One case on one block of rows: compute it, and run parts of it again to see what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.deferred import Deferred
from softmax_tool.arithmetic.replay import Replay
from softmax_tool.arithmetic.sharing import Sharing
from softmax_tool.arithmetic.tracing import Traced, Tracing
from softmax_tool.arithmetic.wide_sum import WIDE_SUM
from softmax_tool.exact.double_double import Scaled
from softmax_tool.exact.wide import WideArithmetic, in_float64
from softmax_tool.formats import FLOAT64
from softmax_tool.formulations import GRADIENT, LOSSES, per_row
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic, Model
    from softmax_tool.formats import FloatFormat
    from softmax_tool.formulations import Formulation
    from softmax_tool.rows import Rows, Yardsticks
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


@frozen
class Computation:
    """A formulation in a format and an arithmetic, applied to a block of rows."""

    formulation: Formulation
    model: Model
    yardsticks: Yardsticks
    shared: Arithmetic | None = None  # one that remembers what it has computed of these rows
    at_distinct: Rows | None = None  # the same rows, where a loss needs no other classes

    @property
    def rows(self) -> Rows:
        return self.yardsticks.rows if self.at_distinct is None else self.at_distinct

    @property
    def target(self) -> FloatFormat:
        return self.yardsticks.target

    @property
    def sums_are_wide(self) -> bool:
        return self.model.sums_are_wide

    @property
    def least_threshold(self) -> float:
        """The ULP error that no threshold of a silent error is below."""
        chosen = self.yardsticks.max_ulp
        return 1.0 if chosen is None else chosen

    def compute(self, xp: Arithmetic) -> Array:
        """Return results in the carrier of the format: (rows, classes), for a loss (rows, 1)."""
        got = self._computed(xp, self._operands(self.rows))
        got = got.astype(self.target.carrier, copy=False)
        invalid = self.rows.reference.invalid
        # Such rows are NaN by definition, whatever a formulation would make of them.
        return np.asarray(np.where(invalid, got.dtype.type(np.nan), got) if invalid.any() else got)

    def _computed(self, xp: Arithmetic, rows: Rows) -> Array:
        """Compute; of a loss of class labels, only what its classes need.

        Not in an arithmetic that is NumPy's own, which promises no bits.
        """
        targets = rows.targets
        loss = self.formulation.quantity in LOSSES
        if not loss or targets is None or targets.only is None or self.model.in_storage:
            return np.asarray(_apply(self.formulation, xp, xp, rows))
        late: Any = Deferred(xp, targets.only)
        values = self.formulation.compute(late, late.logits(rows.logits))
        return np.asarray(per_row(late, values, targets))

    def _operands(self, rows: Rows) -> Rows:
        return rows.stored(self.target) if self.model.in_storage else rows

    def thresholds(self, rows: Array) -> Array:
        return self.yardsticks.thresholds(self.formulation.quantity)[rows]

    def trace(self, rows: Array) -> tuple[Tracing, Traced]:
        inner = self.model.build(self.target)
        working = getattr(inner, "working", self.target)
        part = self.rows
        if len(rows) < len(part.logits):
            part = part[rows]
        elif self.shared is not None:
            inner = self.shared
        if inner is not self.shared:
            inner = part.arithmetic(inner)
        tracing = Tracing(
            inner,
            working=working,
            result=self.target,
            sums_are_wide=self.sums_are_wide,
            classes=part.logits.shape[1],
            distinct=part.distinct,
        )
        is_gradient = self.formulation.quantity == GRADIENT
        later = tracing.for_gradient() if is_gradient else tracing.for_loss()
        traced: Any = _apply(self.formulation, tracing, later, self._operands(part))
        return tracing, traced

    def replayed(self, rows: Array) -> Replayed:
        wide = _need_digits(self.rows.logits[rows], self.target)
        near, far = np.flatnonzero(~wide), np.flatnonzero(wide)
        parts = []
        if near.size:
            parts.append((near, self._replay_of(rows[near], in_double_double=False)))
        if far.size:
            parts.append((far, self._replay_of(rows[far], in_double_double=True)))
        return Replayed(tuple(parts))

    def _replay_of(self, rows: Array, *, in_double_double: bool) -> _RowsReplayed:
        part, ruler, inner = (
            self.rows,
            self.yardsticks.ruler(self.formulation.quantity),
            self.shared,
        )
        if len(rows) < len(part.logits):
            part, ruler, inner = part[rows], ruler[rows], None
        if inner is None:
            inner = Sharing(part.arithmetic(self.model.build(self.target)))
        wide: Any = part.arithmetic(WIDE_SUM.build(FLOAT64))
        if in_double_double:
            wide = part.weighing(WideArithmetic())
        return _RowsReplayed(self.formulation, self._operands(part), ruler, inner, wide)


@frozen
class Replayed:
    """Some rows of a computation, to be run again and again with ever more operations rounded."""

    parts: tuple[tuple[Array, _RowsReplayed], ...]  # and which of the rows these are

    def errors(self, last: int) -> Array:
        """Return how far off results are, in ULP, where operations after `last` hardly round."""
        found = [part.errors(last) for _, part in self.parts]
        if len(found) == 1:
            return found[0]
        errors = np.concatenate(found)
        errors[np.concatenate([places for places, _ in self.parts])] = errors.copy()
        return errors


@frozen
class _RowsReplayed:
    """Rows whose later operations are all in one arithmetic."""

    formulation: Formulation
    rows: Rows
    ruler: Ruler
    inner: Arithmetic  # one that remembers: what is rounded once is rounded in every further run
    wide: Arithmetic

    def errors(self, last: int) -> Array:
        replay = Replay(self.inner, self.wide, last)
        got: Any = _apply(self.formulation, replay, replay, self.rows)
        return self.ruler.errors(*(in_float64(got) if isinstance(got, Scaled) else (got,)))


_FAR = 2.0**20
_DEEP = 600.0


def _need_digits(logits: Array, target: FloatFormat) -> Mask:
    """Tell for which rows float64 is no arithmetic that hardly rounds, to go on with.

    In narrower formats it is one where it holds all exponentials, and the logarithm of a sum is
    exact enough beside the largest logit: below 2**20, to 2**-33.
    """
    if target == FLOAT64:
        return np.ones(len(logits), bool)
    there = np.isfinite(logits)
    most = logits.max(axis=1, where=there, initial=-np.inf).astype(np.float64)
    least = logits.min(axis=1, where=there, initial=np.inf).astype(np.float64)
    return np.asarray((np.maximum(most, -least) >= _FAR) | (most - least >= _DEEP))


def _apply(formulation: Formulation, xp: Arithmetic, later: Arithmetic, rows: Rows) -> Any:
    """Compute; `later` carries out what follows the log-probabilities."""
    if formulation.quantity == GRADIENT:
        return formulation.compute(xp, later, rows.logits, rows.targets)
    values = formulation.compute(xp, rows.logits)
    if formulation.quantity not in LOSSES:
        return values
    assert rows.targets is not None  # noqa: S101  (losses have targets)
    return per_row(later, values, rows.targets)
