"""The operations of an arithmetic in double-double, exponents apart, to go on with hardly rounding.

What a format's own operations have made is taken as it is. From there on nothing overflows or
underflows, and no digit is lost that a format could tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact import double_double as dd
from softmax_tool.exact.double_double import DoubleDouble, Scaled
from softmax_tool.exact.tails import rounded_with_tail
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Exponents = NDArray[np.int64]

_LN2 = DoubleDouble(
    np.asarray(float.fromhex("0x1.62e42fefa39efp-1")),
    np.asarray(float.fromhex("0x1.abc9e3b39803fp-56")),
)
_AS_IT_IS = 1000.0  # the exponential of no more than that needs no reduction
_LAST = 2.0**52  # so far float64 holds the exponent of one, which a logarithm brings back
_OF_ZERO = -(1 << 60)
_NO_SQUARE = -120  # log(1 + t) is t for less than two to that


@frozen
class WideArithmetic:
    """Takes float64 arrays and scaled double-doubles alike, and returns the latter.

    It has no clamp: without rounding there is nothing to clamp.
    """

    def max(self, x: Any) -> Scaled:
        return _lifted(np.asarray(x).max(axis=1, keepdims=True))

    def exp(self, x: Any) -> Scaled:
        z = _plain(_lifted(x))
        far = np.abs(z.hi) > _AS_IT_IS
        power = np.rint(np.where(far, np.clip(z.hi, -_LAST, _LAST), 0.0) / _LN2.hi)
        rest = dd.add(z, -dd.multiply(_LN2, DoubleDouble.of(power)))
        beyond = ~(np.abs(z.hi) < _LAST)
        made = dd.exp(DoubleDouble(np.where(beyond, 0.0, rest.hi), np.where(beyond, 0.0, rest.lo)))
        exponent = made.exponent + power.astype(np.int64)
        return _normal(_unless(beyond, made.value, lambda: np.exp(z.hi)), exponent)

    def log(self, x: Any) -> Scaled:
        x = _lifted(x)
        value, exponent = x.value, DoubleDouble.of(x.exponent.astype(np.float64))
        found = dd.add(dd.log(value), dd.multiply(_LN2, exponent))
        special = ~((value.hi > 0) & np.isfinite(value.hi))
        return _normal(_unless(special, found, lambda: np.log(value.hi)))

    def log1p(self, x: Any) -> Scaled:
        x = _lifted(x)
        t = _plain(x)
        special = ~np.isfinite(t.hi)
        found = _normal(_unless(special, dd.log1p(t), lambda: np.log1p(t.hi)))
        faint = (x.exponent < _NO_SQUARE) & ~special
        return Scaled(
            DoubleDouble(
                np.where(faint, x.value.hi, found.value.hi),
                np.where(faint, x.value.lo, found.value.lo),
            ),
            np.where(faint, x.exponent, found.exponent),
        )

    def negate(self, x: Any) -> Scaled:
        x = _lifted(x)
        return Scaled(-x.value, x.exponent)

    def add(self, x: Any, y: Any) -> Scaled:
        x, y = _lifted(x), _lifted(y)
        exponent = np.maximum(x.exponent, y.exponent)
        a, b = _moved(x, exponent), _moved(y, exponent)
        special = ~(np.isfinite(a.hi) & np.isfinite(b.hi))
        return _normal(_unless(special, dd.add(a, b), lambda: a.hi + b.hi), exponent)

    def subtract(self, x: Any, y: Any) -> Scaled:
        return self.add(x, self.negate(y))

    def multiply(self, x: Any, y: Any) -> Scaled:
        x, y = _lifted(x), _lifted(y)
        a, b = x.value, y.value
        special = ~(np.isfinite(a.hi) & np.isfinite(b.hi))
        product = _unless(special, dd.multiply(a, b), lambda: a.hi * b.hi)
        return _normal(product, x.exponent + y.exponent)

    def divide(self, x: Any, y: Any) -> Scaled:
        x, y = _lifted(x), _lifted(y)
        a, b = x.value, y.value
        special = ~(np.isfinite(a.hi) & np.isfinite(b.hi) & (b.hi != 0))
        quotient = _unless(special, dd.divide(a, b), lambda: a.hi / b.hi)
        return _normal(quotient, x.exponent - y.exponent)

    def sum(self, x: Any) -> Scaled:
        x = _lifted(x)
        exponent = x.exponent.max(axis=1, keepdims=True)
        addends = _moved(x, exponent)
        special = np.asarray(~np.isfinite(addends.hi).all(axis=1, keepdims=True))
        total = _unless(special, dd.row_sum(addends), lambda: addends.hi.sum(axis=1, keepdims=True))
        return _normal(total, exponent)

    def online_sum(self, x: Any) -> Scaled:
        return self.sum(self.exp(self.subtract(x, self.max(x))))

    def drop_first_max(self, e: Any, x: Any) -> Scaled:
        e = _lifted(e)
        first = np.zeros(e.value.hi.shape, bool)
        np.put_along_axis(first, np.asarray(x).argmax(axis=1)[:, None], values=True, axis=1)
        return _normal(_unless(first, e.value, lambda: np.zeros((1, 1))), e.exponent)

    def pick(self, x: Any, columns: Array) -> Scaled:
        x = _lifted(x)
        shape = (len(columns), x.value.hi.shape[1])

        def at_columns(array: Array) -> Array:
            return np.take_along_axis(np.broadcast_to(array, shape), columns, axis=1)

        value = DoubleDouble(at_columns(x.value.hi), at_columns(x.value.lo))
        return Scaled(value, at_columns(x.exponent))

    def constant(self, value: Fraction) -> Scaled:
        hi = float(value)
        lo = float(value - type(value)(hi))
        return _normal(DoubleDouble(np.full((1, 1), hi), np.full((1, 1), lo)))

    def store(self, x: Any) -> Scaled:
        return _lifted(x)


def in_float64(x: Scaled) -> tuple[Array, Array]:
    """Return values rounded to float64 once, and the rest in ULP of that."""
    hi, tail = rounded_with_tail(x.value, x.exponent)
    high = x.exponent > _AS_IT_IS
    return np.where(high, np.ldexp(x.value.hi, np.where(high, x.exponent, 0)), hi), tail


def _lifted(x: Any) -> Scaled:
    return x if isinstance(x, Scaled) else _normal(DoubleDouble.of(x))


def _normal(value: DoubleDouble, exponent: Exponents | None = None) -> Scaled:
    """Bring magnitudes to [1/2, 1); what is 0 gets an exponent below all others."""
    hi, shift = np.frexp(value.hi)
    lo = np.ldexp(value.lo, -shift)
    whole = shift.astype(np.int64) if exponent is None else shift + exponent
    whole = np.where(np.isfinite(hi), whole, 0)
    return Scaled(DoubleDouble(hi, lo), np.where(hi == 0, _OF_ZERO, whole))


def _moved(x: Scaled, exponent: Exponents) -> DoubleDouble:
    """Return a value in units of two to an exponent that is not below its own."""
    shift = np.maximum(x.exponent - exponent, -3000)
    return DoubleDouble(np.ldexp(x.value.hi, shift), np.ldexp(x.value.lo, shift))


def _plain(x: Scaled) -> DoubleDouble:
    shift = np.clip(x.exponent, -3000, 3000)
    return DoubleDouble(np.ldexp(x.value.hi, shift), np.ldexp(x.value.lo, shift))


def _unless(special: Array, value: DoubleDouble, instead: Any) -> DoubleDouble:
    """Return a value, and what float64 says instead where double-double knows no better."""
    if not special.any():
        return value
    return DoubleDouble(np.where(special, instead(), value.hi), np.where(special, 0.0, value.lo))
