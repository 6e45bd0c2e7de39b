"""The gradient of a loss with respect to the logits: back through each formulation, step by step.

Each reads as automatic differentiation in reverse carries it out: the adjoint of every operation in
turn, with what the way forward has left. The maximum is a constant, as it cancels. `xp` carries
out the way forward and `back` the way back; they differ under a trace alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool import bounds
from softmax_tool.formulations.losses import CLAMP
from softmax_tool.formulations.protocol import Formulation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic
    from softmax_tool.targets import Targets

    Array = NDArray[Any]


def log_of_naive(xp: Arithmetic, back: Arithmetic, x: Array, targets: Targets) -> Array:
    """Back through log, then through e / Σ e with e = exp x."""
    e = xp.exp(x)
    total = xp.sum(e)
    p = xp.store(xp.divide(e, total))
    g = back.store(back.divide(of_log_probabilities(back, targets), p))
    return _through_softmax(back, g, e, total, p)


def log_of_shifted(xp: Arithmetic, back: Arithmetic, x: Array, targets: Targets) -> Array:
    """Back through log, then through e / Σ e with e = exp(x − m)."""
    e = xp.exp(xp.subtract(x, xp.max(x)))
    total = xp.sum(e)
    p = xp.store(xp.divide(e, total))
    g = back.store(back.divide(of_log_probabilities(back, targets), p))
    return _through_softmax(back, g, e, total, p)


def clamped(xp: Arithmetic, back: Arithmetic, x: Array, targets: Targets) -> Array:
    """Back through log max(p, 1e-12): nothing passes where p is below."""
    e = xp.exp(xp.subtract(x, xp.max(x)))
    total = xp.sum(e)
    p = xp.store(xp.divide(e, total))
    limit = xp.store(xp.constant(CLAMP))
    g = back.divide(of_log_probabilities(back, targets), xp.maximum(p, limit))
    return _through_softmax(back, back.store(back.where_not_below(g, p, limit)), e, total, p)


def shifted(xp: Arithmetic, back: Arithmetic, x: Array, targets: Targets) -> Array:
    """Back through z − log Σ exp z, z = x − m."""
    e = xp.exp(xp.subtract(x, xp.max(x)))
    return _through_log_sum(back, of_log_probabilities(back, targets), e, xp.sum(e))


def naive_lse(xp: Arithmetic, back: Arithmetic, x: Array, targets: Targets) -> Array:
    """Back through x − log Σ exp x."""
    e = xp.exp(x)
    return _through_log_sum(back, of_log_probabilities(back, targets), e, xp.sum(e))


def of_log_probabilities(back: Arithmetic, targets: Targets) -> Array:
    """Return the adjoints of the log-probabilities, (rows, classes).

    Hard labels: −w_y at the label. With label smoothing s: −(1 − s) w_y there, and −s/C w_c for
    every class. Probabilities t: −w_c t'_c with t' = t (1 − s) + s/C. Each times the adjoint of the
    row's own loss: 1, or 1 over what a mean divides by.
    """
    if targets.probabilities is not None:
        return back.negate(_upstream(back, _soft(back, targets), targets))
    assert targets.own_weights is not None  # noqa: S101  (hard targets have labels)
    if not targets.smoothing:
        return back.negate(_upstream(back, targets.own_weights, targets))
    kept = _upstream(back, back.constant(targets.kept), targets)
    spread = _upstream(back, back.constant(targets.spread), targets)
    if targets.weights is not None:
        spread = back.multiply(spread, targets.weights)
    return back.negate(back.add(back.multiply(kept, targets.own_weights), spread))


def _soft(back: Arithmetic, targets: Targets) -> Array:
    assert targets.probabilities is not None  # noqa: S101  (the caller has looked)
    t = targets.probabilities
    if targets.smoothing:
        t = back.add(back.multiply(t, back.constant(targets.kept)), back.constant(targets.spread))
    return t if targets.weights is None else back.multiply(targets.weights, t)


def _upstream(back: Arithmetic, coefficients: Array, targets: Targets) -> Array:
    if targets.share == 1:
        return coefficients
    return back.multiply(back.constant(targets.share), coefficients)


def _through_softmax(back: Arithmetic, g: Array, e: Array, total: Array, p: Array) -> Array:
    """Return the adjoint of x, of that of p = e / S: (g/S + Σ −g · p/S) e.

    PyTorch's order: S has the adjoint −g · (e/S)/S of each class, and p/S vanishes before g · p.
    """
    of_total = back.sum(back.multiply(back.negate(g), back.divide(p, total)))
    return back.store(back.multiply(back.add(back.divide(g, total), of_total), e))


def _through_log_sum(back: Arithmetic, g: Array, e: Array, total: Array) -> Array:
    """Return the adjoint of x, of that of x − log total: g − (Σ g)/S · e."""
    of_total = back.divide(back.negate(back.sum(g)), total)
    return back.store(back.add(g, back.multiply(of_total, e)))


AUTOGRAD = "reverse-mode automatic differentiation (Griewank and Walther 2008, chapter 3)"

FORMULATIONS = (
    Formulation(
        "log-of-naive",
        "gradient",
        log_of_naive,
        "back through −w_y·log(exp(x) / Σ exp(x))_y",
        AUTOGRAD,
        bounds.gradient_of_log_naive,
    ),
    Formulation(
        "log-of-shifted",
        "gradient",
        log_of_shifted,
        "back through −w_y·log(exp(x − m) / Σ exp(x − m))_y",
        AUTOGRAD,
        bounds.gradient_of_log_shifted,
    ),
    Formulation(
        "shifted",
        "gradient",
        shifted,
        "back through −w_y·((x − m) − log Σ exp(x − m))_y",
        AUTOGRAD,
        bounds.gradient_shifted,
    ),
    Formulation(
        "naive-lse",
        "gradient",
        naive_lse,
        "back through −w_y·(x_y − log Σ exp(x))",
        AUTOGRAD,
        bounds.gradient_naive_lse,
    ),
    Formulation(
        "clamped",
        "gradient",
        clamped,
        "back through −w_y·log max(softmax_y, 1e-12)",
        AUTOGRAD,
        bounds.gradient_clamped_at(CLAMP),
    ),
)
