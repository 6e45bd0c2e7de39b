"""Numbers of a format that lie thinly over its whole range, and densely about some of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from softmax_tool.formats import FloatFormat


def whole_range(fmt: FloatFormat, binades: int) -> list[float]:
    """Both signs of 0, subnormals, so many binades from the first to the last, infinity.

    Of a binade two numbers: a power of two and one whose last bit is 1, in turn among the first
    after it, the one after the middle and the last.
    """
    steps = range(fmt.emin, fmt.emax, max(1, (fmt.emax - fmt.emin) // binades))
    positive = {0.0, fmt.smallest_subnormal, 2 * fmt.smallest_subnormal, fmt.max_finite, math.inf}
    positive |= {fmt.smallest_normal - fmt.smallest_subnormal, 3 * fmt.smallest_subnormal}
    for turn, exponent in enumerate([*steps, fmt.emax]):
        positive |= {math.ldexp(1.0, exponent), _odd(fmt, exponent, turn)}
    return _both_signs(positive)


def near(fmt: FloatFormat, exponent: int) -> list[float]:
    """Numbers of each binade from the exponent down to where their last bit is lost beside it."""
    positive = {0.0}
    for turn in range(fmt.precision + 4):
        if fmt.emin <= exponent - turn:
            positive.add(math.ldexp(1.0, exponent - turn))
            positive |= {_odd(fmt, exponent - turn, place) for place in range(3)}
    return _both_signs(positive)


def _odd(fmt: FloatFormat, exponent: int, place: int) -> float:
    last = 2.0 ** (1 - fmt.precision)
    return math.ldexp((1 + last, 1.5 + last, 2 - last)[place % 3], exponent)


def _both_signs(positive: Iterable[float]) -> list[float]:
    return [*sorted({*positive} - {0.0} | {-v for v in positive if v}), 0.0, -0.0]
