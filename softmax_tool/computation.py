"""One case on one block of rows: compute it, and run parts of it again to see what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from softmax_tool.arithmetic.replay import Replay
from softmax_tool.arithmetic.tracing import Traced, Tracing
from softmax_tool.arithmetic.wide_sum import WIDE_SUM, sum_constant
from softmax_tool.bounds import Conditions, loss_bound
from softmax_tool.exact.double_double import DoubleDouble
from softmax_tool.exact.wide import WideArithmetic
from softmax_tool.formats import FLOAT64, ulp_exponent
from softmax_tool.formulations import FORMULATIONS, LOSSES, per_row
from softmax_tool.ulp import ulp_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic, Model
    from softmax_tool.exact import Exact, Reference
    from softmax_tool.formats import FloatFormat
    from softmax_tool.formulations import Formulation
    from softmax_tool.targets import Targets

    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """A block of rows in one format: logits, what losses are taken against, and the truth."""

    logits: Array  # in the carrier of the format
    targets: Targets | None
    reference: Reference

    def stored(self, target: FloatFormat) -> Rows:
        """Return the same with every operand in NumPy's own type of the format."""
        targets = None if self.targets is None else self.targets.map(target.stored)
        return Rows(target.stored(self.logits), targets, self.reference)

    def __getitem__(self, rows: Array) -> Rows:
        return Rows(
            self.logits[rows],
            None if self.targets is None else self.targets[rows],
            self.reference[rows],
        )


@dataclass(frozen=True, slots=True)
class Computation:
    """A formulation in a format and an arithmetic, applied to a block of rows."""

    formulation: Formulation
    target: FloatFormat
    model: Model
    rows: Rows
    exact: Exact  # of the quantity
    max_ulp: float | None  # above which an element is a silent error, if the user says so

    @property
    def sums_are_wide(self) -> bool:
        return self.model.sums_are_wide

    def compute(self, xp: Arithmetic) -> Array:
        """Return results in the carrier of the format: (rows, classes), for a loss (rows, 1)."""
        got = _apply(self.formulation, xp, xp, self._operands(self.rows))
        got = got.astype(self.target.carrier, copy=False)
        invalid = self.rows.reference.invalid
        # Such rows are NaN by definition, whatever a formulation would make of them.
        return np.asarray(np.where(invalid, got.dtype.type(np.nan), got) if invalid.any() else got)

    def _operands(self, rows: Rows) -> Rows:
        return rows.stored(self.target) if self.model.in_storage else rows

    def thresholds(self, rows: Array) -> Array:
        """Return the a-priori bound of the `shifted` formulation under `wide-sum`, in ULP.

        For losses: each log-probability's bound times its coefficient's magnitude, and one rounding
        of the product or of each partial sum. Not below 1. `max_ulp` overrides it.
        """
        part = self.rows[rows]
        if self.max_ulp is not None:
            return np.asarray(self.max_ulp)
        conditions = Conditions(
            part.reference, self.target, sum_constant(part.logits.shape[1], self.target)
        )
        quantity = self.formulation.quantity
        shifted = FORMULATIONS[quantity, "shifted"]
        assert shifted.error_bound is not None  # noqa: S101  (the register's own invariant)
        bound = shifted.error_bound(conditions)
        if quantity in LOSSES:
            assert part.targets is not None  # noqa: S101  (losses have targets)
            bound = loss_bound(conditions, part.targets, bound)
        y = np.ascontiguousarray(self.exact[rows].hi)
        with np.errstate(all="ignore"):
            ulps = np.ldexp(bound, -ulp_exponent(y, self.target))
        # No finite result is near a true infinity.
        return np.where(self.exact[rows].infinite, 1.0, np.maximum(ulps, 1.0))

    def trace(self, rows: Array) -> tuple[Tracing, Traced]:
        part = self.rows[rows]
        inner = self.model.build(self.target)
        tracing = Tracing(
            inner,
            working=getattr(inner, "working", self.target),
            result=self.target,
            sums_are_wide=self.sums_are_wide,
            classes=part.logits.shape[1],
        )
        loss_tracing = tracing.for_loss()
        traced: Any = _apply(self.formulation, tracing, loss_tracing, self._operands(part))
        return tracing, traced

    def replayed_errors(self, rows: Array, last: int, *, rounded_exp: bool) -> Array:
        part, true = self.rows[rows], self.exact[rows]
        replay = Replay(self.model.build(self.target), _wider(self.target), last)
        got: Any = _apply(self.formulation, replay, replay, self._operands(part))
        rounded = self.target.round(true.hi)
        hi, lo = (got.hi, got.lo) if isinstance(got, DoubleDouble) else (got, None)
        errors = ulp_errors(hi, true, rounded, self.target, lo)
        if not rounded_exp:
            errors[~np.isfinite(hi)] = 0
        return errors


def _wider(target: FloatFormat) -> Arithmetic:
    """Return an arithmetic that hardly rounds, to go on with where the format's left off."""
    wide: Any = WideArithmetic() if target == FLOAT64 else WIDE_SUM.build(FLOAT64)
    return cast("Arithmetic", wide)


def _apply(
    formulation: Formulation, xp: Arithmetic, xp_of_loss: Arithmetic, rows: Rows
) -> Any:
    values = formulation.compute(xp, rows.logits)
    if formulation.quantity not in LOSSES:
        return values
    assert rows.targets is not None  # noqa: S101  (losses have targets)
    return per_row(xp_of_loss, values, rows.targets)
