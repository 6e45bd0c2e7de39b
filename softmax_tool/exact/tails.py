"""Double-doubles rounded to float64 once, and what that misses, in ULP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact.double_double import DoubleDouble, power_of_two

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array

_LEAST_EXPONENT = -1074
_NORMAL_EXPONENT = -1021  # of frexp, where full precision begins
_EXPONENT_BITS = np.uint64(0x7FF << 52)
_UNITS = np.uint64((2 * 1023 + 52) << 52)  # less the bits of 2**e, those of 2**(52 − e)


def rounded_with_tail(
    value: DoubleDouble, exponent: NDArray[np.int64] | None
) -> tuple[Array, Array]:
    """Return value · 2**exponent rounded to float64 once, and the rest in ULP of that."""
    magnitude = np.frexp(value.hi)[1]
    tail = value.lo * power_of_two(53 - magnitude)
    if exponent is None:
        hi, exponent = value.hi, np.zeros((1, 1), np.int64)
    else:
        hi = value.hi * power_of_two(exponent)
    small = (magnitude + exponent < _NORMAL_EXPONENT) & (value.hi != 0)
    if small.any():
        places = np.maximum(exponent - _LEAST_EXPONENT, -3000)
        whole = np.ldexp(value.hi, places)  # in units of the smallest subnormal
        rest = np.ldexp(value.lo, places)
        nearest = np.rint(whole)
        tie = np.abs(whole - nearest) == 0.5
        upward = np.where(rest > 0, np.ceil(whole), np.floor(whole))
        nearest = np.where(tie & (rest != 0), upward, nearest)
        hi = np.where(small, np.ldexp(nearest, _LEAST_EXPONENT), hi)
        tail = np.where(small, (whole - nearest) + rest, tail)
    return hi, tail


def in_units(hi: Array, low: Array, spare: Array) -> None:
    """Divide `low` by the ULP of `hi`, in place, where |hi| > 2**-960."""
    bits: NDArray[Any] = spare.view(np.uint64)
    np.bitwise_and(hi.view(np.uint64), _EXPONENT_BITS, out=bits)
    np.subtract(_UNITS, bits, out=bits)
    np.multiply(low, spare, out=low)
