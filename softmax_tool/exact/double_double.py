"""Double-double arithmetic: a value is the unevaluated sum of two float64, about 106 bits.

Arrays throughout. Sources: Dekker 1971 (products by splitting, since NumPy has no fused
multiply-add), Knuth (sums), Joldes, Muller and Popescu 2017 for the error bounds quoted, with
u = 2**-53: addition 3 u² relative for terms of one sign or well apart, product 5 u², quotient
10 u².
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_SPLITTER = 134217729.0  # 2**27 + 1
_TABLE_BITS = 14
_TABLE_SIZE = 1 << _TABLE_BITS
_FIXED_POINT = 256
# Below this the exponential is 0 for every purpose here, and integers stay small.
_LOWEST = -2000.0


@dataclass(frozen=True, slots=True)
class DoubleDouble:
    """hi + lo with |lo| ≤ ulp(hi) / 2."""

    hi: Array
    lo: Array

    @classmethod
    def of(cls, values: Any) -> DoubleDouble:
        """Lift float64 values, exactly."""
        if isinstance(values, DoubleDouble):
            return values
        hi = np.asarray(values, np.float64)
        return cls(hi, np.zeros_like(hi))

    def __getitem__(self, key: Any) -> DoubleDouble:
        return DoubleDouble(self.hi[key], self.lo[key])

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.hi, -self.lo)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the rounded sum and what it misses, exactly."""
    s = a + b
    other = s - a
    return s, (a - (s - other)) + (b - other)


