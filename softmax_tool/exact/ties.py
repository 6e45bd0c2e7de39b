"""Values that double-double leaves too close to a float64 rounding boundary: decided in decimals.

A softmax or log-softmax is a tie only where all finite logits of a row are equal. But a
log-softmax x − max x − ε with an ε below every precision can look like one, and lies below it.
"""

from __future__ import annotations

from decimal import MIN_EMIN, Context, Decimal
from math import ldexp
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.exact.double_double import two_sum
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# The tails of double-double are off by less than 2**-45; a softmax this close to a boundary comes
# once in 10**11 values.
UNDECIDED = 2.0**-40
_DIGITS = Context(prec=80, Emin=MIN_EMIN, traps=[])
_EXACTLY = Context(prec=2400, Emin=MIN_EMIN, traps=[])  # any difference of two float64 fits


def settle(values: tuple[Array, Array], logits: Array, *, logarithm: bool) -> None:
    """Move `hi` of undecided values to where the true value rounds, and `tail` with it."""
    hi, tail = values
    close = (np.abs(np.abs(tail) - 0.5) < UNDECIDED) & np.isfinite(hi)
    if logarithm and close.any():
        # Where x − max x is itself halfway, the true value is below it, by whatever little.
        halfway = close & (np.abs(tail) == 0.5) & _is_halfway(logits)
        below = halfway & (tail < 0)
        hi[below], tail[below] = np.nextafter(hi[below], -np.inf), tail[below] + 1
        close &= ~halfway
    for row, column in np.argwhere(close):
        side = _side(
            logits[row],
            int(column),
            float(hi[row, column]),
            float(tail[row, column]),
            logarithm=logarithm,
        )
        # The boundary lies where the tail points; the value is beyond it where its side is.
        if side * tail[row, column] > 0:
            hi[row, column] = np.nextafter(hi[row, column], np.inf * side)
            tail[row, column] -= side


def _is_halfway(logits: Array) -> NDArray[np.bool_]:
    """Return where x − max x lies exactly between two neighbouring float64."""
    with np.errstate(all="ignore"):
        hi, lo = two_sum(logits, -logits.max(axis=1, keepdims=True))
        return np.asarray(np.abs(lo) == np.ldexp(0.5, ulp_exponent(hi, FLOAT64)))


def _side(row: Array, column: int, hi: float, tail: float, *, logarithm: bool) -> int:
    """Return 1 where the true value is above the boundary that the tail points at, -1 below."""
    exponent = int(ulp_exponent(np.array([hi]), FLOAT64)[0])
    # Operators would round to the 28 digits of the default context.
    half = _EXACTLY.multiply(Decimal(0.5 if tail > 0 else -0.5), Decimal(ldexp(1.0, exponent)))
    boundary = _EXACTLY.add(Decimal(hi), half)
    exact = _EXACTLY.subtract(_true(row, column, logarithm=logarithm), boundary)
    if exact == 0 and logarithm:
        return -1  # what the decimals cannot see of −log(1 + …) is negative
    return 1 if exact > 0 else -1


def _true(row: Array, column: int, *, logarithm: bool) -> Decimal:
    finite = row[np.isfinite(row)]
    maximum = Decimal(float(finite.max()))
    total = Decimal(0)
    for x in finite:
        total = _DIGITS.add(total, _DIGITS.exp(_EXACTLY.subtract(Decimal(float(x)), maximum)))
    shifted = _EXACTLY.subtract(Decimal(float(row[column])), maximum)
    if logarithm:
        return _EXACTLY.subtract(shifted, _DIGITS.ln(total))
    return _DIGITS.divide(_DIGITS.exp(shifted), total)
