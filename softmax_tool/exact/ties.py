"""Values that double-double leaves too close to a float64 rounding boundary: decided in decimals.

A softmax or log-softmax is a tie only where all finite logits of a row are equal. But a
log-softmax x − max x − ε with an ε below every precision can look like one, and lies below it.
"""

from __future__ import annotations

from decimal import MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact.double_double import two_sum
from softmax_tool.exact.tails import half_gaps
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# The tails of double-double are off by less than 2**-45; a softmax this close to a boundary comes
# once in 10**11 values.
UNDECIDED = 2.0**-40
_DIGITS = Context(prec=80, Emin=MIN_EMIN, traps=[])
_EXACTLY = Context(prec=2400, Emin=MIN_EMIN, traps=[])  # any difference of two float64 fits


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
        half = float(halves[place])
        side = _side(
            whole[numbers[row]],
            float(logits[place]),
            float(hi[place]),
            float(np.copysign(half, tail[place])),
            logarithm=logarithm,
        )
        # The boundary lies where the tail points; the value is beyond it where its side is.
        if side * tail[place] > 0:
            before = hi[place]
            hi[place] = np.nextafter(before, np.inf * side)
            old, new = _ulp(before), _ulp(hi[place])
            tail[place] = tail[place] * (old / new) - (hi[place] - before) / new
            half *= old / new
        # What double-double cannot tell must not make a decided tail look undecided.
        tail[place] = np.copysign(min(abs(tail[place]), np.nextafter(half, 0)), tail[place])


def _ulp(hi: Any) -> Any:
    return np.ldexp(1.0, ulp_exponent(np.asarray(hi), FLOAT64))


def _is_halfway(logits: Array, maximum: Array) -> NDArray[np.bool_]:
    """Return where x − max x lies exactly between two neighbouring float64."""
    with np.errstate(all="ignore"):
        hi, lo = two_sum(logits, -maximum)
        return np.asarray(np.abs(lo) == _ulp(hi) / 2)


def _side(row: Array, x: float, hi: float, step: float, *, logarithm: bool) -> int:
    """Return 1 where the true value for x is above hi and so many ULP, -1 below."""
    # Operators would round to the 28 digits of the default context.
    part = _EXACTLY.multiply(Decimal(step), Decimal(float(_ulp(hi))))
    boundary = _EXACTLY.add(Decimal(hi), part)
    exact = _EXACTLY.subtract(_true(row, x, logarithm=logarithm), boundary)
    if exact == 0 and logarithm:
        return -1  # what the decimals cannot see of −log(1 + …) is negative
    return 1 if exact > 0 else -1


def _true(row: Array, x: float, *, logarithm: bool) -> Decimal:
    finite = row[np.isfinite(row)]
    maximum = Decimal(float(finite.max()))
    total = Decimal(0)
    for other in finite:
        difference = _EXACTLY.subtract(Decimal(float(other)), maximum)
        total = _DIGITS.add(total, _DIGITS.exp(difference))
    shifted = _EXACTLY.subtract(Decimal(x), maximum)
    if logarithm:
        return _EXACTLY.subtract(shifted, _DIGITS.ln(total))
    return _DIGITS.divide(_DIGITS.exp(shifted), total)
