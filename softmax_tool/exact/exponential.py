"""The exponential in double-double, for arrays that stay in the cache.

exp z = 2**e · T · exp r: T is one of 2**14 numbers of 21 bits near 2**(j / 2**14), and r is
z − log T − e log 2, |r| < 2**-15.4. A T so short makes its product with r exact by a single split.

Every step writes into arrays that are there already: fresh memory costs more than the arithmetic.
The error of each step is in the comment beside it; they add up to less than 2**-95 of the result
for |z| < 1024, and to less than 2**-94 up to 2000.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate, repeat
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Integers = NDArray[np.object_]  # of any length

TABLE_BITS = 14
TEMPORARIES = 6
_SIZE = 1 << TABLE_BITS
_SHORT_BITS = 20  # of T behind the point
_GRID_BITS = 68  # r is a multiple of 2**-68, and so are all parts that it is made of
_FIXED_POINT = 160
_ONE = 1 << _FIXED_POINT

# Adding and subtracting 1.5 · 2**(52 − n) rounds to a multiple of 2**-n; the last bits of the sum
# are that multiple as an integer.
_TO_INTEGER = 1.5 * 2.0**52
_TO_26_BITS = 1.5 * 2.0 ** (52 - 41)  # of r and of what is like it, whose squares are exact then
_TO_32_BITS = 1.5 * 2.0 ** (52 - 47)  # whose products with T are exact
_PER_LOG2 = _SIZE / 0.6931471805599453
EXPONENT_BIAS = int(np.float64(_TO_INTEGER).view(np.int64)) >> TABLE_BITS
"""What the shifted bits of 1.5 · 2**52 add to an exponent."""


def exponential(
    z: tuple[Array, Array], out: tuple[Array, Array], spare: Sequence[Array]
) -> NDArray[np.int64]:
    """Write exp(z) / 2**e, between 0.99 and 2.01, into `out`, and return e + EXPONENT_BIAS.

    z is a double-double, |z| < 2000, `out` another; `spare` are six arrays of the same shape, and
    the exponents live in the first. All of them are apart in memory. Where z is nan, infinite or
    larger, so are the results meaningless.
    """
    hi, lo = out
    t, *work = spare
    _reduce(z, _table(), (t, hi), (lo, *work))
    _exp_less_one(lo, work)
    _times(hi, out, work)
    whole = t.view(np.int64)
    return np.right_shift(whole, TABLE_BITS, out=whole)


def _reduce(
    z: tuple[Array, Array], table: _Table, out: tuple[Array, Array], spare: Sequence[Array]
) -> None:
    """Write e and j, as the last bits of an integer, and T into `out`; r + rest into `spare`.

    They are its second and third; rest is below 2**-68.
    """
    zh, zl = z
    t, short = out
    spent, r, rest, a, b, *_ = spare
    # The multiple k of log 2 / 2**14 nearest z; its products with the first two parts are exact, as
    # are the differences, whose bits all lie between 2**-15 and 2**-68.
    np.multiply(zh, _PER_LOG2, out=t)
    np.add(t, _TO_INTEGER, out=t)
    k = np.subtract(t, _TO_INTEGER, out=rest)
    np.multiply(k, table.step[0], out=r)
    np.subtract(zh, r, out=r)
    np.multiply(k, table.step[1], out=a)
    np.subtract(r, a, out=r)
    np.multiply(k, table.step[2], out=rest)  # below 2**-44: 2**-98
    np.subtract(zl, rest, out=rest)  # below 2**-43: 2**-97
    entry = np.bitwise_and(t.view(np.int64), _SIZE - 1, out=a.view(np.int64))
    np.take(table.short, entry, out=short, mode="clip")
    np.add(r, np.take(table.log_hi, entry, out=spent, mode="clip"), out=r)  # exact
    np.add(rest, np.take(table.log_lo, entry, out=spent, mode="clip"), out=rest)  # 2**-97
    # r takes in what it can of the rest: 2**-97 where that is the larger of the two.
    np.add(r, rest, out=b)
    np.subtract(b, r, out=a)
    np.subtract(rest, a, out=rest)
    np.copyto(r, b)


def _exp_less_one(small: Array, work: Sequence[Array]) -> None:
    """Make exp(r + rest) − 1, below 2**-15.3, of the first two arrays in the first two.

    It is r + r²/2 + r³/6 + r⁴/24 + r⁵/120 + rest + r · rest, and less than 2**-98 beyond.
    """
    r, rest, a, b, c = work
    # r²/2 = half + small, without error but for 2**-107.
    head = np.add(r, _TO_26_BITS, out=a)
    np.subtract(head, _TO_26_BITS, out=head)
    half = np.multiply(head, head, out=c)
    np.multiply(half, 0.5, out=half)
    np.subtract(r, head, out=b)
    np.add(head, r, out=a)
    np.multiply(a, b, out=a)
    np.multiply(a, 0.5, out=small)
    half_square = np.add(small, half, out=a)
    np.multiply(r, 1 / 60, out=b)
    np.add(b, 1 / 12, out=b)
    np.multiply(b, r, out=b)
    np.add(b, 1 / 3, out=b)
    np.multiply(b, r, out=b)
    np.multiply(b, half_square, out=b)  # below 2**-48: 2**-100
    np.add(small, b, out=small)
    np.multiply(rest, r, out=b)
    np.add(small, b, out=small)
    # r + half as a sum without error; what else there is joins the rest, below 2**-47: 2**-100.
    total = np.add(r, half, out=a)
    np.subtract(total, r, out=b)
    np.subtract(half, b, out=half)
    np.add(small, half, out=small)
    np.add(rest, small, out=rest)
    np.copyto(r, total)


def _times(short: Array, out: tuple[Array, Array], work: Sequence[Array]) -> None:
    """Write T · (1 + p + rest), p and the rest being the first two arrays; T may be `out`'s first.

    T + T · head is without error; T times all else is below 2**-45: 2**-98.
    """
    hi, lo = out
    p, rest, a, b, _ = work
    head = np.add(p, _TO_32_BITS, out=a)
    np.subtract(head, _TO_32_BITS, out=head)
    np.subtract(p, head, out=b)
    np.add(rest, b, out=rest)
    np.multiply(rest, short, out=rest)
    np.multiply(head, short, out=head)
    total = np.add(short, head, out=b)
    missed = np.subtract(total, short, out=p)
    np.subtract(head, missed, out=head)
    np.add(head, rest, out=rest)
    np.add(total, rest, out=hi)
    np.subtract(hi, total, out=total)
    np.subtract(rest, total, out=lo)


@frozen
class _Table:
    """Constants, the elements of the arrays numbered by j."""

    step: tuple[float, float, float]  # log 2 / 2**14: parts that are multiples of 2**-41, 2**-68
    short: Array  # T, 2**(j / 2**14) rounded to 2**-20
    log_hi: Array  # log(2**(j / 2**14) / T), rounded to 2**-68
    log_lo: Array  # and what that leaves


@cache
def _table() -> _Table:
    """Work the constants out in integers with 160 fractional bits, not in floating point."""
    half = TABLE_BITS // 2
    power = np.multiply.outer(_powers_of_two(half, half), _powers_of_two(TABLE_BITS, half)).ravel()
    power >>= _FIXED_POINT
    short = _rounded(power, _SHORT_BITS)
    beyond = ((power - short) << _SHORT_BITS) // (short >> (_FIXED_POINT - _SHORT_BITS))
    log_hi, log_lo = _in_parts(_log1p(beyond), (_GRID_BITS,))
    # log 2 = 2 artanh(1/3) = 2 Σ 1 / ((2k + 1) 3**(2k + 1)).
    log2 = sum(2 * _ONE // ((2 * k + 1) * 3 ** (2 * k + 1)) for k in range(_FIXED_POINT))
    first, second, rest = map(float, _in_parts(log2 >> TABLE_BITS, (41, _GRID_BITS)))
    return _Table((first, second, rest), _as_float64(short), log_hi, log_lo)


def _powers_of_two(bits: int, count_bits: int) -> Integers:
    """Return 2**(j / 2**bits) in fixed point, for as many j as count_bits has values."""
    root = 2 * _ONE
    for _ in range(bits):
        root = isqrt(root << _FIXED_POINT)
    powers = accumulate(repeat(root, (1 << count_bits) - 1), _product, initial=_ONE)
    return np.array(list(powers), object)


def _product(a: int, b: int) -> int:
    return (a * b) >> _FIXED_POINT


def _rounded(value: Any, bits: int) -> Any:
    """Round fixed-point numbers to so many fractional bits."""
    dropped = _FIXED_POINT - bits
    return (value + (1 << (dropped - 1))) >> dropped << dropped


def _in_parts(value: Any, places: Sequence[int]) -> tuple[Array, ...]:
    """Return fixed-point numbers as the sum of their roundings to each place, and the rest."""
    parts = []
    for place in places:
        part = _rounded(value, place)
        parts.append(_as_float64(part))
        value = value - part
    return (*parts, _as_float64(value))


def _log1p(t: Integers) -> Integers:
    """Return log(1 + t) in fixed point for |t| ≤ 2**-21, to 2**-130: t − t²/2 + … + t⁵/5."""
    total: Any = 0
    for k in range(5, 0, -1):
        total = _ONE // k - ((t * total) >> _FIXED_POINT)
    product: Integers = (t * total) >> _FIXED_POINT
    return product


def _as_float64(fixed_point: Any) -> Array:
    return np.asarray(np.ldexp(np.asarray(fixed_point, np.float64), -_FIXED_POINT))
