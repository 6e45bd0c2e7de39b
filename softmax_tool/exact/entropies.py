"""The true entropy of softmax, row by row, in double-double."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact import double_double as dd
from softmax_tool.exact.double_double import DoubleDouble, power_of_two, two_sum
from softmax_tool.exact.others import LOWEST
from softmax_tool.exact.tails import rounded_with_tail
from softmax_tool.exact.values import Exact
from softmax_tool.exact.work import SHORT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array

_PIECE = 1 << 15  # logits worked on at once
_FAINT = -400.0  # where no other class is as near the maximum, log1p(t) is t to 500 bits
_VANISHED = -1000  # a power of two: no sum of so little leaves a mark on 1


def entropies(logits: NDArray[Any]) -> Exact:
    """Return −Σ p log p = log S + Σ p (max x − x) of each row, (rows, 1), S = Σ exp(x − max x).

    Relative error below 2**-85. Rows have a largest logit that is finite.
    """
    hi, tail = (np.empty((len(logits), 1)) for _ in range(2))
    classes = logits.shape[1]
    height = max(1, _PIECE // classes)
    for top in range(0, len(logits), height):
        above = slice(top, top + height)
        # Short rows lie column by column, so that loops run along the rows.
        some = logits[above].astype(np.float64, order="F" if classes < SHORT else "C")
        with np.errstate(all="ignore"):
            hi[above], tail[above] = _of_rows(some)
    several = np.count_nonzero(logits > -np.inf, axis=1, keepdims=True) > 1
    return Exact(hi, tail, several, np.zeros_like(several))


def _of_rows(logits: Array) -> tuple[Array, Array]:
    """Return the entropies rounded to float64, and the tails.

    The sums T and W, of exp(z) and of exp(z) |z| over all but the first maximum, are made in units
    of about the largest exponential where that is small: log(1 + T) + W / (1 + T) is T + W there.
    """
    first = logits.argmax(axis=1)[:, None]
    z = DoubleDouble(*two_sum(logits, -np.take_along_axis(logits, first, axis=1)))
    others = z.hi > -np.inf
    np.put_along_axis(others, first, False, axis=1)
    second = np.where(others, z.hi, LOWEST).max(axis=1, keepdims=True)
    second = np.maximum(second, LOWEST)
    faint = second < _FAINT
    scale = np.where(faint, np.rint(second / np.log(2)), 0.0).astype(np.int64)
    power = dd.exp(DoubleDouble(np.where(others, z.hi, 0.0), np.where(others, z.lo, 0.0)))
    exponent = power.exponent - scale
    others &= exponent > _VANISHED
    weight = np.where(others, power_of_two(exponent), 0.0)
    e = DoubleDouble(power.value.hi * weight, power.value.lo * weight)
    distance = DoubleDouble(np.where(others, -z.hi, 0.0), np.where(others, -z.lo, 0.0))
    total, shift = dd.row_sum(e), dd.row_sum(dd.multiply(e, distance))
    near = DoubleDouble(np.where(faint, 0.0, total.hi), np.where(faint, 0.0, total.lo))
    share = dd.divide(shift, dd.add(DoubleDouble.of(np.ones_like(near.hi)), near))
    logarithm = dd.log1p(near)
    value = dd.add(
        DoubleDouble(
            np.where(faint, total.hi, logarithm.hi), np.where(faint, total.lo, logarithm.lo)
        ),
        share,
    )
    # Brought to [1/2, 1), so that its exponent alone tells whether it is a normal number.
    excess = np.frexp(value.hi)[1]
    unit = power_of_two(-excess)
    return rounded_with_tail(DoubleDouble(value.hi * unit, value.lo * unit), scale + excess)
