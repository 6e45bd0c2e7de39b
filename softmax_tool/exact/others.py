"""The sum of the exponentials of all classes but a row's first maximum, in double-double."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.exact.double_double import DoubleDouble, fast_two_sum, row_sum
from softmax_tool.exact.exponential import EXPONENT_BIAS, exponential
from softmax_tool.exact.work import PIECE, SHORT, Work, pieces
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array

ARRAYS = 10
"""How many arrays `exponentials` works in: z, exp z and its own."""
FAINT = 2.0**-400
"""Sums below it are made on a scale of their own; log1p(t) is t there, to 400 bits."""
LOWEST = -1490.0
"""Exponentials of less count as this one's: too small to be told even in units of 2**-1074."""
_NOWHERE = np.empty(0, np.intp), np.empty(0, np.intp)
_LANES = 64  # what is left of a piece of a long row, for all rows to be added up at once


@frozen
class Others:
    """T = Σ exp(x − max x) over all but the first maximum, as value · 2**scale; all (rows, 1)."""

    value: DoubleDouble
    scale: NDArray[np.int64]  # 0 where T is not faint
    mean_shift: Array  # Σ exp(z) z, in float64

    @property
    def in_range(self) -> DoubleDouble:
        """T as far as float64 reaches."""
        return DoubleDouble(
            np.ldexp(self.value.hi, self.scale), np.ldexp(self.value.lo, self.scale)
        )


def of_rows(logits: Array, maximum: Array, first: NDArray[np.intp]) -> Others:
    """Return T of each row; `first` is the column of the first maximum, (rows,)."""
    scale = np.zeros((len(logits), 1), np.int64)
    value, mean_shift = _summed(logits, maximum, first, scale)
    faint = np.flatnonzero(value.hi[:, 0] < FAINT)
    if faint.size:
        some, columns = logits[faint], first[faint]
        scale[faint] = _scales(some, maximum[faint], columns)
        again, shifts = _summed(some, maximum[faint], columns, scale[faint])
        value.hi[faint], value.lo[faint] = again.hi, again.lo
        mean_shift[faint] = np.ldexp(shifts, scale[faint])
    return Others(value, scale, mean_shift)


def _scales(logits: Array, maximum: Array, first: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return about the exponent of the largest exponential of each row but the first maximum's."""
    shifted = logits - maximum
    np.put_along_axis(shifted, first[:, None], -np.inf, axis=1)
    second = np.maximum(shifted.max(axis=1, keepdims=True), LOWEST)
    return np.asarray(np.rint(second / np.log(2)), np.int64)


def _summed(
    logits: Array, maximum: Array, first: NDArray[np.intp], scale: NDArray[np.int64]
) -> tuple[DoubleDouble, Array]:
    """Return T / 2**scale, and Σ exp(z) z on the same scale."""
    rows, classes = logits.shape
    lanes = 1 if classes < SHORT else _LANES
    partial = -(-classes // PIECE)
    hi, lo = (np.zeros((rows, partial * lanes)) for _ in range(2))
    shifts = np.zeros((rows, partial))
    work = Work(logits.shape, ARRAYS)
    for above, columns in pieces(logits.shape):
        arrays = work.like(logits[above, columns])
        z = shift(logits[above, columns], maximum[above], arrays)
        # Of a row that is NaN the smallest is NaN, and tells nothing of the others.
        masked = _NOWHERE if z.hi.min() > -np.inf else np.nonzero(z.hi == -np.inf)
        clip(z)
        terms = scaled_exponentials(z, scale[above], arrays)
        terms.hi[masked] = terms.lo[masked] = 0.0
        inside = first[above] - columns.start
        here = np.flatnonzero((inside >= 0) & (inside < terms.hi.shape[1]))
        terms.hi[here, inside[here]] = terms.lo[here, inside[here]] = 0.0
        part = columns.start // PIECE
        np.multiply(z.hi, terms.hi, out=z.hi)
        shifts[above, part] = _added_up(z.hi)
        width = add_up(terms, lanes, arrays[4:])
        to = slice(part * lanes, part * lanes + width)
        hi[above, to], lo[above, to] = terms.hi[:, :width], terms.lo[:, :width]
    total = row_sum(DoubleDouble(hi, lo))
    return DoubleDouble(*fast_two_sum(total.hi, total.lo)), shifts.sum(axis=1, keepdims=True)


def _added_up(terms: Array) -> Array:
    """Return the sum of each row, the same for a row by itself as among others.

    Short rows lie column by column, and are added up so; of a single one NumPy sees no columns.
    """
    if len(terms) == 1 and terms.shape[1] < SHORT:
        return np.asarray(np.add.accumulate(terms, axis=1)[:, -1])
    return np.asarray(np.add.reduce(terms, axis=1))


def shift(x: Array, maximum: Array, arrays: Sequence[Array]) -> DoubleDouble:
    """Return x − max x exactly where it is within float64's range, in the first two arrays."""
    zh, zl, a, b, m, *_ = arrays
    np.copyto(a, x)
    np.copyto(m, maximum)
    np.subtract(a, m, out=zh)
    other = np.subtract(zh, a, out=b)
    np.subtract(zh, other, out=zl)
    np.subtract(a, zl, out=zl)
    np.add(m, other, out=b)
    np.subtract(zl, b, out=zl)
    return DoubleDouble(zh, zl)


def clip(z: DoubleDouble) -> None:
    """Raise what is below LOWEST to it."""
    if not z.hi.min(initial=0.0) >= LOWEST:
        low = z.hi < LOWEST
        z.hi[low], z.lo[low] = LOWEST, 0.0


def scaled_exponentials(
    z: DoubleDouble, scale: NDArray[np.int64] | int, arrays: Sequence[Array]
) -> DoubleDouble:
    """Return exp(z) / 2**scale in the third and fourth array, not below 2**-1022."""
    hi, lo = arrays[2], arrays[3]
    exponent = exponential((z.hi, z.lo), (hi, lo), arrays[4:])
    # From here on the bits of a float64, 2**exponent.
    np.subtract(exponent, scale + (EXPONENT_BIAS - 1023), out=exponent)
    np.maximum(exponent, 1, out=exponent)
    np.left_shift(exponent, 52, out=exponent)
    power = exponent.view(np.float64)
    np.multiply(hi, power, out=hi)
    np.multiply(lo, power, out=lo)
    return DoubleDouble(hi, lo)


def add_up(terms: DoubleDouble, lanes: int, spare: Sequence[Array]) -> int:
    """Add each row up by halves, in place, down to so many columns or fewer; returns how many.

    What a sum misses goes to the lower parts, which stay below ⌈log2 n⌉ u of the sum and are off by
    ⌈log2 n⌉² u² at most, for terms of one sign.
    """
    width = int(terms.hi.shape[1])
    while width > lanes:
        half = (width + 1) // 2
        left, right = slice(0, width - half), slice(half, width)
        a, b = terms.hi[:, left], terms.hi[:, right]
        s, other, miss = (array[:, left] for array in spare[:3])
        np.add(a, b, out=s)
        np.subtract(s, a, out=other)
        np.subtract(s, other, out=miss)
        np.subtract(a, miss, out=miss)
        np.subtract(b, other, out=other)
        np.add(miss, other, out=miss)
        low = terms.lo[:, left]
        np.add(low, terms.lo[:, right], out=low)
        np.add(low, miss, out=low)
        np.copyto(a, s)
        width = half
    return width
