"""Sets of rows: as masks, which cost no sorting, and the parts of arrays that belong to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


def marked(numbers: NDArray[np.intp], count: int) -> Mask:
    """Return which of 0, 1, … `count` − 1 are among some numbers.

    >>> marked(np.array([2, 0, 2]), 4).tolist()
    [True, False, True, False]
    """
    mask = np.zeros(count, bool)
    mask[numbers] = True
    return mask


def rows_of(array: Array, rows: Any) -> Array:
    """Return `array[rows]`: of short rows by their numbers, in a fraction of the time.

    >>> rows_of(np.array([[1, 2], [3, 4]]), np.array([1])).tolist()
    [[3, 4]]
    """
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "i":
        return array.take(rows, axis=0)
    return np.asarray(array[rows])
