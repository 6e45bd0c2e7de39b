"""What rounding the logits of a block to a format did to them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max
from softmax_tool.summary import RoundingSummary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import RowValues
    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


def _is_changed(stored: Array, rounded: Array) -> Mask:
    if stored.dtype.kind != "i":
        changed = stored != rounded
        if np.isnan(rounded.max(initial=0)):
            changed &= ~(np.isnan(stored) & np.isnan(rounded))
        return np.asarray(changed)
    # NumPy would compare an integer as the float64 it rounds to; 2**63 is no int64.
    inside = np.abs(rounded) < 2.0**63
    back = np.where(inside, rounded, 0).astype(np.int64)
    return np.asarray(~inside | (back != stored))


def _new_ties(stored: Array, rounded: Array) -> int:
    """Count rows whose largest logit was rounded to what others were rounded to."""
    leaders = row_max(rounded)
    ties = rounded == leaders
    # A row with NaN has no largest.
    if np.count_nonzero(ties) <= np.count_nonzero(~np.isnan(leaders)):
        return 0
    before = np.count_nonzero(stored == row_max(stored), axis=1)
    return int(np.count_nonzero(np.count_nonzero(ties, axis=1) > before))


def summarise_rounding(
    stored: Array, rounded: Array, target: FloatFormat, of_rows: RowValues
) -> RoundingSummary:
    """Count what rounding a block of logits changed, given what belongs to its rounded rows."""
    low, high = float(of_rows.minimum.min()), float(of_rows.maximum.max())
    all_finite = np.isfinite(low) and np.isfinite(high)
    finite = np.isfinite(rounded) if not all_finite else np.ones((1, 1), bool)
    # One zero: which of −0 and +0 a minimum is depends on their order.
    limits: tuple[float | None, float | None] = (low + 0.0, high + 0.0)
    if not all_finite:
        some = rounded[finite]
        limits = (float(some.min()) + 0.0, float(some.max()) + 0.0) if some.size else (None, None)
    far = _far_apart(rounded, target, of_rows, limits)
    if stored.dtype == target.storage:
        return RoundingSummary(0, 0, 0, 0, *limits, far)
    with np.errstate(invalid="ignore"):
        changed = _is_changed(stored, rounded)
        if not changed.any():
            return RoundingSummary(0, 0, 0, 0, *limits, far)
    overflowed = 0 if all_finite else int(np.count_nonzero(np.isfinite(stored) & ~finite))
    return RoundingSummary(
        overflowed,
        int(np.count_nonzero(stored[rounded == 0])),
        int(np.count_nonzero(changed)),
        _new_ties(stored, rounded),
        *limits,
        far,
    )


def _far_apart(
    rounded: Array,
    target: FloatFormat,
    of_rows: RowValues,
    limits: tuple[float | None, float | None],
) -> int:
    """Count rows that are not nan whose finite logits are further apart than a format reaches.

    `limits` are the smallest and the largest of all rows, which mostly tell that there is none.
    """
    low, high = limits
    reach = target.overflow_threshold
    if low is None or high is None or Fraction(high) - Fraction(low) < reach:
        return 0
    valid = np.isfinite(of_rows.maximum[:, 0])
    finite = np.where(np.isneginf(rounded[valid]), np.inf, rounded[valid])
    largest = of_rows.maximum[valid, 0].astype(np.float64)
    smallest = finite.min(axis=1).astype(np.float64)
    # Halves, as a difference may be beyond float64, where it is rounded once all the same.
    apart, half = largest / 2 - smallest / 2, float(reach / 2)
    near = zip(largest[apart == half], smallest[apart == half], strict=True)
    beside = sum(Fraction(one) - Fraction(other) >= reach for one, other in near)
    return int(np.count_nonzero(apart > half)) + beside
