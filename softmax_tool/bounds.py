"""A-priori bounds on the absolute error of each element, evaluated from the data of its row.

u is the unit roundoff and η the smallest subnormal of the format, n = a + 1 with the summation
constant a of the arithmetic. A first-order bound t·u stands for t·u / (1 − t·u); there is none
where t·u ≥ 1 (infinity is returned). Every bound holds for paths that do not overflow.
Source: Blanchard, Higham and Higham 2021, sections 3 and 4, with gradual underflow added (an
exponential and every output miss by up to η/2 more).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_tool.exact import coefficients_of

if TYPE_CHECKING:
    from softmax_tool.exact import Reference
    from softmax_tool.formats import FloatFormat
    from softmax_tool.targets import Targets

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a bound depends on: the exact values of a block, the format, the summation constant."""

    reference: Reference
    format: FloatFormat
    sum_constant: float

    @property
    def u(self) -> float:
        """Unit roundoff."""
        return self.format.unit_roundoff

    @property
    def half_eta(self) -> float:
        """Half of the smallest subnormal, or the smallest float64 where that is 0."""
        return self.format.smallest_subnormal / 2 or 5e-324

    @property
    def n(self) -> float:
        """The summation constant and one more rounding."""
        return self.sum_constant + 1


Bound = Callable[[Conditions], NDArray[Any]]


def compounded(first_order: Array) -> Array:
    """Return t / (1 − t), and infinity where t ≥ 1."""
    with np.errstate(all="ignore"):
        return np.where(first_order < 1, first_order / (1 - first_order), np.inf)


def softmax_naive(c: Conditions) -> Array:
    """(n + 2)u relative."""
    r = c.reference
    with np.errstate(all="ignore"):
        total = np.exp(np.minimum(r.lse, 700.0))
        relative = compounded(np.asarray((c.n + 2) * c.u) + r.classes * c.half_eta / total)
        return r.softmax.hi * relative + c.half_eta / total + c.half_eta


def softmax_shifted(c: Conditions) -> Array:
    """(|z| + Σ p|z| + n + 2)u relative, z = x − max x."""
    r = c.reference
    return _softmax(c, (np.abs(r.shifted) + r.mean_shift + c.n + 2) * c.u)


def softmax_via_lse(c: Conditions) -> Array:
    """(|x − lse| + |lse| + |log S| + Σ p|z| + n + 2)u relative."""
    r = c.reference
    distance = np.abs(r.log_softmax.hi) + np.abs(r.lse) + r.log_sum + r.mean_shift
    return _softmax(c, (distance + c.n + 2) * c.u)


def _softmax(c: Conditions, first_order: Array) -> Array:
    """Bound a softmax whose sum is at least 1: each exponential misses by up to η/2 more."""
    r = c.reference
    with np.errstate(all="ignore"):
        underflow = c.half_eta * (1 + (r.classes + 1) * np.exp(-r.log_sum))
        bound = r.softmax.hi * compounded(first_order) + underflow
    return np.where(np.isneginf(r.shifted), 0.0, bound)


def log_softmax_shifted(c: Conditions) -> Array:
    """(2|y| + Σ p|z| + n)u absolute."""
    r = c.reference
    return _log_softmax(c, (2 * np.abs(r.log_softmax.hi) + r.mean_shift + c.n) * c.u)


def log_softmax_minus_lse(c: Conditions) -> Array:
    """(2|y| + Σ p|z| + n + |lse|)u absolute."""
    r = c.reference
    distance = 2 * np.abs(r.log_softmax.hi) + r.mean_shift + np.abs(r.lse)
    return _log_softmax(c, (distance + c.n) * c.u)


def _log_softmax(c: Conditions, first_order: Array) -> Array:
    return compounded(first_order) + c.half_eta * (c.reference.classes + 2)


def loss_bound(c: Conditions, targets: Targets, bound: Array) -> Array:
    """Bound the error of a loss, (rows, 1), by that of the log-probabilities it is made of.

    Each product and each partial sum adds a rounding of what it has reached by then.
    """
    coefficients = np.abs(coefficients_of(c.reference, targets))
    y = np.abs(c.reference.log_softmax.hi)
    if targets.labels is not None and not targets.smoothing:
        rows = np.arange(len(y))[:, None]
        bound, y = bound[rows, targets.labels], y[rows, targets.labels]
        return coefficients * bound + c.u * coefficients * y + c.half_eta
    with np.errstate(all="ignore"):
        terms = coefficients * (bound + y * (c.n + 4) * c.u)
        total = np.where(coefficients == 0, 0.0, terms).sum(axis=1, keepdims=True)
    return np.asarray(total + c.half_eta * (4 * c.reference.classes + 4))
