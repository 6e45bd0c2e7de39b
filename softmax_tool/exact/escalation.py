"""The reference for formats below float64: float64, and double-double where that cannot tell.

A float64 value too close to a rounding boundary of the format could round either way. The rows that
hold one are computed again in double-double, and a value that lies on a boundary as far as float64
can see is moved off it, to the side on which the true value lies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.exact import double, quad

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array, Exact, Mask, Reference
    from softmax_tool.formats import FloatFormat


def reference(logits: Array, target: FloatFormat) -> Reference:
    """Return the true softmax and log-softmax; rounding `hi` to `target` rounds the true values."""
    plain = double.reference(logits)
    undecided = _undecided(plain.softmax, double.softmax_error(plain), target)
    undecided |= _undecided(plain.log_softmax, double.log_softmax_error(plain), target)
    undecided &= ~plain.invalid
    rows = np.flatnonzero(undecided.any(axis=1))
    if not rows.size:
        return plain
    wide = quad.reference(logits[rows])
    return replace(
        plain,
        softmax=_settled(plain.softmax, wide.softmax, rows),
        log_softmax=_settled(plain.log_softmax, wide.log_softmax, rows),
    )


def _undecided(values: Exact, tolerance: Array, target: FloatFormat) -> Mask:
    """Return which values round differently at the two ends of their interval."""
    undecided = np.zeros(values.hi.shape, bool)
    with np.errstate(all="ignore"):
        suspects = np.nonzero(_near_boundary(values.hi, target))
        hi = values.hi[suspects]
        error = hi * np.broadcast_to(tolerance, values.hi.shape)[suspects]
        undecided[suspects] = target.round(hi - error) != target.round(hi + error)
    return undecided


# No tolerance exceeds 2**-41: logits further apart than 1000 have a softmax of 0 in every format
# here, and a log-softmax is bounded by less.
_COARSE = 2.0**-41


def _near_boundary(hi: Array, target: FloatFormat) -> Mask:
    """Return all values within 2**-41 of a rounding boundary, and few others, quickly."""
    if target.precision <= 11:
        narrow = hi.astype(np.float32)  # whose own rounding is covered by the wider interval
        below, above = narrow * np.float32(1 - 2.0**-21), narrow * np.float32(1 + 2.0**-21)
        return np.asarray(target.round(below) != target.round(above))
    if target.precision != 24:
        return np.asarray(target.round(hi * (1 - _COARSE)) != target.round(hi * (1 + _COARSE)))
    # Of the 29 bits that float64 has more, a boundary has 100…0.
    margin = np.int64(1 << 13)
    distance = (hi.view(np.int64) + ((1 << 28) + margin)) & ((1 << 29) - 1)
    tiny = (np.abs(hi) < target.smallest_normal) & (hi != 0)
    return np.asarray((distance < 2 * margin) | tiny)


def _settled(values: Exact, wide: Exact, rows: NDArray[np.intp]) -> Exact:
    hi = values.hi.copy()
    hi[rows] = round_to_odd(wide)
    return replace(values, hi=hi)


def round_to_odd(values: Exact) -> Array:
    """Return float64 values of which an even one is exact: rounding them again is rounding once.

    Where the true value is no float64, the neighbour with an odd last bit, on its side or beyond,
    stands for it (Boldo and Melquiond 2008).
    """
    if values.tail is None:
        return values.hi
    even = (values.hi.view(np.int64) & 1) == 0
    towards = np.where(values.tail > 0, np.inf, -np.inf)
    moved = np.nextafter(values.hi, towards)
    inexact = (values.tail != 0) & np.isfinite(values.hi)
    return np.where(inexact & even, moved, values.hi)
