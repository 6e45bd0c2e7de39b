"""One case on one block of rows: compute it, and run parts of it again to see what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.deferred import Deferred
from softmax_tool.arithmetic.replay import Replay
from softmax_tool.arithmetic.sharing import Sharing
from softmax_tool.arithmetic.tracing import Traced, Tracing
from softmax_tool.arithmetic.wide_sum import WIDE_SUM
from softmax_tool.exact.double_double import DoubleDouble, Scaled
from softmax_tool.exact.losses import class_coefficients
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
        if self.formulation.quantity == GRADIENT:
            wide |= _have_far_coefficients(self.rows[rows])
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
        return self._joined([part.errors(last) for _, part in self.parts])

    def culprits(self, operation: int, columns: Array) -> Array:
        """Return whose rounding in an operation moved each result, counted from 1; 0 for none.

        `columns` are the results' own, which broadcast to them. Where an operation has one value a
        row, -1 stands for it.
        """
        shape = (sum(len(places) for places, _ in self.parts), columns.shape[1])
        own = np.broadcast_to(columns, shape)
        return self._joined([part.culprits(operation, own[places]) for places, part in self.parts])

    def _joined(self, found: list[Array]) -> Array:
        if len(found) == 1:
            return found[0]
        joined = np.concatenate(found)
        joined[np.concatenate([places for places, _ in self.parts])] = joined.copy()
        return joined


@frozen
class _RowsReplayed:
    """Rows whose later operations are all in one arithmetic."""

    formulation: Formulation
    rows: Rows
    ruler: Ruler
    inner: Arithmetic  # one that remembers: what is rounded once is rounded in every further run
    wide: Any

    def errors(self, last: int) -> Array:
        return self._run(last)[1]

    def _run(self, last: int, given: list[Any] | None = None) -> tuple[Replay, Array]:
        """Return the run and its errors; `given` are the totals of the sums that hardly round."""
        replay = Replay(self.inner, self.wide, last, given)
        got: Any = _apply(self.formulation, replay, replay, self.rows)
        errors = self.ruler.errors(*(in_float64(got) if isinstance(got, Scaled) else (got,)))
        return replay, errors

    def culprits(self, operation: int, own: Array) -> Array:
        """Return the column whose rounding alone leaves each result the furthest off.

        That of its own reaches a result by itself and in the sums, those of the others in the sums
        alone: of each sum, those that raise it most and that lower it most may be the one.
        """
        rounded, _ = self._run(operation)
        differs = self._differs(rounded.rounded, rounded.unrounded)
        if differs.shape[1] == 1:
            return np.broadcast_to(np.where(differs, -1, 0), own.shape)
        exact, _ = self._run(operation - 1)
        moves = [
            None if a.addends is None else self.wide.subtract(b.addends, a.addends)
            for a, b in zip(exact.sums, rounded.sums, strict=True)
        ]

        def furthest(last: int, columns: Array) -> Array:
            """Return the errors where sums have the roundings of one column alone."""
            given = [
                total if move is None else self.wide.add(total, _entries(move, columns))
                for (_, total), move in zip(exact.sums, moves, strict=True)
            ]
            return self._run(last, given)[1]

        known = own > 0
        places = np.maximum(own - 1, 0)
        known &= np.take_along_axis(np.broadcast_to(differs, _shape(own, differs)), places, axis=1)
        most = np.where(known, furthest(operation, places), -1.0)
        culprits = np.where(known, own, 0)
        for (_, total), move in zip(exact.sums, moves, strict=True):
            if move is None:
                continue
            share = _in_float64(self.wide.divide(move, total))
            share = np.where(np.isnan(share), np.inf, share)  # what is not a number spoils the sum
            share = np.where(differs, share, 0.0)  # the others are moved by the sums before
            for columns in (share.argmax(axis=1)[:, None], share.argmin(axis=1)[:, None]):
                there = np.take_along_axis(share, columns, axis=1) != 0
                errors = np.where(
                    there & (columns + 1 != own), furthest(operation - 1, columns), -1
                )
                further = errors > most * _NO_MORE
                culprits = np.where(further, columns + 1, culprits)
                most = np.where(further, errors, most)
        return culprits

    def _differs(self, rounded: Any, unrounded: Any) -> Mask:
        """Return where an operation rounded, and not just the wide arithmetic."""
        difference = self.wide.subtract(rounded, unrounded)
        share = _in_float64(self.wide.divide(difference, unrounded))
        return np.asarray(np.abs(share) > _HARDLY)


_NO_MORE = 1 + 1e-9  # errors that differ by less are alike: the own column, or the first, stands
_HARDLY = 2.0**-80


def _shape(own: Array, values: Array) -> tuple[int, int]:
    return len(own), values.shape[1]


def _in_float64(x: Any) -> Array:
    return in_float64(x)[0] if isinstance(x, Scaled) else np.asarray(x)


def _entries(x: Any, places: Array) -> Any:
    """Return the entries in some columns of each row."""

    def taken(array: Array) -> Array:
        return np.take_along_axis(np.broadcast_to(array, _shape(places, array)), places, axis=1)

    if not isinstance(x, Scaled):
        return taken(x)
    return Scaled(DoubleDouble(taken(x.value.hi), taken(x.value.lo)), taken(x.exponent))


_FAR = 2.0**20
_FAR_COEFFICIENTS = 2.0**40  # float64 tells the least of them to 2**-13 beside the largest
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


def _have_far_coefficients(rows: Rows) -> Mask:
    """Tell in which rows coefficients of a gradient are so far apart that a sum needs digits."""
    assert rows.targets is not None  # noqa: S101  (gradients have targets)
    if rows.targets.only is not None:  # each row has one
        return np.zeros(len(rows.logits), bool)
    size = np.abs(class_coefficients(rows.reference, rows.targets).hi)
    least = np.where(size != 0, size, np.inf).min(axis=1)
    return np.asarray(least * _FAR_COEFFICIENTS < size.max(axis=1))
