"""Double-doubles rounded to float64 once, what that misses, in ULP, and what errors leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact.double_double import DoubleDouble, power_of_two
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array, Exact, Mask
    from softmax_tool.formats import FloatFormat

_LEAST_EXPONENT = -1074
_NORMAL_EXPONENT = -1021  # of frexp, where full precision begins
_EXPONENT_BITS = np.uint64(0x7FF << 52)
_FRACTION = (1 << 52) - 1
_TAIL = 2.0**-30  # the error of a tail, in ULP, of a result that is subnormal or nearly so
_UNDERFLOW = 2.0**-900  # errors below it come of underflow alone, and are known not to cancel
_FINE = 0.125  # errors, in ULP, up to which a tail says on which side a value lies
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


def may_round_both_ways(hi: Array, error: Array, target: FloatFormat) -> Mask:
    """Return where a value within `error` of `hi`, and an ULP, may round to either of two.

    Also where its sign is open, and so whether it is 0.
    """
    low = target.round(np.nextafter(hi - error, -np.inf))
    high = target.round(np.nextafter(hi + error, np.inf))
    cancelled = (np.abs(hi) < error) & (error > _UNDERFLOW)
    return np.asarray((low != high) | cancelled)


def may_move(hi: Array, tail: Array, error: Array, target: FloatFormat) -> Mask:
    """Return where an error leaves open how hi and its tail round to a format.

    In float64 also on which side of a power of two they lie, where the ULP changes.
    """
    if target.precision < FLOAT64.precision:
        return may_round_both_ways(hi, error, target)
    error = np.maximum(np.ldexp(error, -ulp_exponent(hi, FLOAT64)), _TAIL)
    distance = half_gaps(hi, tail) - np.abs(tail)
    at_power = is_power(hi) & (np.abs(hi) > FLOAT64.smallest_normal)
    distance = np.where(at_power, np.minimum(distance, np.abs(tail)), distance)
    return np.asarray(~(error < np.minimum(distance, _FINE)))


def is_power(hi: Array) -> Mask:
    """Tell which normal numbers are powers of two, whose ULP is not that of what is nearer to 0."""
    return np.asarray((hi.view(np.int64) & _FRACTION) == 0)


def may_change_ulp(hi: Array, error: Array, target: FloatFormat) -> Mask:
    """Return where a value within `error` of `hi` may be in either of two binades of a format."""
    nearer, further = np.abs(hi) - error, np.abs(hi) + error
    return np.asarray(ulp_exponent(nearer, target) != ulp_exponent(further, target))


def half_gaps(hi: Array, tail: Array) -> Array:
    """Return how far the next boundary is that way, in ULP: a quarter from 2**k towards 0."""
    outward = np.nextafter(hi, np.where(tail < 0, -np.inf, np.inf))
    return np.ldexp(np.abs(outward - hi), -1 - ulp_exponent(hi, FLOAT64))


def round_to_odd(values: Exact) -> Array:
    """Return float64 values of which an even one is exact: rounding them again is rounding once.

    Where the true value is no float64, the neighbour with an odd last bit, on its side or beyond,
    stands for it (Boldo and Melquiond 2008).
    """
    if values.tail is None:
        return values.hi
    even = (values.hi.view(np.int64) & 1) == 0
    towards = np.where(values.tail > 0, np.inf, -np.inf)
    moved = np.nextafter(values.hi, towards)
    inexact = (values.tail != 0) & np.isfinite(values.hi)
    return np.where(inexact & even, moved, values.hi)
