"""Results that are smaller than that of a smaller logit, by more than rounding explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_LESS = 0.99  # more than rounding moves a comparison
_WIDE = 1 << 13  # classes
_HALF = 16  # bits of a float32
_SIGN = 31  # the bit that tells it
_OTHERS = np.int32((1 << _SIGN) - 1)


def drops(logits: Array, got: Array, counted: Mask, relative: float, absolute: float) -> Array:
    """Return by how much each result is below the largest of a smaller logit, where that is far.

    It is 0 where that is no more than `relative` of the larger magnitude of the two, and
    `absolute`.

    Parameters
    ----------
    logits : array, shape (rows, classes)
        What orders the results; NaN only where none of the row counts.
    got : float64 array of the same shape
        The results.
    counted : bool array of the same shape
        The results that are compared; all of them are finite.
    relative, absolute : float
        What rounding explains.
    """
    found = np.zeros(logits.shape)
    among = np.where(counted, got, -np.inf)
    order = _ascending(logits)
    sorted_got = _taken(among, order)
    highest = np.maximum.accumulate(sorted_got, axis=1)
    # The highest so far may be of an equal logit: only where it is far above is that looked at.
    rows = np.flatnonzero(row_any(_is_far(highest, sorted_got, _LESS * relative, absolute)))
    if rows.size:
        order, sorted_got = order[rows], sorted_got[rows]
        below = _of_smaller(highest[rows], _taken(logits[rows], order))
        far = _is_far(below, sorted_got, relative, absolute)
        of_rows = np.zeros(far.shape)
        np.subtract(below, sorted_got, out=of_rows, where=far)
        of_columns = np.empty(far.shape)
        np.put_along_axis(of_columns, order, of_rows, axis=1)
        found[rows] = of_columns
    return found


def _is_far(above: Array, results: Array, relative: float, absolute: float) -> Mask:
    """Tell which results are too far below; what does not count, -inf, is below nothing."""
    with np.errstate(invalid="ignore"):
        slack = np.maximum(np.abs(above), np.abs(results))
        slack *= relative
        slack += absolute
        return np.asarray(above - results > slack)


def _of_smaller(highest: Array, logits: Array) -> Array:
    """Return the highest result so far, without those of equal logits, of sorted rows."""
    begins = np.ones(logits.shape, bool)
    begins[:, 1:] = logits[:, 1:] > logits[:, :-1]
    first = np.maximum.accumulate(np.where(begins, np.arange(logits.shape[1]), 0), axis=1)
    below = np.take_along_axis(highest, np.maximum(first - 1, 0), axis=1)
    below[first == 0] = -np.inf
    return below


def _ascending(logits: Array) -> Indices:
    """Return the columns of each row in the order of its logits, those of equal ones in any.

    NumPy sorts 16 bits by counting: the lower half of a float32 first, then the upper one, in half
    the time that it takes to compare the logits of a wide row.
    """
    if logits.dtype != np.float32 or logits.shape[1] < _WIDE:
        return np.argsort(logits, axis=1)
    bits = (logits + np.float32(0)).view(np.int32)  # of two zeros that are equal
    # Of negative numbers, larger bits are smaller: all but the sign are turned round.
    bits ^= (bits >> _SIGN) & _OTHERS
    order = np.argsort(bits.astype(np.uint16), axis=1, kind="stable")
    upper = _taken((bits >> _HALF).astype(np.int16), order)
    return _taken(order, np.argsort(upper, axis=1, kind="stable"))


def _taken(values: Array, columns: Indices) -> Array:
    """Return the values in some columns of each row; `take_along_axis` takes twice as long."""
    classes = values.shape[1]
    starts = np.arange(0, len(values) * classes, classes)[:, None]
    return values.reshape(-1).take(columns + starts)
