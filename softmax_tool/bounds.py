"""A-priori bounds on the absolute error of each element, evaluated from the data of its row.

u is the unit roundoff and η the smallest subnormal of the format; n = a + 1 with a the summation
constant of the arithmetic, |Ŝ − S| ≤ a u S for positive addends; x are the logits, z = x − max x,
S = Σ exp z, p the softmax, y the log-softmax. Every operation is taken to be off by at most u
relatively (exp, log and log1p by `functions` u, 1 in the formulas below), and by η/2 more where
exp, log1p, a product or a quotient underflows gradually. A first-order bound t stands for
t / (1 − t), and there is none (infinity is returned) where t ≥ 1.

Bounds hold for paths on which nothing overflows; warnings are the caller's. Source of the published
ones: Blanchard, Higham and Higham 2021, sections 3 and 4; docs/numerics.md derives the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.arithmetic.selection import row_any
from softmax_tool.arithmetic.tree import LEAF
from softmax_tool.exact import class_coefficients, coefficients_of
from softmax_tool.formats import accumulator_of
from softmax_tool.frozen import frozen_with_memory
from softmax_tool.once import once

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.exact import Reference
    from softmax_tool.formats import FloatFormat
    from softmax_tool.targets import Targets
    from softmax_tool.ulp import Ruler

    Array = NDArray[np.float64]
    Bound = Callable[["Conditions"], Array]


@frozen_with_memory
class Conditions:
    """What a bound depends on: a block of rows with its exact values, the format, the sum.

    `sums_are_wide` tells how the one-pass sum of `online` goes: leaf by leaf in the accumulator, or
    class by class in the format. What several bounds are made of is made once.
    """

    reference: Reference
    logits: NDArray[np.floating]
    format: FloatFormat
    sum_constant: float
    sums_are_wide: bool
    functions: float = 1.0
    targets: Targets | None = None
    whole: Conditions | None = None  # those of all elements; None: these are
    picked: NDArray[np.intp] | None = None  # which rows of the whole these are; None: all

    @once
    def u(self) -> float:
        """Unit roundoff."""
        return self.format.unit_roundoff

    @once
    def half_eta(self) -> float:
        """Half of the smallest subnormal, or the smallest float64 where that is 0."""
        return self.format.smallest_subnormal / 2 or 5e-324

    @property
    def n(self) -> float:
        """The summation constant and the rounding of an exponential."""
        return self.sum_constant + self.functions

    @property
    def n_of_quotient(self) -> float:
        """The same and those of an exponential and a quotient: n + 2."""
        return self.n + self.functions + 1

    @once
    def y(self) -> Array:
        """The magnitude of each exact log-softmax."""
        return np.abs(self.reference.log_softmax.hi)

    @once
    def distance(self) -> Array:
        """How far each logit is from the largest of its row, |z|."""
        return np.abs(self.reference.shifted)

    @property
    def masked(self) -> NDArray[np.bool_]:
        """Where z is −inf."""
        return np.isneginf(self.reference.shifted)

    @once
    def any_masked(self) -> bool:
        """Whether it may be so anywhere."""
        of_rows = self.reference.of_rows
        return not (of_rows.minimum - of_rows.maximum > -np.inf).all()

    @once
    def lse(self) -> Array:
        """The log-sum-exp, (rows, 1)."""
        return self.reference.lse

    @once
    def total(self) -> Array:
        """Σ exp x, (rows, 1), as far as float64 reaches."""
        return np.exp(np.minimum(self.lse, 700.0))

    @once
    def share(self) -> Array:
        """1/S, the softmax of the largest logit, (rows, 1)."""
        return np.exp(-self.reference.log_sum)

    @once
    def rescaling(self) -> Array:
        """What rescaling a one-pass sum adds to its constant, (rows, 1)."""
        if self.whole is None:
            return _rescaling(self)
        of_rows = self.whole.rescaling
        return of_rows if self.picked is None or len(of_rows) == 1 else of_rows[self.picked]

    def at(self, columns: NDArray[np.int64]) -> Conditions:
        """Return the same for one class of each row; what belongs to the row stays as it is."""
        return replace(self, reference=self.reference.at(columns), whole=self, picked=None)

    def pick(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Conditions:
        """Return the same for single elements, each with what belongs to its row, (some, 1)."""
        return Conditions(
            self.reference.pick(rows, columns),
            self.logits,
            self.format,
            self.sum_constant,
            self.sums_are_wide,
            self.functions,
            self.targets,
            self,
            rows,
        )


def compounded(first_order: Array | float) -> Array:
    """Return t / (1 − t), and infinity where t ≥ 1."""
    t = np.asarray(first_order, np.float64)
    return np.where(t < 1, t / (1 - t), np.inf)


def half_an_ulp(ruler: Ruler) -> Array:
    """Half an ULP of the exact value: what `exact`, rounded once, promises."""
    return np.maximum(np.ldexp(0.5, ruler.exponent), 5e-324)  # half of that is 0


# Softmax.


def softmax_naive(c: Conditions) -> Array:
    """(n + 2)u + C η/2 / Σ exp x relative, C classes; and η/2 for its exponential and quotient."""
    r = c.reference
    lost = c.half_eta / c.total
    relative = compounded(c.n_of_quotient * c.u + r.classes * lost)
    bound = r.softmax.hi * relative + lost * (1 + relative) + c.half_eta
    # A masked class is met unless every other exponential has become 0 as well: 0/0.
    return np.where(c.masked & np.isfinite(relative), 0.0, bound) if c.any_masked else bound


def softmax_shifted(c: Conditions) -> Array:
    """(|z| + Σ p|z| + n + 2)u relative, and η/2 (1 + (C + 1)/S) for C + 2 gradual underflows."""
    r = c.reference
    return _softmax(c, (c.distance + r.mean_shift + c.n_of_quotient) * c.u)


def softmax_online(c: Conditions) -> Array:
    """As shifted, with (n + 2 + k)u for n + 2, k from the rises of the running maximum.

    Class by class, a rise costs an exponential and a product: k = 2 · rises. Leaf by leaf, with
    ρ = u of the accumulator / u, the product costs ρ, and l leaves are added one after the other
    instead of by halves: k = rises (1 + ρ) + (l − 1 − ⌈log2 l⌉)ρ.
    """
    r = c.reference
    constant = c.n_of_quotient + c.rescaling
    # A product that underflows, and a factor that does, each add as much as an exponential.
    return _softmax(c, (c.distance + r.mean_shift + constant) * c.u, per_class=3)


def softmax_via_lse(c: Conditions) -> Array:
    """(|x − lse| + |lse| + |log S| + Σ p|z| + n + 2)u relative."""
    r = c.reference
    of_row = np.abs(c.lse) + c.functions * r.log_sum + r.mean_shift + c.n_of_quotient
    return _softmax(c, (c.y + of_row) * c.u)


def _softmax(c: Conditions, first_order: Array, per_class: int = 1) -> Array:
    """Bound a softmax whose sum is at least 1: each exponential misses by up to η/2 more."""
    r = c.reference
    underflow = c.half_eta * (1 + (per_class * r.classes + 1) * c.share)
    bound = r.softmax.hi * compounded(first_order) + underflow
    return np.where(c.masked, 0.0, bound) if c.any_masked else bound


def _rescaling(c: Conditions) -> Array:
    """Return what rescaling a one-pass sum adds to its constant, (rows, 1)."""
    if not c.sums_are_wide:
        return (c.functions + 1) * _rises(c.logits)
    starts = np.arange(0, c.reference.classes, LEAF)
    ratio = accumulator_of(c.format).unit_roundoff / c.u
    later = len(starts) - 1 - (len(starts) - 1).bit_length()
    rises = _rises(np.maximum.reduceat(c.logits, starts, axis=1))
    return rises * (c.functions + ratio) + later * ratio


def _rises(values: NDArray[np.floating]) -> Array:
    """Count how often the running maximum of each row rises, (rows, 1)."""
    above = values[:, 1:] > np.maximum.accumulate(values, axis=1)[:, :-1]
    return np.count_nonzero(above, axis=1, keepdims=True).astype(np.float64)


# Log-softmax.


def log_softmax_shifted(c: Conditions) -> Array:
    """(2|y| + Σ p|z| + n)u absolute, and η/2 (C + 2)."""
    r = c.reference
    first_order = (2 * c.y + (r.mean_shift + c.n + (c.functions - 1) * r.log_sum)) * c.u
    return compounded(first_order) + c.half_eta * (r.classes + 2)


def log_softmax_minus_lse(c: Conditions) -> Array:
    """s/(1 − s) + (|log S| + |lse| + |y|)u, s = (Σ p|z| + n)u + C η/2 / S."""
    r = c.reference
    s = (r.mean_shift + c.n) * c.u + r.classes * c.half_eta * c.share
    return _of_log(c, compounded(s) + (c.functions * r.log_sum + np.abs(c.lse)) * c.u, c.y)


def log_softmax_log1p(c: Conditions) -> Array:
    """d/(1 − d) + (|log S| + |z|)u, and |y|u where z is not 0; d = qτ/(1 − τ) + (C − 1) η/2 / S.

    q = 1 − 1/S is the share of all but the first maximum, and qτ = (Σ p|z| + q n)u: relatively
    small at the maximum however near 0 the log-softmax is.
    """
    r = c.reference
    q = -np.expm1(-r.log_sum)
    share = (r.mean_shift + q * c.n) * c.u
    tau = np.where(q > 0, share / q, 0.0)
    d = np.where(tau < 1, share / (1 - tau), np.inf)
    d += (r.classes - 1) * c.half_eta * c.share
    of_row = compounded(d) + c.functions * r.log_sum * c.u
    last = np.where(r.shifted == 0, 0.0, c.y)
    return _of_log(c, of_row + c.distance * c.u, last) + c.half_eta


def log_softmax_naive_lse(c: Conditions) -> Array:
    """s/(1 − s) + (|lse| + |y|)u, s = n u + C η/2 / Σ exp x."""
    r = c.reference
    of_row = compounded(c.n * c.u + r.classes * c.half_eta / c.total)
    of_row += c.functions * np.abs(c.lse) * c.u
    return _of_log(c, of_row, c.y)


def log_of_naive(c: Conditions) -> Array:
    """−log(1 − R) + |y|u, R the relative bound of the naive softmax; none where R ≥ 1."""
    return _logarithm(c, -_log1p_of_minus(_relative(c, softmax_naive)))


def log_of_shifted(c: Conditions) -> Array:
    """−log(1 − R) + |y|u, R the relative bound of the shifted softmax; none where R ≥ 1."""
    return _logarithm(c, -_log1p_of_minus(_relative(c, softmax_shifted)))


def clamped_at(limit: Fraction) -> Bound:
    """Bound log max(p, ℓ), ℓ the limit rounded to the format.

    max(log(1 + R), log ℓ − y, min(−log(1 − R), y − log ℓ)) + |y|u: the truth is not clamped, so
    that below ℓ the bound is how far the clamped result is off.
    """

    def bound(c: Conditions) -> Array:
        y = c.reference.log_softmax.hi
        log_limit = np.log(c.format.round_exactly(limit))
        absolute = softmax_shifted(c)
        relative = absolute / c.reference.softmax.hi
        below = np.minimum(-_log1p_of_minus(relative), y - log_limit)
        # Of a p below float64, the logarithm is not, nor that of η/p.
        above = np.where(relative < np.inf, np.log1p(relative), np.log(absolute) - y)
        return _logarithm(c, np.maximum(np.maximum(above, below), log_limit - y))

    return bound


def _of_log(c: Conditions, error: Array, rounded: Array) -> Array:
    """Add the last rounding, of a number that large, and what three roundings add to each other."""
    return (error + rounded * c.u) / (1 - 4 * c.u) + c.half_eta


def _logarithm(c: Conditions, error: Array) -> Array:
    """Bound a rounded logarithm whose argument is off by a factor of exp(±error)."""
    return error * (1 + c.functions * c.u) + c.functions * c.y * c.u


def _relative(c: Conditions, bound: Bound) -> Array:
    return bound(c) / c.reference.softmax.hi


def _log1p_of_minus(relative: Array) -> Array:
    return np.log1p(-np.minimum(relative, 1.0))


# What no error bound of the shifted formulations is below, in ULP of a normal true value: an ULP is
# at most 2 u times the value.


def _least_softmax(c: Conditions) -> Array:
    """(Σ p|z| + n + 2)/2, (rows, 1)."""
    return (c.reference.mean_shift + c.n_of_quotient) / 2


def _least_log_softmax(c: Conditions) -> Array:
    """1 + (Σ p|z| + n)/(2 max|y|), (rows, 1)."""
    rows = c.reference.of_rows
    largest = rows.maximum - rows.minimum + rows.log_sum
    return np.asarray(1 + (rows.mean_shift + c.n) / (2 * largest))


LEAST_IN_ULP = {"softmax": _least_softmax, "log-softmax": _least_log_softmax}

# As functions of the distance from the row's maximum, bounds are convex and do not fall (of softmax
# those relative to the true value), but for this one: at the maximum it lacks the last rounding.
NOT_CONVEX = (log_softmax_log1p,)

# Losses.

_ALWAYS_FINITE = (log_softmax_shifted, log_softmax_minus_lse, log_softmax_log1p)


def loss_bound(c: Conditions, targets: Targets, bound: Bound) -> Array:
    """Bound the error of a loss, (rows, 1), by that of the log-probabilities it is made of.

    b is the bound of a log-probability. Class labels: w(b + |y|u) + η/2. Otherwise
    Σ |coefficient| (b + (b + |y|)f/(1 − f)), f = (n + 4)u: smoothing makes 3 roundings of a
    coefficient, its weight and the product with y one each, the sum a and the last one 1; and
    what underflows. A coefficient of 0 does not save a log-probability that may be infinite.
    """
    coefficients = np.abs(coefficients_of(c.reference, targets))
    with np.errstate(all="ignore"):
        if targets.labels is not None and not targets.smoothing:
            c = c.at(targets.labels)
            return coefficients * bound(c) + c.u * coefficients * c.y + c.half_eta
        b, y = bound(c), c.y
        terms = coefficients * (b + (b + y) * compounded((c.n + 4) * c.u))
        terms += c.half_eta * (1 + (y + b) * _underflow_of_coefficients(targets))
        if bound in _ALWAYS_FINITE:
            terms = np.where(coefficients == 0, 0.0, terms)
        return np.asarray(terms.sum(axis=1, keepdims=True) + 4 * c.half_eta)


def _underflow_of_coefficients(targets: Targets) -> Array:
    """Return how far each coefficient is off by gradual underflow, in η/2.

    1 − s and s/C may be subnormal themselves, and so may be their products with a probability and
    with a weight.
    """
    weights = np.ones((1, 1)) if targets.weights is None else np.abs(targets.weights)
    lost = np.zeros((1, 1))
    if targets.smoothing:
        t = 1.0 if targets.probabilities is None else np.abs(targets.probabilities)
        lost = np.asarray((2 + t) * weights)
    return np.asarray(lost + (targets.weights is not None), np.float64)


# Gradients.


def gradient_shifted(c: Conditions) -> Array:
    """Of g − (Σ g)/S · exp z: `_gradient` with |z| + Σ p|z| for the exponentials."""
    r = c.reference
    return _gradient(c, np.abs(r.shifted) + r.mean_shift, 1 + np.exp(-r.log_sum) * r.classes)


def gradient_naive_lse(c: Conditions) -> Array:
    """Of g − (Σ g)/S · exp x: `_gradient` with exponentials that are not shifted."""
    r = c.reference
    lost = r.classes / np.exp(np.minimum(r.lse, 700.0))
    # As much as the sum may be lost of it where all are tiny.
    sound = lost * c.half_eta < 0.5
    bound = _gradient(c, 0.0, 1 + 2 * lost) + _underflow_times_exp(c)
    return np.where(sound, bound, np.inf)


def gradient_of_log_naive(c: Conditions) -> Array:
    """Through log of the naive softmax; see `_gradient_of_log`."""
    lost = _underflow_times_exp(c) + _underflow_of_shares(c, c.reference.lse, 0.0)
    return _gradient_of_log(c, softmax_naive) + lost


def gradient_of_log_shifted(c: Conditions) -> Array:
    """Through log of the shifted softmax; see `_gradient_of_log`."""
    lost = _underflow_of_shares(c, c.reference.log_sum, 0.0)
    return _gradient_of_log(c, softmax_shifted) + lost


def gradient_clamped_at(limit: Fraction) -> Bound:
    """Bound the gradient through log max(p, ℓ): nothing may pass where p may be at most ℓ.

    There C p + |c| more: what the targets that are cut off would have added. Where ℓ rounds to 0,
    everything passes, as without it.
    """

    def bound(c: Conditions) -> Array:
        least = c.format.round_exactly(limit)
        if least == 0:
            return gradient_of_log_shifted(c)
        coefficients, total = _coefficients(c)
        relative = _relative(c, softmax_shifted)
        p = c.reference.softmax.hi
        above = p * (1 - relative) > max(least, _least_normal(c))
        cut = row_any((coefficients != 0) & ~above)
        more = total * p + coefficients if least >= _least_normal(c) else np.inf
        lost = _underflow_of_shares(c, c.reference.log_sum, least)
        return _passed_log(c, softmax_shifted) + lost + np.where(cut, more, 0.0)

    return bound


def _gradient(c: Conditions, shift: Array | float, underflow: Array) -> Array:
    """C p t/(1 − t) + k|c|u + (C p + |c|)u, t = (shift + 2n + 12)u; and η/2 times what underflows.

    C is the sum of the coefficients' magnitudes |c|, each up to k roundings off; their sum a
    more, the quotient, an exponential, a product and the sum of the two terms one each. What
    underflows: exponentials, what they are of the sum, the coefficients, and products.
    """
    r = c.reference
    coefficients, total = _coefficients(c)
    term = total * r.softmax.hi
    theta = compounded((shift + 2 * c.n_of_quotient + 8) * c.u)
    bound = term * theta + c.u * (_roundings(c) * coefficients + term + coefficients)
    lost = 2 + r.classes + (total + 1) * (1 + underflow)
    return np.asarray(bound * (1 + 4 * c.u) + c.half_eta * lost + _underflow_handed_on(c, theta))


def _gradient_of_log(c: Conditions, softmax: Bound) -> Array:
    """As far as the log passes anything on: none where a probability may be 0, 0/0.

    Nor where that of a target may be subnormal: dividing by it and multiplying by it again, which
    costs a rounding each otherwise, would not cancel.
    """
    coefficients, _ = _coefficients(c)
    p = c.reference.softmax.hi
    gone = ~(p > 2 * softmax(c)) | ~(p > 4 * c.format.smallest_subnormal)
    tiny = (coefficients != 0) & ~(p > _least_normal(c))
    unsound = row_any(gone | tiny)
    return np.where(unsound, np.inf, _passed_log(c, softmax))


def _passed_log(c: Conditions, softmax: Bound) -> Array:
    """C p (r + t)/(1 − r − t) + (8 + k)|c|u, r the relative bound of the softmax, t = (2n + 16)u.

    k and what underflows of the coefficients are as in `_gradient`.
    """
    coefficients, total = _coefficients(c)
    r = c.reference
    theta = compounded(_relative(c, softmax) + (2 * c.n_of_quotient + 12) * c.u)
    term = total * r.softmax.hi
    bound = term * theta + c.u * ((8 + _roundings(c)) * coefficients + term)
    lost = (3 + r.classes) * (1 + total)
    return np.asarray(bound * (1 + 4 * c.u) + c.half_eta * lost + _underflow_handed_on(c, theta))


def _roundings(c: Conditions) -> int:
    """Count the roundings of a coefficient: up to 3 of smoothing, 1 of weights, 2 of a mean."""
    assert c.targets is not None  # noqa: S101  (gradients have targets)
    targets = c.targets
    of_smoothing = 0 if not targets.smoothing else 3 if targets.labels is None else 2
    return of_smoothing + (targets.weights is not None) + 2 * (targets.share != 1)


def _underflow_handed_on(c: Conditions, theta: Array) -> Array:
    """Return η/2 (l + p Σ l): what the coefficients lose, each by itself and in their sum.

    Their sum is multiplied by an exponential and divided by a sum, `theta` off.
    """
    assert c.targets is not None  # noqa: S101  (gradients have targets)
    lost = lost_of_coefficients(c.reference, c.targets)
    p, total = c.reference.softmax.hi, lost.sum(axis=1, keepdims=True)
    handed_on = lost * (1 + 16 * c.u) + np.where(total != 0, p * total * (1 + theta), 0.0)
    return np.asarray(c.half_eta * handed_on)


def lost_of_coefficients(reference: Reference, targets: Targets) -> Array:
    """Return how far each coefficient of a gradient is off by underflow, in η/2, (rows, classes).

    1 − s, s/C and the share of a mean may be subnormal themselves, by η/2 each, and then are
    multiplied by a weight, however large; each product with a weight, a probability or the share
    may be, too. What is multiplied by 0 loses nothing, nor does what is not multiplied.
    """
    weights = np.ones((1, 1)) if targets.weights is None else np.abs(targets.weights)
    weighted, averaged = targets.weights is not None, targets.share != 1
    share = np.divide(1.0, abs(float(targets.divisor)))
    if targets.probabilities is not None:
        t = np.abs(targets.probabilities)
        smoothed = t * float(targets.kept) + float(targets.spread)
        lost = weights * ((t + 2) if targets.smoothing else 0.0) + weighted
        if averaged:
            lost = share * lost + weights * smoothed + 1
        there = (weights != 0) & ((t != 0) | bool(targets.smoothing))
        return np.where(there, lost, 0.0)
    at_label = np.arange(reference.classes)[None, :] == targets.labels
    if not targets.smoothing:
        return np.where(at_label & (weights != 0), averaged * (weights + weighted), 0.0)

    def multiplied(constant: Fraction) -> Array:
        of_share = (share + float(constant)) if averaged else 0.0
        return np.asarray((1 + of_share) * weights + weighted)

    lost = np.where(at_label, multiplied(targets.kept), 0.0) + multiplied(targets.spread)
    return np.where(weights != 0, lost, 0.0)


def _underflow_of_shares(c: Conditions, log_total: Array, least: float) -> Array:
    """Return 2η e Σ (|c|/p + 1) over the targets: what p/S loses, times g = c/p, times e = p S.

    Twice as much as that, since p may be half as large as the true one; `least` bounds it below.
    """
    coefficients, _ = _coefficients(c)
    p = c.reference.softmax.hi
    shares = np.where(coefficients != 0, coefficients / np.maximum(p, least) + 1, 0.0)
    # In two factors, since the exponential of the sum may be beyond float64.
    lost = 4 * c.half_eta * shares.sum(axis=1, keepdims=True) * np.exp(100.0)
    return np.asarray(lost * (p * np.exp(log_total - 100.0)))


def _underflow_times_exp(c: Conditions) -> Array:
    """Return 2 η e: what quotients by the sum lose where it is large, times an exponential."""
    r = c.reference
    # In two factors, since the exponential of the sum may be beyond float64.
    lost = 4 * c.half_eta * np.exp(100.0)
    return np.asarray(lost * (r.softmax.hi * np.exp(r.lse - 100.0)))


def _least_normal(c: Conditions) -> float:
    return 4 * c.format.smallest_normal


def _coefficients(c: Conditions) -> tuple[Array, Array]:
    """Return the magnitude of each class's coefficient, and their sum."""
    assert c.targets is not None  # noqa: S101  (gradients have targets)
    values = class_coefficients(c.reference, c.targets).hi / float(c.targets.divisor)
    return np.abs(values), np.abs(values).sum(axis=1, keepdims=True)
