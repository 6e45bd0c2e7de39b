"""One true value that is known exactly, as of a reduction of rows."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.exact.tails import round_to_odd
from softmax_tool.exact.values import Exact
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from softmax_tool.formats import FloatFormat


def of_number(value: Fraction | float, target: FloatFormat) -> Exact:
    """Return a true value, (1, 1), as results in a format are measured by; a float if not finite.

    With what float64 misses of it for results in float64; for narrower formats so that rounding it
    to them is rounding the value.
    """
    if not isinstance(value, Fraction):
        hi = np.full((1, 1), value)
        return Exact(hi, None, hi != 0, np.isinf(hi))
    hi = np.full((1, 1), FLOAT64.round_exactly(value))
    tail = np.zeros((1, 1))
    if np.isfinite(hi[0, 0]):
        ulp = Fraction(2) ** int(ulp_exponent(hi, FLOAT64)[0, 0])
        tail[0, 0] = float((value - Fraction(float(hi[0, 0]))) / ulp)
    exact = Exact(hi, tail, np.full((1, 1), value != 0), np.zeros((1, 1), bool))
    if target.precision == FLOAT64.precision:
        return exact
    return Exact(round_to_odd(exact), None, exact.nonzero, exact.infinite)