def fast_two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the same for |a| ≥ |b|, or a = 0."""
    s = a + b
    return s, b - (s - a)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the rounded product and what it misses, exactly for |a|, |b| < 2**996."""
    p = a * b
    a_hi = _SPLITTER * a
    a_hi = a_hi - (a_hi - a)
    a_lo = a - a_hi
    b_hi = _SPLITTER * b
    b_hi = b_hi - (b_hi - b)
    b_lo = b - b_hi
    return p, ((a_hi * b_hi - p) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo


def add(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    """Return a + b."""
    s, e = two_sum(a.hi, b.hi)
    t, f = two_sum(a.lo, b.lo)
    s, e = fast_two_sum(s, e + t)
    return DoubleDouble(*fast_two_sum(s, e + f))


def multiply(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    """Return a · b."""
    p, e = two_product(a.hi, b.hi)
    return DoubleDouble(*fast_two_sum(p, e + (a.hi * b.lo + a.lo * b.hi)))


def divide(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    """Return a / b."""
    q = a.hi / b.hi
    rest = add(a, -multiply(b, DoubleDouble.of(q)))
    correction = rest.hi / b.hi
    return DoubleDouble(*fast_two_sum(q, correction))


def row_sum(values: DoubleDouble) -> DoubleDouble:
    """Add up each row by halves; returns (rows, 1). Error ⌈log2 n⌉ 3u² for terms of one sign."""
    while values.hi.shape[1] > 1:
        half = (values.hi.shape[1] + 1) // 2
        rest = values.hi.shape[1] - half
        added = add(values[:, :rest], values[:, half:])
        if rest < half:
            added = DoubleDouble(
                np.concatenate([added.hi, values.hi[:, rest:half]], axis=1),
                np.concatenate([added.lo, values.lo[:, rest:half]], axis=1),
            )
        values = added
    return values


@dataclass(frozen=True, slots=True)
class Scaled:
    """value · 2**exponent, the value in [1/2, 2): keeps its precision where float64 underflows."""

    value: DoubleDouble
    exponent: NDArray[np.int64]

    def unscaled(self) -> DoubleDouble:
        """Return it as a double-double, losing what falls below float64's range."""
        return DoubleDouble(
            np.ldexp(self.value.hi, self.exponent), np.ldexp(self.value.lo, self.exponent)
        )


@cache
def _constants() -> tuple[tuple[float, ...], Array, Array]:
    """Return ln 2 / 2**14 in four parts, and 2**(j / 2**14) for j < 2**14 as double-doubles.

    In integers with 256 fractional bits, so that nothing here rests on floating point.
    """
    one = 1 << _FIXED_POINT
    root = 2 * one
    for _ in range(_TABLE_BITS):
        root = isqrt(root << _FIXED_POINT)
    powers, power = [], one
    for _ in range(_TABLE_SIZE):
        powers.append(power)
        power = (power * root) >> _FIXED_POINT
    hi = [p / one for p in powers]  # the division of integers rounds correctly
    lo = [(p - int(h * 2.0**60) * (one >> 60)) / one for p, h in zip(powers, hi, strict=True)]
    return _log2_parts(), np.array(hi), np.array(lo)


def _log2_parts() -> tuple[float, ...]:
    """Return ln 2 / 2**14 as three parts of 26 bits, whose multiples are exact, and the rest."""
    one = 1 << _FIXED_POINT
    # ln 2 = 2 artanh(1/3) = 2 Σ 1 / ((2k + 1) 3**(2k + 1)).
    rest = sum(2 * one // ((2 * k + 1) * 3 ** (2 * k + 1)) for k in range(_FIXED_POINT))
    parts = []
    for place in (26, 52, 78):
        unit = 1 << (_FIXED_POINT - place)
        whole = rest // unit * unit
        parts.append(whole / one / _TABLE_SIZE)
        rest -= whole
    return (*parts, rest / one / _TABLE_SIZE)


def power_of_two(exponent: NDArray[Any]) -> Array:
    """Return 2**exponent, exponents clipped to those of normal numbers: no loop over ldexp."""
    bits = (np.clip(exponent, -1022, 1023).astype(np.int64) + 1023) << 52
    return np.asarray(bits.view(np.float64))


def exp(z: DoubleDouble) -> Scaled:
    """Return exp(z), relative error below 2**-98, for z up to 2000; 0 stands for z < -2000.

    z = k ln 2 / 2**14 + r, |r| < 2.2e-5; exp(r) - 1 = r + r²/2 (1 + r/3 + r²/12 + r³/60), whose
    bracket in plain float64 costs r³/6 · 2**-52 < 2**-100.
    """
    (c1, c2, c3, c4), table_hi, table_lo = _constants()
    zh, zl = z.hi, z.lo
    below = zh < _LOWEST
    if below.any():
        zh, zl = np.maximum(zh, _LOWEST), np.where(below, 0.0, zl)
    k = np.rint(zh * (_TABLE_SIZE / 0.6931471805599453))
    r, e = two_sum(zh - k * c1, -k * c2)
    r, f = two_sum(r, -k * c3)
    r, rl = fast_two_sum(r, (e + f) + (zl - k * c4))
    square, miss = two_product(r, r)
    half, half_lo = square / 2, miss / 2 + r * rl
    bracket = r * (1 / 3 + r * (1 / 12 + r * (1 / 60)))
    p, pl = fast_two_sum(r, half)
    pl = pl + (rl + half_lo + half * bracket)
    index = k.astype(np.int64)
    entry = index & (_TABLE_SIZE - 1)
    th, tl = table_hi.take(entry), table_lo.take(entry)
    product, product_lo = two_product(th, p)
    hi, lo = fast_two_sum(th, product)
    lo = lo + (product_lo + (th * pl + tl * (1 + p)))
    return Scaled(DoubleDouble(*fast_two_sum(hi, lo)), index >> _TABLE_BITS)


def log(s: DoubleDouble) -> DoubleDouble:
    """Return log(s), absolute error below 2**-98, for s that float64 holds well.

    One Newton step y + (s exp(-y) - 1) - (…)²/2 from float64's logarithm.
    """
    y = np.log(s.hi)
    correction = add(multiply(s, exp(DoubleDouble.of(-y)).unscaled()), DoubleDouble.of(-1.0))
    d = correction.hi
    refined = DoubleDouble(*fast_two_sum(d, correction.lo - d * d / 2))
    return add(DoubleDouble.of(y), refined)


def log1p(t: DoubleDouble) -> DoubleDouble:
    """Return log(1 + t) for t ≥ 0, relative error below 2**-91 however small t is."""
    small = t.hi < _SERIES
    large = log(add(DoubleDouble.of(1.0), t))
    if not small.any():
        return large
    near = _log1p_series(DoubleDouble(np.where(small, t.hi, 0.0), np.where(small, t.lo, 0.0)))
    return DoubleDouble(np.where(small, near.hi, large.hi), np.where(small, near.lo, large.lo))


# Below it the series takes 7 terms in double-double and 8 in float64; from it on the absolute error
# of `log`, 2**-98, is small beside the value.
_SERIES = 2.0**-7
_WIDE_TERMS, _TERMS = 7, 15


def _log1p_series(t: DoubleDouble) -> DoubleDouble:
    """Return t - t²/2 + t³/3 - … for 0 ≤ t < 2**-7, in Horner's form.

    The terms from t**8/8 on, in float64, err by 2**-49 · 2**-53 relative to t; those left out, from
    t**16/16 on, are below 2**-109.
    """
    tail = np.zeros_like(t.hi)
    for k in range(_TERMS, _WIDE_TERMS, -1):
        tail = 1 / k - t.hi * tail
    total = DoubleDouble.of(tail)
    for k in range(_WIDE_TERMS, 0, -1):
        total = add(_reciprocal(k), -multiply(t, total))
    return multiply(t, total)


@cache
def _reciprocal(k: int) -> DoubleDouble:
    hi = 1 / k
    return DoubleDouble(np.asarray(hi), np.asarray(float(Fraction(1, k) - Fraction(hi))))
