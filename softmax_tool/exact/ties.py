"""Values that double-double leaves too close to a rounding boundary: decided by closer bounds.

A softmax or log-softmax is a tie only where all finite logits of a row are equal. But a
log-softmax x − max x − ε with an ε below every precision can look like one, and lies below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact.brackets import RowBrackets
from softmax_tool.exact.double_double import two_sum
from softmax_tool.exact.tails import half_gaps, is_power
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.exact.values import Exact
    from softmax_tool.formats import FloatFormat

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

# The tails of double-double are off by less than 2**-45; a softmax this close to a boundary comes
# once in 10**11 values.
UNDECIDED = 2.0**-40
_TINIEST = 5e-324


def may_be_close(tail: Array, spare: Array) -> bool:
    """Tell quickly whether `settle` may have work to do, or a tail is 0: there hardly ever is.

    Such tails are close to a power of two: their bits behind the point are nearly all 0 or all 1.
    """
    margin = int(UNDECIDED * 2.0**55)
    bits = spare.view(np.int64)
    np.add(tail.view(np.int64), margin, out=bits)
    np.bitwise_and(bits, (1 << 52) - 1, out=bits)
    return bool(bits.min(initial=2 * margin) < 2 * margin)


def settle(
    values: tuple[Array, Array],
    logits: Array,
    *,
    logarithm: bool,
    whole: Array | None = None,
    numbers: NDArray[np.intp] | None = None,
) -> None:
    """Move `hi` of undecided values to where the true value rounds, and `tail` with it.

    `logits` are those of the values. Where these are not all of their rows, `whole` has the rows
    and `numbers` says which.
    """
    hi, tail = values
    halves = half_gaps(hi, tail)
    close = (np.abs(np.abs(tail) - halves) < UNDECIDED) & np.isfinite(hi)
    if not close.any():
        return
    whole = logits if whole is None else whole
    numbers = np.arange(len(logits)) if numbers is None else numbers
    if logarithm:
        # Where x − max x is itself halfway, the true value is below it, by whatever little.
        maximum = whole[numbers].max(axis=1, keepdims=True)
        halfway = close & (np.abs(tail) == 0.5) & _is_halfway(logits, maximum)
        below = halfway & (tail < 0)
        hi[below], tail[below] = np.nextafter(hi[below], -np.inf), tail[below] + 1
        close &= ~halfway
    for row, column in np.argwhere(close):
        place = row, column
        known = RowBrackets.of(whole[numbers[row]])
        hi[place], tail[place] = known.rounded(float(logits[place]), logarithm=logarithm)
    # A float64 tail must not make what is decided look undecided.
    most = np.nextafter(half_gaps(hi[close], tail[close]), 0)
    tail[close] = np.copysign(np.minimum(np.abs(tail[close]), most), tail[close])


def settle_zeros(
    values: Exact,
    target: FloatFormat,
    decide: Callable[[int, int], tuple[float, float]],
    below: Mask | None = None,
) -> None:
    """Give tails too near 0 their sign, where `hi` lies between two numbers of a narrower format.

    Also where it is a power of two, where the ULP changes.
    `decide` rounds the value at a row and column once, and says what that misses; it is not asked
    where the true value is known to be `below` hi by less than an ULP.
    """
    hi, tail = values.hi, values.tail
    assert tail is not None  # noqa: S101  (of a reference in double-double)
    between = (np.abs(tail) < UNDECIDED) & np.isfinite(hi) & (hi != 0)
    if below is not None:
        known = between & below
        tail[known] = -np.maximum(np.abs(tail[known]), _TINIEST)
        between &= ~below
    if not between.any():
        return
    low, high = (target.round(np.nextafter(hi, way)) for way in (-np.inf, np.inf))
    for row, column in np.argwhere(between & ((low != high) | is_power(hi))):
        hi[row, column], tail[row, column] = decide(int(row), int(column))


def _ulp(hi: Any) -> Any:
    return np.ldexp(1.0, ulp_exponent(np.asarray(hi), FLOAT64))


def _is_halfway(logits: Array, maximum: Array) -> NDArray[np.bool_]:
    """Return where x − max x lies exactly between two neighbouring float64."""
    with np.errstate(all="ignore"):
        hi, lo = two_sum(logits, -maximum)
        return np.asarray((np.abs(lo) == _ulp(hi) / 2) & (lo != 0))
