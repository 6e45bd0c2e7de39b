"""Log-softmax: x − log Σ exp(x), five ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool import bounds
from softmax_tool.formulations import softmax
from softmax_tool.formulations.protocol import Formulation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic

    Array = NDArray[Any]


def log_of_naive(xp: Arithmetic, x: Array) -> Array:
    """Logarithm of the naive softmax."""
    return xp.store(xp.log(softmax.naive(xp, x)))


def log_of_shifted(xp: Arithmetic, x: Array) -> Array:
    """Logarithm of the shifted softmax: the log(softmax) of most tutorials."""
    return xp.store(xp.log(softmax.shifted(xp, x)))


def shifted(xp: Arithmetic, x: Array) -> Array:
    """Shifted logits less the logarithm of their sum: no probability is ever formed."""
    z = xp.subtract(x, xp.max(x))
    return xp.store(xp.subtract(z, xp.log(xp.sum(xp.exp(z)))))


def minus_lse(xp: Arithmetic, x: Array) -> Array:
    """Logits less their log-sum-exp: cancels where both are large."""
    return xp.store(xp.subtract(x, softmax.log_sum_exp(xp, x)))


def log1p(xp: Arithmetic, x: Array) -> Array:
    """As shifted, with the maximum's own 1 kept out of the sum: accurate near 0."""
    z = xp.subtract(x, xp.max(x))
    others = xp.sum(xp.drop_first_max(xp.exp(z), x))
    return xp.store(xp.subtract(z, xp.log1p(others)))


FORMULATIONS = (
    Formulation(
        "log-of-naive",
        "log-softmax",
        log_of_naive,
        "log(exp(x) / Σ exp(x))",
        "the definition, composed",
        bounds.log_of_naive,
    ),
    Formulation(
        "log-of-shifted",
        "log-softmax",
        log_of_shifted,
        "log(exp(x − m) / Σ exp(x − m))",
        "the definition, composed after the shift",
        bounds.log_of_shifted,
    ),
    Formulation(
        "shifted",
        "log-softmax",
        shifted,
        "(x − m) − log Σ exp(x − m)",
        f"{softmax.BLANCHARD}, Algorithm 4.2",
        bounds.log_softmax_shifted,
    ),
    Formulation(
        "minus-lse",
        "log-softmax",
        minus_lse,
        "x − (m + log Σ exp(x − m))",
        f"{softmax.BLANCHARD}, (1.1)",
        bounds.log_softmax_minus_lse,
    ),
    Formulation(
        "log1p",
        "log-softmax",
        log1p,
        "(x − m) − log1p(Σ exp(x − m) over all but the first maximum)",
        f"{softmax.BLANCHARD}, Algorithm 4.1",
        bounds.log_softmax_log1p,
    ),
)
