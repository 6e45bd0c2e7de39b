"""Which columns of a long row tell most, so that a person need not look at all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def largest(logits: NDArray[Any], count: int) -> list[int]:
    """Return the columns of the largest of a row of logits, of equal ones the first.

    NaN counts as 0, and an infinity as the float64 of largest magnitude with its sign.
    """
    left = np.nan_to_num(np.asarray(logits, np.float64))
    found: list[int] = []
    for _ in range(min(count, left.size)):
        found.append(int(left.argmax()))
        left[found[-1]] = -np.inf
    return found
