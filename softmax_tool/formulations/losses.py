"""Negative log-likelihood and cross-entropy: log-softmax, then pick and weight."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from softmax_tool import bounds
from softmax_tool.formulations import log_softmax, softmax
from softmax_tool.formulations.protocol import Formulation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic
    from softmax_tool.targets import Targets

    Array = NDArray[Any]

CLAMP = Fraction(1, 10**12)
_CLAMPED_BOUND = bounds.clamped_at(CLAMP)


def naive_lse(xp: Arithmetic, x: Array) -> Array:
    """Logits less the logarithm of the plain sum of exponentials."""
    return xp.store(xp.subtract(x, xp.log(xp.sum(xp.exp(x)))))


def clamped(xp: Arithmetic, x: Array) -> Array:
    """Logarithm of a softmax kept from falling below 1e-12, which rounds to 0 in float16."""
    return xp.store(xp.log(xp.maximum(softmax.shifted(xp, x), xp.store(xp.constant(CLAMP)))))


def per_row(xp: Arithmetic, log_probabilities: Array, targets: Targets) -> Array:
    """Return the loss of each row, (rows, 1), as torch.nn.functional.cross_entropy defines it.

    Hard labels: -w_y lp_y. With label smoothing s: (1 - s) of that plus s/C times the sum of
    -w_c lp_c. Probabilities t: the sum of -w_c t'_c lp_c with t' = t (1 - s) + s/C.
    No factor is skipped for being 0: 0 times infinity is NaN, as in PyTorch.
    """
    if targets.probabilities is not None:
        return xp.store(_soft(xp, log_probabilities, targets))
    hard = _hard(xp, log_probabilities, targets)
    return xp.store(_smoothed(xp, hard, log_probabilities, targets) if targets.smoothing else hard)


def _hard(xp: Arithmetic, lp: Array, targets: Targets) -> Array:
    assert targets.labels is not None  # noqa: S101  (hard targets have labels)
    loss = xp.negate(xp.pick(lp, targets.labels))
    if targets.weights is None:
        return loss
    return xp.multiply(xp.pick(targets.weights, targets.labels), loss)


def _smoothed(xp: Arithmetic, hard: Array, lp: Array, targets: Targets) -> Array:
    every = xp.negate(lp)
    if targets.weights is not None:
        every = xp.multiply(targets.weights, every)
    spread = xp.multiply(xp.constant(targets.spread), xp.sum(every))
    return xp.add(xp.multiply(xp.constant(targets.kept), hard), spread)


def _soft(xp: Arithmetic, lp: Array, targets: Targets) -> Array:
    assert targets.probabilities is not None  # noqa: S101  (chosen by the caller)
    t = targets.probabilities
    if targets.smoothing:
        t = xp.add(xp.multiply(t, xp.constant(targets.kept)), xp.constant(targets.spread))
    if targets.weights is not None:
        t = xp.multiply(targets.weights, t)
    return xp.sum(xp.multiply(t, xp.negate(lp)))


def _of(quantity: str) -> tuple[Formulation, ...]:
    through_log_softmax = tuple(
        Formulation(f.name, quantity, f.compute, f"−w_y·({f.formula})_y", f.source, f.error_bound)
        for f in log_softmax.FORMULATIONS
    )
    return (
        *through_log_softmax,
        Formulation(
            "naive-lse",
            quantity,
            naive_lse,
            "−w_y·(x_y − log Σ exp(x))",
            "the definition, without the shift",
            bounds.log_softmax_naive_lse,
        ),
        Formulation(
            "clamped",
            quantity,
            clamped,
            "−w_y·log max(softmax_y, 1e-12)",
            "a popular patch: log(p.clamp(min=1e-12))",
            _CLAMPED_BOUND,
        ),
    )


FORMULATIONS = (*_of("nll"), *_of("ce"))
