"""What careful computation may be off, whoever did it: the default tolerance of results.

u and η are unit roundoff and smallest subnormal of the format, v the unit roundoff of the
accumulator, C classes, n = a + f with a the constant of the sum and f u the error of a function;
x are the logits, z = x − max x, S = Σ exp z, L the log-sum-exp, p the softmax, y the log-softmax.

The bounds are those of the `shifted` formulation with every operation rounded to the format (see
`softmax_tool.bounds`), and beside them what ways through the accumulator add: exp as a power of 2,
and the log-sum-exp, as long as it is of a magnitude that can be exponentiated. They are finite for
every element, so that there is none that anything passes for.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.arithmetic.wide_sum import sum_constant as tree_constant
from softmax_tool.bounds import Conditions, compounded, loss_bound, lost_of_coefficients
from softmax_tool.exact import class_coefficients
from softmax_tool.formats import FLOAT32, accumulator_of
from softmax_tool.formulations import GRADIENT, LOSSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.rows import Yardsticks
    from softmax_tool.targets import Targets

    Array = NDArray[np.float64]

# Errors of exp and log in u: half of an ULP where they are rounded from a wider format, 2.4 ULP
# (NumPy's float32 exp with SIMD, u being half of an ULP), 4 ULP.
_NARROW, _SINGLE, _DOUBLE = 1.0, 5.0, 8.0
# Beyond this magnitude of the log-sum-exp, x − L cancels for no good reason.
_LARGEST_LSE = 128.0


def functions_of(target: FloatFormat) -> float:
    """Return what exp and log of libraries are off in results of a format, in u."""
    if target.precision < FLOAT32.precision:
        return _NARROW
    return _SINGLE if target == FLOAT32 else _DOUBLE


def sum_constant(classes: int, target: FloatFormat) -> float:
    """Return a with |sum error| <= a u Σ, whatever the order of summation in the accumulator.

    The errors of a running sum are at most (n − 1)v, and hardly ever beyond 2 √n v: Higham and
    Mary, A new approach to probabilistic rounding error analysis, SIAM J. Sci. Comput., 2019.
    """
    accumulator = accumulator_of(target)
    any_order = min(classes - 1, 2 * sqrt(classes))
    if accumulator != target:
        any_order = any_order * accumulator.unit_roundoff / target.unit_roundoff + 1
    return max(tree_constant(classes, target), any_order)


def conditions_of(yardsticks: Yardsticks) -> Conditions:
    """Return what the bounds depend on."""
    rows, target = yardsticks.rows, yardsticks.target
    constant = sum_constant(rows.logits.shape[1], target)
    functions = functions_of(target)
    return Conditions(rows.reference, rows.logits, target, constant, True, functions)


def careful_bound(yardsticks: Yardsticks, quantity: str) -> Array:
    """Return what each element may be off, absolutely."""
    conditions, targets = conditions_of(yardsticks), yardsticks.rows.targets
    if quantity == "softmax":
        return softmax_bound(conditions)
    if quantity == GRADIENT and targets is not None:
        return gradient_bound(conditions, targets)
    if quantity not in LOSSES or targets is None:
        return log_softmax_bound(conditions)
    bound = loss_bound(conditions, targets, log_softmax_bound)
    # That of a loss which is infinite, beyond float64 or nan (0 times a log-probability of a masked
    # class) is no number either: no finite result is near such a loss.
    return np.where(np.isfinite(bound), bound, 0.0)


def in_ulp(bound: Array, yardsticks: Yardsticks, quantity: str) -> Array:
    """Return a bound in ULP of each true value, not below 1."""
    ruler = yardsticks.ruler(quantity)
    with np.errstate(invalid="ignore"):
        found = np.maximum(ruler.in_ulp(bound), 1.0)
    # No finite result is near a true infinity.
    return np.where(ruler.exact.infinite | np.isnan(found), 1.0, found)


def softmax_bound(c: Conditions) -> Array:
    """(|z| + Σp|z| + n + f + 1)u + (2|z| + 2Σp|z| + |y| + |L| + log S)v relative; and underflow.

    That is η/2 for the quotient, η/2 / S for its own exponential, and of those of the C
    exponentials in the sum what reaches it, p C η/2 / S.
    """
    r = c.reference
    with np.errstate(all="ignore"):
        z = np.abs(r.shifted)
        ways = 2 * z + 2 * r.mean_shift + c.y + _lse(c) + r.log_sum
        first_order = (z + r.mean_shift + c.n_of_quotient) * c.u + ways * accumulated(c)
        reached = (1 + r.classes * r.softmax.hi) * np.exp(-r.log_sum)
        relative = np.where(r.softmax.hi > 0, r.softmax.hi * compounded(first_order), 0.0)
        bound = relative + c.half_eta * (1 + reached)
    return np.where(np.isneginf(r.shifted), 0.0, bound)


def log_softmax_bound(c: Conditions) -> Array:
    """(s/(1 − s) + f u log S + 2|y|u + (log S + |L|)v)(1 + 4u), s = (Σp|z| + n)u + 2Σp|z|v.

    To s comes what underflows of the exponentials, C η/2 / S, and to the bound η/2.

    The shift and the last rounding are each off by their own magnitude times u, however large; the
    way by the log-sum-exp goes through the accumulator.
    """
    r = c.reference
    v = accumulated(c)
    with np.errstate(all="ignore"):
        s = (r.mean_shift + c.n) * c.u + 2 * r.mean_shift * v
        s += r.classes * c.half_eta * np.exp(-r.log_sum)
        of_row = compounded(s) + c.functions * c.u * r.log_sum + (_lse(c) + r.log_sum) * v
        bound = (of_row + 2 * c.y * c.u) * (1 + 4 * c.u) + c.half_eta
    return np.where(np.isneginf(r.shifted), 0.0, bound)


def gradient_bound(c: Conditions, targets: Targets) -> Array:
    """C b + 8(C p + |c|)u + (C + 2 + l + p Σ l)η/2 for C p − c, b the bound of the softmax.

    c are the coefficients of the log-probabilities, C is their sum. Up to six roundings make them;
    the product and the difference (which cancels where p is nearly 1, as in most kernels) are one
    each. l is what underflows of a coefficient, or of its product with a weight before the mean.
    """
    coefficients = np.abs(class_coefficients(c.reference, targets).hi) / float(targets.divisor)
    total = coefficients.sum(axis=1, keepdims=True)
    p = c.reference.softmax.hi
    with np.errstate(all="ignore"):
        lost = lost_of_coefficients(c.reference, targets)
        if targets.weights is not None and targets.share != 1:
            lost = lost + (lost != 0) / abs(float(targets.divisor))
        lost = (lost + p * lost.sum(axis=1, keepdims=True)) * (1 + 16 * c.u)
        bound = total * softmax_bound(c) + (total + 2 + lost) * c.half_eta
        return np.asarray(bound + 8 * (total * p + coefficients) * c.u)


def row_sum_bound(c: Conditions, quantity: str, bound: Array) -> Array:
    """Bound what the probabilities of a row may miss 1 by, (rows, 1).

    p = ê/Ŝ with the same exponentials in both: what is left are the errors of the sum and of the
    quotient, and underflow; of exponentials that were computed twice, or by way of the log-sum-exp,
    theirs as well. Of log-softmax, Σ exp y misses 1 by what each y may be off.
    """
    r = c.reference
    with np.errstate(all="ignore"):
        if quantity == "softmax":
            ways = (_lse(c) + 3 * r.mean_shift + 2 * r.log_sum) * accumulated(c)
            first_order = (c.sum_constant + 2 + 2 * c.functions) * c.u + ways
            return np.asarray(compounded(first_order) + r.classes * c.half_eta)
        off = np.where(r.masked, 0.0, r.softmax.hi * np.expm1(bound))
        return np.asarray(off.sum(axis=1, keepdims=True))


def order_slack(target: FloatFormat, quantity: str) -> float:
    """Return by how much, relatively, a result may be below that of a smaller logit.

    Shifts, sums and roundings keep the order; exp and a quotient may each be off.
    """
    functions = functions_of(target) if quantity == "softmax" else 0.0
    return 2 * (functions + 1) * target.unit_roundoff


def accumulated(c: Conditions) -> float:
    """Return the unit roundoff of the accumulator."""
    return accumulator_of(c.format).unit_roundoff


def _lse(c: Conditions) -> Array:
    return np.minimum(np.abs(c.reference.lse), _LARGEST_LSE)
