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


def reference(logits: Array) -> Reference:
    """Return the true softmax and log-softmax of float64 logits (rows, classes).

    Relative error of each element: a few hundred times 2**-53 at most, for rows of any length.
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
