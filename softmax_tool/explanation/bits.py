"""The bits of a number of a format: sign, biased exponent, and the significand's fraction."""

from __future__ import annotations

from fractions import Fraction
from math import copysign, frexp, isinf, isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softmax_tool.formats import FloatFormat


def pattern(value: float, target: FloatFormat) -> str:
    """Return the bits of a value that the format holds, the three fields apart.

    NaN is the quiet one; where a format has no infinity, all ones. The hidden bit is not written.

    Examples
    --------
    >>> from softmax_tool.formats import FLOAT16
    >>> pattern(-1.5, FLOAT16), pattern(2.0**-24, FLOAT16)
    ('1 01111 1000000000', '0 00000 0000000001')
    """
    fraction_bits = target.precision - 1
    exponent_bits = target.bits - target.precision
    sign = "1" if copysign(1.0, value) < 0 else "0"
    exponent, fraction = _fields(abs(value), target)
    return f"{sign} {exponent:0{exponent_bits}b} {fraction:0{fraction_bits}b}"


def _fields(magnitude: float, target: FloatFormat) -> tuple[int, int]:
    """Return the biased exponent and the fraction as whole numbers."""
    one = 1 << (target.precision - 1)
    all_ones = (1 << (target.bits - target.precision)) - 1
    if isnan(magnitude):
        return all_ones, one >> 1 if target.has_inf else one - 1
    if isinf(magnitude):
        return all_ones, 0
    exponent = max(frexp(magnitude)[1] - 1, target.emin) if magnitude else target.emin
    significand = int(Fraction(magnitude) / Fraction(2) ** (exponent - target.precision + 1))
    if significand < one:
        return 0, significand  # zero, or subnormal
    return exponent - target.emin + 1, significand - one
