"""Double-double arithmetic: a value is the unevaluated sum of two float64, about 106 bits.

Arrays throughout. Sources: Dekker 1971 (products by splitting, since NumPy has no fused
multiply-add), Knuth (sums), Joldes, Muller and Popescu 2017 for the error bounds quoted, with
u = 2**-53: addition 3 u² relative for terms of one sign or well apart, product 5 u², quotient
10 u².
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact.exponential import EXPONENT_BIAS, TEMPORARIES, exponential
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_SPLITTER = 134217729.0  # 2**27 + 1
# Below this the exponential is 0 for every purpose here, and integers stay small.
_LOWEST = -2000.0


@frozen
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


@frozen
class Scaled:
    """value · 2**exponent, the value near 1: keeps its precision where float64 underflows."""

    value: DoubleDouble
    exponent: NDArray[np.int64]

    def unscaled(self) -> DoubleDouble:
        """Return it as a double-double, losing what falls below float64's range."""
        return DoubleDouble(
            np.ldexp(self.value.hi, self.exponent), np.ldexp(self.value.lo, self.exponent)
        )


def power_of_two(exponent: NDArray[Any]) -> Array:
    """Return 2**exponent, exponents clipped to those of normal numbers: no loop over ldexp."""
    bits = (np.clip(exponent, -1022, 1023).astype(np.int64) + 1023) << 52
    return np.asarray(bits.view(np.float64))


def exp(z: DoubleDouble) -> Scaled:
    """Return exp(z), relative error below 2**-94, for z up to 2000; 0 stands for z < -2000."""
    zh, zl = z.hi, z.lo
    below = zh < _LOWEST
    if below.any():
        zh, zl = np.maximum(zh, _LOWEST), np.where(below, 0.0, zl)
    shape = np.broadcast_shapes(zh.shape, zl.shape)
    hi, lo, *spare = (np.empty(shape) for _ in range(2 + TEMPORARIES))
    exponent = exponential((zh, zl), (hi, lo), spare)
    return Scaled(DoubleDouble(hi, lo), exponent - EXPONENT_BIAS)


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
    if small.any():
        near = _log1p_series(t[small])
        large.hi[small], large.lo[small] = near.hi, near.lo
    return large


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
