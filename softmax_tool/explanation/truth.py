"""The true value of every expression on the way of one row, in decimals of 40 digits.

All of them follow from S, the sum of exp(x - m), as k + (S - k): k is how many classes are as good
as the largest, and what the others add comes from the certified log-softmax of the reference. So
what hardly differs from 1, or from 1 / k, is kept as its distance from there.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import cached_property
from math import frexp, isinf, isnan, ldexp
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.formats import FLOAT64
from softmax_tool.frozen import frozen
from softmax_tool.ulp import TINIEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.report import Number

    Array = NDArray[Any]

_DIGITS = Context(prec=40, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_SIXTY = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
# Differences of float64 are exact in so many digits.
_EXACTLY = Context(prec=2400, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
# These stand for what not even a decimal can hold.
_SMALLEST, _LARGEST = Decimal(f"1E{MIN_EMIN}"), Decimal(f"1E{MAX_EMAX}")
_NAN, _ZERO, _ONE = Decimal("nan"), Decimal(0), Decimal(1)
_CLOSE = Decimal("1e-8")  # so near to 0, four terms of a series are right to 30 digits
_SHOWN = Context(prec=15, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


@frozen
class TrueValue:
    """A true value in two parts, the second of which may be far below the last digit of the first.

    `near` is exact wherever the value is close to a number of a format; `rest` is what is missing,
    right relatively however small it is.
    """

    near: Decimal
    rest: Decimal = _ZERO

    @property
    def value(self) -> Decimal:
        """The value in 40 digits."""
        return _DIGITS.add(self.near, self.rest)

    @property
    def number(self) -> Number:
        """The value as a float64, or a decimal where the magnitude is outside float64."""
        return number(self.value)

    @property
    def number_minus_one(self) -> Number | None:
        """The distance from 1 where float64 has none to show; None elsewhere."""
        if float(self.value) != 1:
            return None
        distance = self._less(_ONE)
        return number(distance) if distance else None

    def ulp_error(self, got: float, target: FloatFormat) -> float:
        """Return |got − value| in ULP of the value, rounded once; what is not 0 does not become 0.

        Both are finite and within the format.
        """
        distance = self._less(Decimal(got)).copy_abs()
        error = float(_DIGITS.divide(distance, Decimal(self._ulp(target))))
        return error or (TINIEST if distance else 0.0)

    def _ulp(self, target: FloatFormat) -> float:
        """Return the distance of neighbours in a format at the value."""
        nearest = abs(float(self.value))
        if nearest == 0:
            return target.smallest_subnormal
        exponent = frexp(nearest)[1] - 1
        power = Decimal(ldexp(1.0, exponent))
        # A value below a power of two, however little, is in the binade below.
        below = self._less(power) < 0 if self.value > 0 else self._less(-power) > 0
        return target.ulp(ldexp(1.0, exponent - below))

    def _less(self, other: Decimal) -> Decimal:
        """Return the value less another number of at most float64's digits."""
        return _DIGITS.add(_EXACTLY.subtract(self.near, other), self.rest)


def number(value: Decimal) -> Number:
    """Return a float64, or a decimal where the magnitude is outside its normal range."""
    nearest = float(value)
    if not value.is_finite() or value == 0:
        return nearest
    return _SHOWN.plus(value) if isinf(nearest) or abs(nearest) < 2.0**-1022 else nearest


