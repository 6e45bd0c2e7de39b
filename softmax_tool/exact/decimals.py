"""True values whose magnitude float64 cannot hold, one at a time, as decimals."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.formats import FLOAT64

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    Array = NDArray[Any]

_DIGITS = Context(prec=15, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_WIDE = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])  # for what cancels
_SMALLEST = Decimal(f"1E{MIN_EMIN}")  # stands for what not even a decimal can hold


def number(value: Fraction) -> float | Decimal:
    """Return a rational number rounded to float64, or to 15 digits where its magnitude is beyond.

    Examples
    --------
    >>> from fractions import Fraction
    >>> number(Fraction(1, 3)), number(Fraction(10) ** 400), number(Fraction(1, 3 * 10**400))
    (0.3333333333333333, Decimal('1.00000000000000E+400'), Decimal('3.33333333333333E-401'))
    """
    rounded = FLOAT64.round_exactly(value)
    if not value or 0 < abs(rounded) < inf:
        return rounded
    return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))


def softmax(logits: Array, column: int) -> Decimal:
    """Return softmax(logits)[column] to about 15 digits."""
    row = logits.astype(np.float64)
    return _exp(_WIDE.subtract(_difference(row, column), Decimal(_log_sum(row))))


def log_softmax(logits: Array, column: int) -> Decimal:
    """Return log_softmax(logits)[column] to about 15 digits, however near 0 or far from it."""
    row = logits.astype(np.float64)
    if row[column] < row.max():
        return _DIGITS.subtract(_difference(row, column), Decimal(_log_sum(row)))
    others = np.delete(row, column)
    if not np.isfinite(others).any():
        return Decimal(0)
    total = _exp(_WIDE.add(_difference(row, column, others), Decimal(_log_sum(others))))
    # log1p(t) is t as far as 15 digits go where t is tiny, the case this is for.
    return _DIGITS.minus(_WIDE.ln(_WIDE.add(1, total)) if total > Decimal("1e-16") else total)


def times(value: Decimal, factor: float) -> Decimal:
    """Return a multiple, which is not 0, of a true value to about 15 digits."""
    product = _DIGITS.multiply(value, Decimal(factor))
    return max(product.copy_abs(), _SMALLEST).copy_sign(product)


def _difference(row: Array, column: int, others: Array | None = None) -> Decimal:
    """Return row[column] less the row's maximum; with `others`, their maximum less row[column]."""
    own = Decimal(float(row[column]))
    if others is not None:
        return _WIDE.subtract(Decimal(float(others.max())), own)
    return _WIDE.subtract(own, Decimal(float(row.max())))


def _log_sum(row: Array) -> float:
    """Return log Σ exp(x - max x)."""
    with np.errstate(all="ignore"):
        return float(np.log(np.exp(row - row.max()).sum()))


def _exp(exponent: Decimal) -> Decimal:
    return max(_DIGITS.exp(exponent), _SMALLEST)
