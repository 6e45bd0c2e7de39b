"""The true loss of each row, from the true log-softmax."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_all, row_any
from softmax_tool.exact import double_double as dd
from softmax_tool.exact import quad
from softmax_tool.exact.brackets import KnownRows, RowBrackets, round_linear
from softmax_tool.exact.double_double import DoubleDouble
from softmax_tool.exact.tails import (
    is_power,
    may_change_ulp,
    may_move,
    may_round_both_ways,
    round_to_odd,
    rounded_with_tail,
)
from softmax_tool.exact.ties import settle_zeros
from softmax_tool.exact.values import Exact
from softmax_tool.formats import FLOAT64, ulp_exponent
from softmax_tool.frozen import frozen_with_memory
from softmax_tool.once import once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array, Mask, Reference
    from softmax_tool.formats import FloatFormat
    from softmax_tool.targets import Targets

# Relative errors. Of a log-probability in float64 below 2**-42, of its coefficient and of the sum
# of the products less; of those in double-double below 2**-89.
_PLAIN = 2.0**-40
_WIDE = 2.0**-85
_LOST = 2.0**-1065  # what a product in double-double loses that underflows


def losses(
    reference: Reference, targets: Targets, logits: NDArray[Any], target: FloatFormat
) -> Exact:
    """Return the true loss of each row, (rows, 1), with PyTorch's semantics.

    Hard labels: -w_y y_y; smoothed: (1 - s) of that and s/C Σ -w_c y_c; probabilities:
    Σ -w_c t'_c y_c with t' = t (1 - s) + s/C. Terms are never skipped: 0 · inf is NaN.
    Weights and probabilities are those of the format; the smoothing is not rounded.

    Rounding `hi` to `target` rounds the true loss: a sum whose error leaves that open is made again
    in double-double, relative error below 2**-85 of the terms' magnitudes, and decided in rational
    numbers where that leaves it open too. The logits are those of all classes, (rows, classes).
    """
    with np.errstate(all="ignore"):
        terms = _Terms.of(reference, targets)
        values = terms.added()
        if terms.single:
            if values.tail is not None and target.precision < FLOAT64.precision:
                _settle_single(values, targets, logits, target)
            return values
        if values.tail is None:
            error = terms.magnitude * _PLAIN
            undecided = may_round_both_ways(values.hi, error, target)
            undecided |= may_change_ulp(values.hi, error, target)
            undecided &= values.nonzero
            if undecided.any():
                again = np.flatnonzero(undecided & ~terms.special)
                wide = quad.reference(logits[again].astype(np.float64))
                settled = losses(wide, targets[again], logits[again], target)
                values.hi[again], values.nonzero[again] = round_to_odd(settled), settled.nonzero
            return values
        undecided = may_move(values.hi, values.tail, terms.error, target)
        if target.precision < FLOAT64.precision:
            near = np.abs(values.tail) <= np.ldexp(terms.error, -ulp_exponent(values.hi, FLOAT64))
            undecided |= near & is_power(values.hi)
        undecided &= values.nonzero & ~terms.special
    numbers = np.flatnonzero(undecided)
    rows = KnownRows(logits[numbers].astype(np.float64), reference[numbers])
    for place, number in enumerate(numbers.tolist()):
        hi, tail = _decided(rows.brackets(place), targets, number, reference.classes)
        values.hi[number], values.tail[number] = hi, tail
        values.nonzero[number] = (hi, tail) != (0, 0)
    return values


def _settle_single(
    values: Exact, targets: Targets, logits: NDArray[Any], target: FloatFormat
) -> None:
    """Decide losses of one log-probability each where double-double cannot tell the side."""

    def decide(row: int, _: int) -> tuple[float, float]:
        known = RowBrackets.of(logits[row].astype(np.float64))
        assert targets.only is not None  # noqa: S101  (a single term has a class)
        return round_linear(Fraction(1), known.log_sum, known.gap(int(targets.only[row, 0])))

    settle_zeros(values, target, decide)


@frozen_with_memory
class _Terms:
    """The products that a loss is the sum of: coefficients and log-probabilities."""

    coefficients: DoubleDouble
    targets: Targets
    y: Exact
    one_sign: bool  # no weight and no probability is negative
    nan: Mask  # rows that hold 0 · inf, (rows, 1)

    @classmethod
    def of(cls, reference: Reference, targets: Targets) -> _Terms:
        coefficients = _coefficients(reference, targets)
        nan = np.zeros((len(reference.invalid), 1), bool)
        if targets.labels is not None and targets.kept == 0:
            nan = reference.at(targets.labels).masked
        if targets.only is not None:
            reference = reference.at(targets.only)
        return cls(coefficients, targets, reference.log_softmax, _one_sign(targets), nan)

    @property
    def single(self) -> bool:
        """Whether each loss is one log-probability."""
        return self.coefficients.hi.shape[1] == 1 and bool((self.coefficients.hi == 1).all())

    @once
    def sizes(self) -> Array:
        """What the errors of the coefficients are relative to, (rows, classes) or (rows, 1)."""
        return _sizes(self.coefficients, self.targets)

    @once
    def plain_sum(self) -> Array:
        """The sum in float64, (rows, 1)."""
        return np.asarray((-self.coefficients.hi * self.y.hi).sum(axis=1, keepdims=True))

    @once
    def magnitude(self) -> Array:
        """The sum of the magnitudes, (rows, 1)."""
        if self.one_sign:
            return np.abs(self.plain_sum)
        return np.asarray((self.sizes * np.abs(self.y.hi)).sum(axis=1, keepdims=True))

    @once
    def error(self) -> Array:
        """Bound the error of a sum in double-double, (rows, 1)."""
        lost = ((1 + self.sizes) * (1 + np.abs(self.y.hi))).sum(axis=1, keepdims=True)
        return np.asarray(self.magnitude * _WIDE + lost * _LOST)

    @once
    def special(self) -> Mask:
        """Rows whose loss is infinite or NaN by definition, (rows, 1)."""
        known = np.isfinite(self.coefficients.hi) & ~self.y.infinite & ~np.isnan(self.y.hi)
        return np.asarray(~row_all(known))

    def added(self) -> Exact:
        """Return the sums: in double-double where the log-probabilities are."""
        c, y = self.coefficients, self.y
        hi, tail = self.plain_sum.copy(), None
        if y.tail is not None:
            terms = DoubleDouble(-y.hi, -np.ldexp(y.tail, ulp_exponent(y.hi, FLOAT64)))
            total = (terms.hi, -y.tail) if self.single else _rounded_sum(c, terms)
            finite = np.isfinite(hi) & np.isfinite(total[0])
            beyond = np.where(self.special, 0.0, np.nan)  # what overflows on the way is left open
            hi, tail = np.where(finite, total[0], hi), np.where(finite, total[1], beyond)
        hi[self.nan] = np.nan
        contributing = (c.hi != 0) & y.nonzero
        nonzero = row_any(contributing)
        if not nonzero.all():
            nothing = ~nonzero & ~self.special  # even where a log-softmax is beyond float64
            hi[nothing] = 0.0
            if tail is not None:
                tail[nothing] = 0.0
        infinite = row_any(contributing & (y.infinite | np.isinf(self.coefficients.hi)))
        return Exact(hi, tail, nonzero, infinite)


def _rounded_sum(c: DoubleDouble, terms: DoubleDouble) -> tuple[Array, Array]:
    return rounded_with_tail(dd.row_sum(dd.multiply(c, terms)), None)


def _one_sign(targets: Targets) -> bool:
    given = (values for values in (targets.weights, targets.probabilities) if values is not None)
    return all(bool(values.min(initial=0) >= 0) for values in given)


def _sizes(coefficients: DoubleDouble, targets: Targets) -> Array:
    """Return what the errors of the coefficients are relative to."""
    if targets.probabilities is None or not targets.smoothing:
        return np.abs(coefficients.hi)
    weights = 1.0 if targets.weights is None else np.abs(targets.weights.astype(np.float64))
    t = np.abs(targets.probabilities.astype(np.float64))
    return np.asarray(weights * (t * float(targets.kept) + float(targets.spread)))


def _decided(row: RowBrackets, targets: Targets, number: int, classes: int) -> tuple[float, float]:
    """Return the loss of one row, rounded once, and its tail: Σ c · log Σ exp(x − m) + Σ c (m − x).

    The row is the one of that number in the targets.
    """
    c = exact_coefficients(targets, number, classes)
    shift = sum((share * row.gap(column) for column, share in c.items() if share), Fraction(0))
    return round_linear(sum(c.values(), Fraction(0)), row.log_sum, shift)


def exact_coefficients(targets: Targets, number: int, classes: int) -> dict[int, Fraction]:
    """Return what multiplies the log-probabilities in the loss of one row, by class."""

    def weight(column: int) -> Fraction:
        return Fraction(1 if targets.weights is None else float(targets.weights[0, column]))

    if targets.probabilities is not None:
        own = enumerate(targets.probabilities[number].tolist())
        return {c: weight(c) * (Fraction(t) * targets.kept + targets.spread) for c, t in own}
    assert targets.labels is not None  # noqa: S101  (hard targets have labels)
    label = int(targets.labels[number, 0])
    if targets.only is not None:
        return {label: weight(label)}
    shares = {c: weight(c) * targets.spread for c in range(classes)}
    shares[label] += weight(label) * targets.kept
    return shares


def _coefficients(reference: Reference, targets: Targets) -> DoubleDouble:
    """Return what each log-probability is multiplied by: (rows, 1) or (rows, classes)."""
    kept, spread = constant(targets.kept), constant(targets.spread)
    if targets.probabilities is not None:
        t = DoubleDouble.of(targets.probabilities.astype(np.float64))
        if targets.smoothing:
            t = dd.add(dd.multiply(t, kept), spread)
        return t if targets.weights is None else _weighted(targets.weights, t)
    assert targets.labels is not None  # noqa: S101  (hard targets have labels)
    if not targets.smoothing:
        if targets.weights is None:
            return DoubleDouble.of(np.ones(targets.labels.shape))
        return DoubleDouble.of(targets.weights.astype(np.float64)[0, targets.labels])
    own = constant(targets.kept + targets.spread)
    at_label = np.arange(reference.classes)[None, :] == targets.labels
    share = DoubleDouble(
        np.where(at_label, own.hi, spread.hi), np.where(at_label, own.lo, spread.lo)
    )
    return share if targets.weights is None else _weighted(targets.weights, share)


def _weighted(weights: Array, share: DoubleDouble) -> DoubleDouble:
    """Return the products with weights, of which some may be infinite once rounded."""
    w = DoubleDouble.of(weights.astype(np.float64))
    product, infinite = dd.multiply(w, share), np.isinf(w.hi)
    return DoubleDouble(
        np.where(infinite, w.hi * share.hi, product.hi), np.where(infinite, 0.0, product.lo)
    )


def constant(value: Fraction) -> DoubleDouble:
    """Return a rational number, (1, 1)."""
    hi = float(value)
    return DoubleDouble(np.full((1, 1), hi), np.full((1, 1), float(value - type(value)(hi))))


def class_coefficients(reference: Reference, targets: Targets) -> DoubleDouble:
    """Return the coefficient of each class, (rows, classes), in double-double."""
    c = _coefficients(reference, targets)
    if targets.only is None:
        return DoubleDouble(*np.broadcast_arrays(c.hi, c.lo, reference.masked)[:2])
    at_label = np.arange(reference.classes)[None, :] == targets.only
    return DoubleDouble(np.where(at_label, c.hi, 0.0), np.where(at_label, c.lo, 0.0))


def coefficients_of(reference: Reference, targets: Targets) -> Array:
    """Return what multiplies each log-probability, (rows, 1) or (rows, classes), in float64."""
    return _coefficients(reference, targets).hi


def mask_of(reference: Reference, targets: Targets) -> Mask:
    """Return which rows have a masked class as their only target, (rows, 1)."""
    if targets.labels is None or targets.smoothing:
        return np.zeros((len(reference.invalid), 1), dtype=bool)
    return reference.at(targets.labels).masked