class Truth:
    """True values of one row of logits, rounded to the format.

    Where the row is nan by definition, so is every one but exp(x).

    Parameters
    ----------
    row : float64 array, shape (classes,)
        The rounded logits.
    """

    def __init__(self, row: Array) -> None:
        self._row = row
        self._largest = int(np.argmax(row)) if not np.isnan(row).any() else 0
        self.invalid = bool(np.isnan(row).any() or not np.isfinite(row.max()))

    def shift(self, column: int) -> TrueValue:
        """X - m, exactly."""
        return TrueValue(self._shift(column))

    def exp(self, column: int) -> TrueValue:
        """exp(x)."""
        return exp(_decimal(self._row[column]))

    def exp_shifted(self, column: int) -> TrueValue:
        """exp(x - m)."""
        return exp(self._shift(column))

    def total(self, _: int | None = None) -> TrueValue:
        """S, the sum of exp(x - m)."""
        return TrueValue(Decimal(self._leading), self._rest)

    def naive_total(self, _: int | None = None) -> TrueValue:
        """The sum of exp(x)."""
        if self.invalid:
            return TrueValue(_NAN)
        scale, leading = self.exp(self._largest), Decimal(self._leading)
        if not scale.near:
            return TrueValue(_ZERO, _within(_DIGITS.multiply(scale.rest, self.total().value)))
        rest = _DIGITS.multiply(scale.value, self._rest)
        return TrueValue(leading, _DIGITS.fma(leading, scale.rest, rest))

    def log_total(self, _: int | None = None) -> TrueValue:
        """Log S."""
        return TrueValue(_ZERO, self._log_total)

    def probability(self, column: int) -> TrueValue:
        """softmax, exp(x - m) / S; of a class close to the maximum by its distance from 1 / k."""
        if self.invalid:
            return TrueValue(_NAN)
        s, leading = self.total().value, Decimal(self._leading)
        if not self._leads[column]:
            own = self.exp_shifted(column).value
            return TrueValue(_ZERO, _within(_DIGITS.divide(own, s)) if own else _ZERO)
        gap = _DIGITS.fma(leading, self.exp_shifted(column).rest, _DIGITS.minus(self._rest))
        rest = _DIGITS.divide(gap, _DIGITS.multiply(leading, s))
        return TrueValue(_DIGITS.divide(_ONE, leading), rest)

    def log_probability(self, column: int) -> TrueValue:
        """log-softmax, (x - m) - log S."""
        return TrueValue(self._shift(column), _DIGITS.minus(self._log_total))

    def loss(self, label: int) -> TrueValue:
        """The loss of a label, -log-softmax."""
        y = self.log_probability(label)
        return TrueValue(y.near.copy_negate(), y.rest.copy_negate())

    def gradient(self, column: int, label: int) -> TrueValue:
        """The derivative of the loss, p - t."""
        p = self.probability(column)
        return p if column != label else TrueValue(_DIGITS.subtract(p.near, _ONE), p.rest)

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
            # Scaled down, since the distance of two float64 may be beyond float64, and so may be
            # what all of them add up to.
            places = 2 + others.size.bit_length()
            largest = np.ldexp(self._row[self._largest], -places)
            distances = largest - np.ldexp(others, -places)
            shifts = Decimal(float((weights * distances).sum()))
        scale = exp(_EXACTLY.subtract(Decimal(second), _decimal(self._row[self._largest]))).value
        shift = _DIGITS.multiply(scale, _DIGITS.multiply(shifts, Decimal(1 << places)))
        shift = _DIGITS.divide(shift, self.total().value)
        return _DIGITS.add(self.log_total().value, shift)

    def _shift(self, column: int) -> Decimal:
        if self.invalid:
            return _NAN
        return _EXACTLY.subtract(_decimal(self._row[column]), _decimal(self._row[self._largest]))

    @cached_property
    def _leads(self) -> Array:
        """Which classes are so close to the maximum that exp(x - m) is told by its distance from 1.

        The maximum itself does; k are they in all.
        """
        with np.errstate(all="ignore"):
            return np.asarray(self._row - self._row[self._largest] > -float(_CLOSE))

    @cached_property
    def _leading(self) -> int:
        return int(np.count_nonzero(self._leads))

    @cached_property
    def _rest(self) -> Decimal:
        """S - k, from the leading classes and from all others."""
        if self.invalid:
            return _NAN
        rest = self._sum_of_others()
        values, counts = np.unique(self._row[self._leads], return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            z = _EXACTLY.subtract(_decimal(value), _decimal(self._row[self._largest]))
            rest = _DIGITS.fma(expm1(z), Decimal(count), rest)
        return rest

    def _sum_of_others(self) -> Decimal:
        """Return what the classes that do not lead add to S: exp(n - m) Σ exp(x - n).

        n is the largest of them; the sum is that of the reference, exp(-log-softmax at n).
        """
        others = self._row[~self._leads]
        place = int(np.argmax(others)) if others.size else 0
        if not others.size or isinf(others[place]):
            return _ZERO
        with np.errstate(all="ignore"):
            y = exact.reference(others[None, :], FLOAT64).log_softmax[0, place]
        hi = float(y.hi)
        # Where float64 has no log-softmax to show, one class is all there is to 300 digits.
        tail = 0.0 if y.tail is None or hi == 0 else float(y.tail)
        log_sum = _DIGITS.minus(_DIGITS.fma(Decimal(tail), Decimal(FLOAT64.ulp(hi)), Decimal(hi)))
        gap = _EXACTLY.subtract(_decimal(others[place]), _decimal(self._row[self._largest]))
        return _within(_DIGITS.multiply(exp(gap).value, _DIGITS.exp(log_sum)))

    @cached_property
    def _log_total(self) -> Decimal:
        """Log S = log k + log1p((S - k) / k)."""
        if self.invalid:
            return _NAN
        leading = Decimal(self._leading)
        return _DIGITS.add(_DIGITS.ln(leading), log1p(_DIGITS.divide(self._rest, leading)))


def expm1(z: Decimal) -> Decimal:
    """Return exp(z) - 1, right to 30 digits however small z is."""
    if abs(z) > _CLOSE:
        return _DIGITS.subtract(_SIXTY.exp(z), _ONE)
    return _series(z, (Decimal(1) / 2, Decimal(1) / 6, Decimal(1) / 24))


def log1p(z: Decimal) -> Decimal:
    """Return log(1 + z), right to 30 digits however small z is."""
    if abs(z) > _CLOSE:
        return _DIGITS.plus(_SIXTY.ln(_SIXTY.add(_ONE, z)))
    return _series(z, (Decimal(-1) / 2, Decimal(1) / 3, Decimal(-1) / 4))


def _series(z: Decimal, terms: Iterable[Decimal]) -> Decimal:
    """Return z (1 + Σ terms[i] zⁱ), i counted from 1."""
    factor = _ONE
    for place, term in enumerate(terms, 1):
        factor = _DIGITS.add(factor, _DIGITS.multiply(term, _DIGITS.power(z, place)))
    return _DIGITS.multiply(z, factor)


def exp(z: Decimal) -> TrueValue:
    """Return exp(z), by its distance from 1 where z is small."""
    if z.is_nan() or z.is_infinite():
        return TrueValue(_DIGITS.exp(z))
    return TrueValue(_ONE, expm1(z)) if abs(z) < 1 else TrueValue(_ZERO, _within(_DIGITS.exp(z)))


def _within(value: Decimal) -> Decimal:
    """Return a positive value as decimals hold it, the last of them for what is beyond."""
    return min(max(value, _SMALLEST), _LARGEST)


def _decimal(value: float) -> Decimal:
    return _NAN if isnan(value) else Decimal(float(value))
