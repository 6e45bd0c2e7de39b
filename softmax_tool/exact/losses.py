"""The true loss of each row, from the true log-softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.exact import double_double as dd
from softmax_tool.exact.double_double import DoubleDouble
from softmax_tool.exact.tails import rounded_with_tail
from softmax_tool.exact.values import Exact
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from fractions import Fraction

    from softmax_tool.exact.values import Array, Mask, Reference
    from softmax_tool.targets import Targets


def losses(reference: Reference, targets: Targets) -> Exact:
    """Return the true loss of each row, (rows, 1), with PyTorch's semantics.

    Hard labels: -w_y y_y; smoothed: (1 - s) of that and s/C Σ -w_c y_c; probabilities:
    Σ -w_c t'_c y_c with t' = t (1 - s) + s/C. Terms are never skipped: 0 · inf is NaN.
    Weights and probabilities are those of the format; the smoothing is not rounded.

    In double-double where the log-softmax is: relative error below 2**-90, with signed weights
    relative to the sum of the terms' magnitudes. In float64 otherwise.
    """
    coefficients = _coefficients(reference, targets)
    if targets.only is not None:
        reference = reference.at(targets.only)
    y = reference.log_softmax
    with np.errstate(all="ignore"):
        hi = (-coefficients.hi * y.hi).sum(axis=1, keepdims=True)
        tail = None
        if y.tail is not None:
            wide = _wide_sum(coefficients, y.hi, y.tail)
            finite = np.isfinite(hi) & np.isfinite(wide[0])
            hi, tail = np.where(finite, wide[0], hi), np.where(finite, wide[1], 0.0)
    contributing = (coefficients.hi != 0) & y.nonzero
    infinite = (contributing & y.infinite).any(axis=1, keepdims=True)
    return Exact(hi, tail, contributing.any(axis=1, keepdims=True), infinite)


def _wide_sum(coefficients: DoubleDouble, y: Array, tail: Array) -> tuple[Array, Array]:
    """Return −Σ coefficient · y in float64 and what that misses, in ULP."""
    terms = DoubleDouble(-y, -np.ldexp(tail, ulp_exponent(y, FLOAT64)))
    if coefficients.hi.shape[1] == 1 and (coefficients.hi == 1).all():
        return terms.hi, -tail
    total = dd.row_sum(dd.multiply(coefficients, terms))
    return rounded_with_tail(total, None)


def _coefficients(reference: Reference, targets: Targets) -> DoubleDouble:
    """Return what each log-probability is multiplied by: (rows, 1) or (rows, classes)."""
    kept, spread = constant(targets.kept), constant(targets.spread)
    if targets.probabilities is not None:
        t = DoubleDouble.of(targets.probabilities.astype(np.float64))
        if targets.smoothing:
            t = dd.add(dd.multiply(t, kept), spread)
        return t if targets.weights is None else dd.multiply(_weights(targets.weights), t)
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
    return share if targets.weights is None else dd.multiply(_weights(targets.weights), share)


def _weights(weights: Array) -> DoubleDouble:
    return DoubleDouble.of(weights.astype(np.float64))


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
