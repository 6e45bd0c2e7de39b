"""The true value of every expression on the way of one row, in decimals of 40 digits.

All of them follow from the certified log-softmax y of the reference: S = exp(-max y), the naive sum
is exp(m) S, a probability is exp(y). What hardly differs from 1 is kept as its distance from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import cached_property
from math import isinf, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.exact import decimals
from softmax_tool.formats import FLOAT64

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact import Reference
    from softmax_tool.report import Number

    Array = NDArray[Any]

_DIGITS = Context(prec=40, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
# Differences of float64 are exact in so many digits.
_EXACTLY = Context(prec=2400, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
# These stand for what not even a decimal can hold.
_SMALLEST, _LARGEST = Decimal(f"1E{MIN_EMIN}"), Decimal(f"1E{MAX_EMAX}")
_NAN = Decimal("nan")
_SHOWN = Context(prec=15, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


@dataclass(frozen=True, slots=True)
class TrueValue:
    """A true value, and its distance from 1, right relatively, where that may be small."""

    value: Decimal
    minus_one: Decimal | None = None

    @property
    def number(self) -> Number:
        """The value as a float64, or a decimal where the magnitude is outside float64."""
        return number(self.value)

    @property
    def number_minus_one(self) -> Number | None:
        """The distance from 1 where float64 has none to show; None elsewhere."""
        if float(self.value) != 1 or (self.value == 1 and not self.minus_one):
            return None
        distance = self.minus_one or _EXACTLY.subtract(self.value, Decimal(1))
        return number(distance)


def number(value: Decimal) -> Number:
    """Return a float64, or a decimal where the magnitude is outside its normal range."""
    nearest = float(value)
    if not value.is_finite() or value == 0:
        return nearest
    return _SHOWN.plus(value) if isinf(nearest) or abs(nearest) < 2.0**-1022 else nearest


class Truth:
    """True values of one row of logits, rounded to the format; nan where the row is by definition.

    Parameters
    ----------
    row : float64 array, shape (classes,)
        The rounded logits.
    """

    def __init__(self, row: Array) -> None:
        self._row = row
        self._largest = int(np.argmax(row)) if not np.isnan(row).any() else 0
        self.invalid = bool(np.isnan(row).any() or not np.isfinite(row.max()))

    @cached_property
    def _reference(self) -> Reference:
        with np.errstate(all="ignore"):
            return exact.reference(self._row[None, :], FLOAT64)

    def shift(self, column: int) -> TrueValue:
        """X - m, exactly."""
        return TrueValue(self._shift(column))

    def exp(self, column: int) -> TrueValue:
        """exp(x)."""
        return _exp(_decimal(self._row[column]))

    def exp_shifted(self, column: int) -> TrueValue:
        """exp(x - m)."""
        return _exp(self._shift(column))

    def total(self, _: int | None = None) -> TrueValue:
        """S, the sum of exp(x - m)."""
        return TrueValue(_DIGITS.add(Decimal(1), self._others), self._others)

    def naive_total(self, _: int | None = None) -> TrueValue:
        """The sum of exp(x)."""
        if self.invalid:
            return TrueValue(_NAN)
        return TrueValue(_DIGITS.multiply(self.exp(self._largest).value, self.total().value))

    def log_total(self, _: int | None = None) -> TrueValue:
        """Log S."""
        return TrueValue(_NAN if self.invalid else self._log_total)

    def probability(self, column: int) -> TrueValue:
        """softmax, exp(y)."""
        if column == self._largest and not self.invalid:
            share = _DIGITS.divide(self._others, self.total().value)
            return TrueValue(_DIGITS.exp(self._y(column)), _DIGITS.minus(share))
        return _exp(self._y(column))

    def log_probability(self, column: int) -> TrueValue:
        """log-softmax, y."""
        return TrueValue(self._y(column))

    def gradient(self, column: int, label: int) -> TrueValue:
        """The derivative of the loss, p - t; at the label minus the sum of the others."""
        p = self.probability(column)
        if column != label or self.invalid:
            return TrueValue(p.value)
        others = p.minus_one if column == self._largest else None
        return TrueValue(_DIGITS.subtract(p.value, Decimal(1)) if others is None else others)

    def entropy(self) -> Decimal:
        """-Σ p log p = log S + Σ p (m - x), to about 15 digits."""
        if self.invalid:
            return _NAN
        others = np.delete(self._row, self._largest)
        others = others[others != -np.inf]
        if not others.size:
            return Decimal(0)
        # Relative to the largest of the others, so that nothing vanishes that counts.
        second = float(others.max())
        with np.errstate(all="ignore"):
            weights = np.exp(others - second)
            # Half the distances, since the distance of two float64 may be beyond float64.
            halves = float((weights * (self._row[self._largest] / 2 - others / 2)).sum())
        scale = _exp(_EXACTLY.subtract(Decimal(second), _decimal(self._row[self._largest]))).value
        shift = _DIGITS.divide(
            _DIGITS.multiply(scale, Decimal(halves) * 2), _DIGITS.add(Decimal(1), self._others)
        )
        return _DIGITS.add(self.log_total().value, shift)

    def _shift(self, column: int) -> Decimal:
        if self.invalid:
            return _NAN
        return _EXACTLY.subtract(_decimal(self._row[column]), _decimal(self._row[self._largest]))

    @cached_property
    def _others(self) -> Decimal:
        """T = S - 1, the sum over all but the first maximum: expm1(-y) there."""
        return _NAN if self.invalid else expm1(self.log_total().value)

    def _y(self, column: int) -> Decimal:
        """log-softmax: terms of one sign, so that it is right relatively."""
        if self.invalid:
            return _NAN
        return _DIGITS.subtract(self._shift(column), self._log_total)

    @cached_property
    def _log_total(self) -> Decimal:
        """Log S: minus the reference's log-softmax at the maximum, with what float64 misses."""
        y = self._reference.log_softmax[0, self._largest]
        hi = float(y.hi)
        if hi == 0 and bool(y.nonzero):
            return _DIGITS.minus(decimals.log_softmax(self._row, self._largest))
        tail = 0.0 if y.tail is None or hi == 0 else float(y.tail)
        return _DIGITS.minus(_DIGITS.fma(Decimal(tail), Decimal(FLOAT64.ulp(hi)), Decimal(hi)))


def expm1(z: Decimal) -> Decimal:
    """Return exp(z) - 1, right to 30 digits however small z is."""
    if abs(z) > Decimal("1e-8"):
        return _DIGITS.subtract(Context(prec=60, Emin=MIN_EMIN).exp(z), Decimal(1))
    terms = (Decimal(1) / 2, Decimal(1) / 6, Decimal(1) / 24)
    factor = Decimal(1)
    for place, term in enumerate(terms, 1):
        factor = _DIGITS.add(factor, _DIGITS.multiply(term, _DIGITS.power(z, place)))
    return _DIGITS.multiply(z, factor)


def _exp(z: Decimal) -> TrueValue:
    if z.is_nan() or z.is_infinite():
        return TrueValue(_DIGITS.exp(z))
    value = min(max(_DIGITS.exp(z), _SMALLEST), _LARGEST)
    return TrueValue(value, expm1(z) if abs(z) < 1 else None)


def _decimal(value: float) -> Decimal:
    return _NAN if isnan(value) else Decimal(float(value))
