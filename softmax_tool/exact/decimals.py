"""True values whose magnitude float64 cannot hold, one at a time, as decimals."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.formats import FLOAT64

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    Array = NDArray[Any]

_DIGITS = Context(prec=15, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_WIDE = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])  # for what exp takes
_SMALLEST = Decimal(f"1E{MIN_EMIN}")  # stands for what not even a decimal can hold


def number(value: Fraction) -> float | Decimal:
    """Return a rational number rounded to float64, or to 15 digits where it is beyond that."""
    if abs(value) < FLOAT64.overflow_threshold:
        return FLOAT64.round_exactly(value)
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
    return _DIGITS.minus(_DIGITS.ln(_DIGITS.add(1, total)) if total > Decimal("1e-15") else total)


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
