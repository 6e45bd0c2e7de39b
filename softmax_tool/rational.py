"""Which results may be exactly right: floating-point numbers are rational, true values hardly ever.

By the theorem of Lindemann (1882) and Weierstrass (1885), powers of e to different rational numbers
are linearly independent over them. So a share of a row is rational only where all logits that are
not -inf are equal, and a log-probability only where there is but one. Any other true value differs
from every result, be it by less than float64 can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_all, row_any, row_max
from softmax_tool.formulations import GRADIENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact import Exact

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

SHARES = frozenset({"softmax", GRADIENT})  # what is rational where a softmax is


def exactly_right(right: Mask, finite: Mask, exact: Exact, logits: Array, quantity: str) -> Mask:
    """Return which results are exactly right, of those that float64 has as `right`.

    Parameters
    ----------
    right : bool array, shape (rows, classes), or (rows, 1) for a loss
        Results at 0 ULP: their true values differ from them by less than float64 can tell.
    finite : bool array
        Which results are; where one is not, 0 ULP is by definition.
    exact : Exact
        The true values.
    logits : array, shape (rows, classes)
        What they are the true values of.
    quantity : str
        Of which quantity.
    """
    certain = right & ~(finite & exact.nonzero)
    if quantity in SHARES:
        rows = np.flatnonzero(row_any(right & ~certain))
        certain[rows] |= right[rows] & _all_equal(logits[rows])
    return certain


def _all_equal(logits: Array) -> Mask:
    """Tell which rows hold one value and -inf, (rows, 1)."""
    return row_all((logits == row_max(logits)) | (logits == -np.inf))
