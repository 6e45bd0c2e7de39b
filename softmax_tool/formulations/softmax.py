"""Softmax: exp(x) / Σ exp(x), four ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool import bounds
from softmax_tool.formulations.protocol import Formulation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic

    Array = NDArray[Any]


def naive(xp: Arithmetic, x: Array) -> Array:
    """As the definition reads: overflows from the format's edge on."""
    e = xp.exp(x)
    return xp.store(xp.divide(e, xp.sum(e)))


def shifted(xp: Arithmetic, x: Array) -> Array:
    """Subtract the row maximum first: no exponential exceeds 1."""
    e = xp.exp(xp.subtract(x, xp.max(x)))
    return xp.store(xp.divide(e, xp.sum(e)))


def online(xp: Arithmetic, x: Array) -> Array:
    """Maximum and sum in one pass, the sum rescaled where the maximum rises."""
    e = xp.exp(xp.subtract(x, xp.max(x)))
    return xp.store(xp.divide(e, xp.online_sum(x)))


def via_lse(xp: Arithmetic, x: Array) -> Array:
    """Exponentiate the logits less their log-sum-exp: no division."""
    return xp.store(xp.exp(xp.subtract(x, log_sum_exp(xp, x))))


def log_sum_exp(xp: Arithmetic, x: Array) -> Array:
    """Return log Σ exp x of each row, shifted by its maximum."""
    m = xp.max(x)
    return xp.add(m, xp.log(xp.sum(xp.exp(xp.subtract(x, m)))))


MILAKOV = "Milakov and Gimelshein, Online normalizer calculation for softmax, 2018, Algorithm 3"
BLANCHARD = (
    "Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, "
    "IMA J. Numer. Anal., 2021"
)

FORMULATIONS = (
    Formulation(
        "naive", "softmax", naive, "exp(x) / Σ exp(x)", f"{BLANCHARD}, (1.2)", bounds.softmax_naive
    ),
    Formulation(
        "shifted",
        "softmax",
        shifted,
        "exp(x − m) / Σ exp(x − m), m = max x",
        f"{BLANCHARD}, Algorithm 4.2",
        bounds.softmax_shifted,
    ),
    Formulation(
        "online",
        "softmax",
        online,
        "exp(x − m) / d, (m, d) in one pass: d ← d·exp(m − m') + exp(x − m')",
        MILAKOV,
        bounds.softmax_online,
    ),
    Formulation(
        "via-lse",
        "softmax",
        via_lse,
        "exp(x − L), L = m + log Σ exp(x − m)",
        f"{BLANCHARD}, (1.3)",
        bounds.softmax_via_lse,
    ),
)
