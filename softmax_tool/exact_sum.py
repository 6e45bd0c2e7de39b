"""A sum of float64 values that is exact, and so the same in any order and any grouping."""

from __future__ import annotations

from fractions import Fraction
from math import frexp, ldexp
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SCALE = 1074  # every finite float64 is a whole multiple of 2**-1074


@frozen
class ExactSum:
    """The exact sum of finite values, beside counts of those that are not.

    Values add: the sum of a whole is the sum of the sums of its parts, bit for bit.

    >>> float(ExactSum.of(np.array([1e100, 1.0, -1e100])).fraction())
    1.0
    """

    scaled: int = 0
    positive_infinities: int = 0
    negative_infinities: int = 0
    nans: int = 0

    def __add__(self, other: ExactSum) -> ExactSum:
        return ExactSum(
            self.scaled + other.scaled,
            self.positive_infinities + other.positive_infinities,
            self.negative_infinities + other.negative_infinities,
            self.nans + other.nans,
        )

    @classmethod
    def of(cls, values: NDArray[Any], weights: NDArray[np.int64] | None = None) -> ExactSum:
        """Sum an array of any shape and any floating dtype up to float64.

        With `weights` values are finite, and each counts so many times.
        """
        wide = np.ravel(values).astype(np.float64)
        if weights is not None:
            return cls(_scaled_sum(wide, np.ravel(weights)))
        finite = np.isfinite(wide)
        if finite.all():
            return cls(_scaled_sum(wide))
        return cls(
            _scaled_sum(wide[finite]),
            int(np.count_nonzero(wide == np.inf)),
            int(np.count_nonzero(wide == -np.inf)),
            int(np.count_nonzero(np.isnan(wide))),
        )

    @classmethod
    def of_units(cls, count: int, places: int) -> ExactSum:
        """Return `count` times 2**-places."""
        return cls(count << (_SCALE - places))

    def fraction(self) -> Fraction:
        """Return the exact sum of the finite values."""
        return Fraction(self.scaled, 1 << _SCALE)

    def special(self) -> float | None:
        """Return what infinities and NaNs make of the sum, None where there are none."""
        if self.nans or (self.positive_infinities and self.negative_infinities):
            return float("nan")
        if self.positive_infinities:
            return float("inf")
        return float("-inf") if self.negative_infinities else None


def _scaled_sum(values: NDArray[np.float64], weights: NDArray[np.int64] | None = None) -> int:
    """Sum finite values exactly, each so many times, as a multiple of 2**-1074.

    Each pass splits off the leading bits of every value at one common place, so that their float64
    sum is exact, and goes on with the exact remainders (Rump, Ogita and Oishi 2008, AccSum).
    """
    total = 0
    count = values.size if weights is None else int(weights.sum())
    times = None if weights is None else weights.astype(np.float64)
    headroom = max(count, 1).bit_length() + 1
    while values.size:
        largest = max(float(values.max()), -float(values.min()))
        if largest == 0.0:
            break
        exponent = frexp(largest)[1] + headroom
        if exponent > 1020 or exponent - 53 < -_SCALE:
            return total + _scaled_sum_one_by_one(values, weights)
        anchor = ldexp(1.0, exponent)
        leading = values + anchor
        leading -= anchor
        values = values - leading
        total += _to_scaled(float((leading if times is None else leading * times).sum()))
    return total


def _scaled_sum_one_by_one(values: NDArray[np.float64], weights: NDArray[np.int64] | None) -> int:
    """Sum values near the edges of float64, where no anchor fits."""
    times = [1] * values.size if weights is None else weights.tolist()
    return sum(n * _to_scaled(float(v)) for v, n in zip(values, times, strict=True))


def _to_scaled(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return (numerator << _SCALE) // denominator
