"""The reference for formats up to float32: float64 arithmetic in the log1p form.

Right relatively everywhere: at a row's maximum log-softmax is −log1p of the sum over the others,
so that it does not cancel near 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.arithmetic.selection import drop_first_max
from softmax_tool.arithmetic.tree import tree_sum
from softmax_tool.exact.values import Exact, Reference

if TYPE_CHECKING:
    from softmax_tool.exact.values import Array


def softmax_error(r: Reference) -> Array:
    """Bound the relative error of each softmax value that is not subnormal.

    The shift costs |z| u relative to e**z, u = 2**-53; exp 8 u (4 ULP, doubled); the sum that of
    its terms on average and 37 u + ⌈log2⌈n/1024⌉⌉ u; the quotient and 1 + T one each.
    """
    return np.asarray((np.abs(r.shifted) + r.mean_shift + _constant(r)) * 2.0**-53)


def log_softmax_error(r: Reference) -> Array:
    """Bound the relative error of each log-softmax value that is not subnormal, (rows, 1).

    With T the sum over the others, log1p(T) has the relative error of T and 8 u more; the shift and
    the difference, of numbers of one sign, one u each.
    """
    with np.errstate(all="ignore"):
        others = np.expm1(r.log_sum)
        spread = np.where(others > 0, r.mean_shift * (1 + others) / others, 0.0)
    return np.asarray((np.minimum(spread, 1000.0) + _constant(r)) * 2.0**-53)


def _constant(r: Reference) -> float:
    return 64 + (r.classes // 1024).bit_length()


def reference(logits: Array) -> Reference:
    """Return the true softmax and log-softmax of float64 logits (rows, classes).

    Relative error of each element: `softmax_error` and `log_softmax_error`.
    """
    masked = np.isneginf(logits)
    with np.errstate(all="ignore"):
        maximum = logits.max(axis=1, keepdims=True)
        invalid = ~np.isfinite(maximum)
        shifted = logits - maximum
        e = np.exp(shifted)
        others = tree_sum(drop_first_max(e, logits))
        log_sum = np.log1p(others)
        softmax = e / (1 + others)
        log_softmax = shifted - log_sum
        mean_shift = tree_sum(np.where(masked, 0.0, softmax * -shifted))
        lse = maximum + log_sum
    # Below 1 by less than float64 can tell, but below: its ULP is that of the binade below 1.
    softmax[(softmax == 1) & (others > 0)] = np.nextafter(1.0, 0.0)
    alone = np.count_nonzero(~masked, axis=1, keepdims=True) == 1
    return Reference(
        softmax=Exact(softmax, None, ~masked, np.zeros_like(masked)),
        log_softmax=Exact(log_softmax, None, masked | ~alone, masked),
        shifted=shifted,
        log_sum=log_sum,
        lse=lse,
        mean_shift=mean_shift,
        invalid=invalid,
        masked=masked,
        classes=logits.shape[1],
    )
