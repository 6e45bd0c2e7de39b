"""Operations that choose values and so never round: the same in every arithmetic model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


def row_max(x: Array) -> Array:
    """Return the largest value of each row, (rows, 1); NaN if the row holds one."""
    return _along_rows(np.maximum, x)


def row_min(x: Array) -> Array:
    """Return the smallest value of each row, (rows, 1); NaN if the row holds one."""
    return _along_rows(np.minimum, x)


def row_any(mask: Mask) -> Mask:
    """Tell which rows hold something, (rows, 1)."""
    return _along_rows(np.logical_or, mask)


def row_all(mask: Mask) -> Mask:
    """Tell which rows hold nothing else, (rows, 1)."""
    return _along_rows(np.logical_and, mask)


# NumPy spends as long on a row of so many as on each of them in a column.
_SHORT = 32


def _along_rows(choose: np.ufunc, x: Array) -> Array:
    if not 1 < x.shape[1] <= _SHORT < len(x):
        return np.asarray(choose.reduce(x, axis=1, keepdims=True))
    chosen = choose(x[:, 0], x[:, 1])
    for column in range(2, x.shape[1]):
        choose(chosen, x[:, column], out=chosen)
    return np.asarray(chosen[:, None])


def drop_first_max(e: Array, x: Array) -> Array:
    """Return a copy of `e` with +0 where `x` has its first maximum."""
    dropped = e.copy()
    np.put_along_axis(dropped, x.argmax(axis=1)[:, None], 0, axis=1)
    return dropped


def pick(x: Array, columns: Array) -> Array:
    """Return x[row, columns[row]] for each row, (rows, 1); `x` may be one row for all."""
    return np.take_along_axis(np.broadcast_to(x, (len(columns), x.shape[1])), columns, axis=1)


def negate(x: Array) -> Array:
    """Return -x."""
    return np.negative(x)


def maximum(x: Array, y: Array) -> Array:
    """Return the larger of two values, NaN if either is."""
    return np.asarray(np.maximum(x, y))


def where_not_below(g: Array, x: Array, limit: Array) -> Array:
    """Return g where x is not below a limit, +0 elsewhere."""
    return np.where(x >= limit, g, g.dtype.type(0))
