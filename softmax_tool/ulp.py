"""Distance of a computed value from the true one, in units in the last place of the true one."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.distinct import count
from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import FLOAT64, ulp_exponent
from softmax_tool.frozen import frozen, frozen_with_memory
from softmax_tool.masking import kept
from softmax_tool.once import once
from softmax_tool.tiling import TILE, tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.distinct import Counts
    from softmax_tool.exact import Exact
    from softmax_tool.formats import FloatFormat

    Array = NDArray[np.float64]

TINIEST = 5e-324  # stands for what is not 0, but too small for float64
_EXPONENT_BITS = 52
_BIAS = 1023


@frozen_with_memory
class Ruler:
    """True values, and all that measuring results against them takes, made once and when asked."""

    make: Callable[[], Exact]
    target: FloatFormat

    @classmethod
    def of(cls, exact: Exact, target: FloatFormat) -> Ruler:
        """Prepare to measure results in a format."""
        return cls(lambda: exact, target)

    @once
    def exact(self) -> Exact:
        """The true values."""
        exact = self.make()
        return replace(exact, hi=np.ascontiguousarray(exact.hi))

    def __getitem__(self, key: Any) -> Ruler:
        return Ruler(lambda: self.exact[key], self.target)

    @once
    def rounded(self) -> NDArray[Any]:
        """The true values correctly rounded, in the format's carrier."""
        return self.target.round(self.exact.hi)

    @once
    def exponent(self) -> NDArray[np.int64]:
        """Log2 of one ULP of each true value."""
        exponent = ulp_exponent(self.exact.hi, self.target)
        if self.exact.tail is not None:
            below = _just_below_a_power(self.exact.hi, self.exact.tail)
            exponent -= below & (exponent > _least(self.target))
        return exponent

    @once
    def outside(self) -> NDArray[np.bool_] | None:
        """True values that are not finite, or not below the largest; None where there are none."""
        if self.furthest < self.target.max_finite:  # False for NaN
            return None
        return ~(np.abs(self.exact.hi) < self.target.max_finite)

    @once
    def furthest(self) -> float:
        """The largest magnitude of all true values; NaN where one is NaN."""
        hi = self.exact.hi
        return float(max(hi.max(initial=0.0), -hi.min(initial=0.0)))

    @once
    def vanished(self) -> NDArray[np.bool_] | None:
        """True values that are 0 only in float64; None where there are none."""
        vanished = self.exact.hi == 0
        if not vanished.any():
            return None
        vanished &= self.exact.nonzero
        return vanished if vanished.any() else None

    def _tail(self) -> Array:
        """Return the tails in ULP of the true values: half as large as of `hi` below a power."""
        assert self.exact.tail is not None  # noqa: S101  (the caller has looked)
        shift = ulp_exponent(self.exact.hi, self.target) - self.exponent
        return np.asarray(np.ldexp(self.exact.tail, shift))

    def in_ulp(self, distance: Array) -> Array:
        """Return absolute distances in ULP of the true values."""
        if self.target.precision == 53:
            return np.ldexp(distance, -self.exponent)
        return distance * self.scale

    @once
    def scale(self) -> Array:
        """One over an ULP of each true value; in float64, where that is in range."""
        return one_over_an_ulp(self.exact.hi, self.target)

    def errors(self, got: NDArray[Any], got_tail: Array | None = None) -> Array:
        """Return |got − exact| in ULP of the exact value, elementwise.

        `got_tail` is what a result in float64 misses of what is measured, in ULP of its own.

        Special values: a true value beyond the format's overflow threshold counts as ±2**(emax+1),
        and so does an infinite `got` where the rounded true value is finite; equal non-finite
        values are at 0, NaN against a number and a number against a true infinity at infinity; −0
        equals +0. What is not 0 never becomes 0 by underflow.
        """
        if self.outside is None and self.target.precision < 53 and got_tail is None:
            return self._errors_inside(got)
        g, y = got.astype(np.float64), self.exact.hi
        with np.errstate(all="ignore"):
            errors = self.in_ulp(g - y)
            if got_tail is not None:
                errors += np.ldexp(got_tail, ulp_exponent(g, FLOAT64) - self.exponent)
            if self.exact.tail is not None and self.target.precision == 53:
                errors -= self._tail()
        np.abs(errors, out=errors)
        special = ~np.isfinite(g)
        if self.outside is not None:
            special |= self.outside
        if special.any():
            errors[special] = _errors_at_the_top(
                g[special],
                y[special],
                self.rounded[special],
                self.exact.infinite[special],
                self.target,
            )
        if self.vanished is not None:
            errors[self.vanished & (errors == 0) & (g == 0)] = TINIEST
        return errors

    def _errors_inside(self, got: NDArray[Any]) -> Array:
        """Return errors where every true value is below the largest, in less time."""
        top = np.ldexp(1.0, self.target.emax + 1)
        errors, y, scale = np.empty(got.shape), self.exact.hi, self.scale
        for tile in tiles(got.shape):
            error = errors[tile]
            np.copyto(error, got[tile])
            with np.errstate(all="ignore"):
                np.minimum(np.maximum(error, -top, out=error), top, out=error)
                np.subtract(error, y[tile], out=error)
                np.multiply(error, scale[tile], out=error)
            np.abs(error, out=error)
            if np.isnan(error.max(initial=0.0)):
                error[np.isnan(error)] = np.inf
        if self.vanished is not None:
            errors[self.vanished & (errors == 0) & (got == 0)] = TINIEST
        return errors


_EXPONENT_MASK = 0x7FF << _EXPONENT_BITS
_SIGNIFICAND = (1 << _EXPONENT_BITS) - 1


def one_over_an_ulp(y: Array, target: FloatFormat) -> Array:
    """Return the inverse of one ULP at each true value, in a format below float64.

    For |y| in [2**e, 2**(e + 1)) it is 2**(p − 1 − e), which the exponent field alone decides; in
    float64 likewise, where that is in its range.
    """
    least, most = target.emin + _BIAS << _EXPONENT_BITS, target.emax + _BIAS << _EXPONENT_BITS
    double = target.precision - 1 + 2 * _BIAS << _EXPONENT_BITS
    scale = np.empty(y.shape)
    for tile in tiles(y.shape):
        bits = scale[tile].view(np.uint64)
        np.bitwise_and(y[tile].view(np.uint64), _EXPONENT_MASK, out=bits)
        if bits.min(initial=most) < least or bits.max(initial=least) > most:
            np.clip(bits, least, most, out=bits)
        np.subtract(double, bits, out=bits)
    return scale


def errors_with_tails(distance: Array, scale: Array, y: Array, tail: Array, error: Array) -> None:
    """Write errors, in ULP, and distances of results from true values in two parts."""
    np.multiply(distance, scale, out=error)
    error -= tail
    np.abs(error, out=error)
    np.divide(error, scale, out=distance)
    power = (y.view(np.int64) & _SIGNIFICAND) == 0
    if power.any():
        # The true value is nearer to 0 than the power of two: its ULP is that of the binade below.
        error[power & (tail * np.sign(y) < 0)] *= 2


def _just_below_a_power(y: Array, tail: Array) -> NDArray[np.bool_]:
    """Return where y is ±2**k but the true value is nearer to 0: its ULP is that below."""
    power = (y.view(np.int64) & _SIGNIFICAND) == 0
    return np.asarray(power & (tail * np.sign(y) < 0) & np.isfinite(y))


def _least(target: FloatFormat) -> int:
    """Return the exponent of the smallest ULP."""
    return target.emin - target.precision + 1


def _errors_at_the_top(
    g: Array, y: Array, rounded: NDArray[Any], infinite: NDArray[np.bool_], target: FloatFormat
) -> Array:
    """Treat values that are not finite, or beyond the format, on a quarter of the scale.

    2**(emax + 1) stands for what lies beyond the format; a quarter of it fits float64 as well.
    """
    top = np.ldexp(1.0, target.emax - 1)
    exponent = ulp_exponent(y, target) - 2
    threshold = float(target.overflow_threshold) if target.precision < 53 else np.inf
    with np.errstate(all="ignore"):
        clipped = (np.abs(y) >= threshold) & ~infinite
        true = np.where(clipped, np.copysign(top, y), y / 4)
        close = np.isinf(g) & np.isfinite(rounded)
        mine = np.where(close, np.copysign(top, g), g / 4)
        errors = np.ldexp(np.abs(mine - true), -exponent)
    errors[np.isnan(g) != np.isnan(y)] = np.inf
    same = (np.isnan(g) & np.isnan(y)) | (~np.isfinite(g) & (g == rounded))
    errors[same] = 0.0
    return np.asarray(errors)


HISTOGRAM_EDGES: tuple[float, ...] = (0.0, 0.5, *(2.0**k for k in range(33)), float("inf"))


def _histogram(
    errors: Array, least: float, largest: float, weights: Counts | None = None
) -> NDArray[np.int64]:
    """Count errors in the bins (previous edge, edge]; an error of 0 is in the one up to 1/2.

    It may stand for one too small for float64; which are none at all is known of true values only.
    With `weights` each counts so many times. NaN is not an error and must not be passed.
    """
    if least > HISTOGRAM_EDGES[-2]:
        counts = np.zeros(len(HISTOGRAM_EDGES), np.int64)
        counts[-1] = errors.size if weights is None else int(weights.sum())
        return counts
    among = sum(least <= edge < largest for edge in HISTOGRAM_EDGES[1:])
    if among <= _FEW or (weights is None and largest <= _FEW_EDGES):
        return _by_comparison(errors, least, largest, HISTOGRAM_EDGES[-1], weights)
    if weights is not None:
        return _by_their_bits(errors, weights)
    large = errors > _FEW_EDGES
    if np.count_nonzero(large) > errors.size >> _FEW_BITS:
        return _by_their_bits(errors)
    few = _by_comparison(errors, least, largest, _FEW_EDGES)
    return _by_their_bits(errors[large]) + few


def _by_comparison(
    errors: Array, least: float, largest: float, limit: float, weights: Counts | None = None
) -> NDArray[np.int64]:
    """Count those up to a limit that is an edge, by comparing all with each edge among them."""
    counts = np.zeros(len(HISTOGRAM_EDGES), np.int64)
    size = errors.size if weights is None else int(weights.sum())
    left = size
    for index, edge in enumerate(HISTOGRAM_EDGES[1:], start=1):
        if edge > limit:
            break
        above = size if edge < least else 0
        if least <= edge < largest:
            above = count(errors > edge, weights)
        counts[index] = left - above
        left = above
    return counts


def _by_their_bits(errors: Array, weights: Counts | None = None) -> NDArray[np.int64]:
    """Count errors: a bit pattern rounded up to a power of two gives ⌈log2⌉, and no logarithm."""
    ceiling = np.ravel(errors).view(np.int64) + ((1 << _EXPONENT_BITS) - 1)
    ceiling >>= _EXPONENT_BITS
    np.maximum(ceiling, _BIAS - 1, out=ceiling)  # that of 1/2
    times = None if weights is None else np.ravel(weights)  # added up in float64: exactly
    found = np.bincount(ceiling, times)[_BIAS - 1 :].astype(np.int64)
    counts = np.zeros(len(HISTOGRAM_EDGES), np.int64)
    inner = found[: len(counts) - 2]
    counts[1 : len(inner) + 1], counts[-1] = inner, found[len(inner) :].sum()
    return counts


# Most errors are small: then it is quicker to compare with the few edges below them.
_FEW_EDGES = 64.0
_FEW = 2  # edges
_FEW_BITS = 4  # one in 2**4: so many are quicker picked out than all computed with


# Adding this to a smaller error leaves a float64 whose last place is 2**-33, so that its bits count
# units of that; a tile of 2**15 errors below 2**12 sums to less than 2**61 of them.
_ANCHOR, _PLACES = 2.0**19, 33
_DOUBLE_PLACES = 29  # what float64 has more than float32
_ANCHOR_BITS = int(np.float64(_ANCHOR).view(np.int64))
_SMALL, _LARGE = 2.0**-20, 2.0**12


def _sum_of_tile(
    errors: Array,
    elements: int,
    least: float,
    largest: float,
    spare: Array,
    weights: Counts | None = None,
) -> tuple[int, ExactSum]:
    """Return the sum of a tile of errors: of the common ones in their units, and of the others.

    Those between 2**-20 and 2**12 are taken in units of 2**-33, as true values are not known better
    than that, the others exactly; so the sum does not depend on the order.
    """
    rest = _NOTHING
    if least >= _LARGE:
        return 0, ExactSum.of(errors, weights)
    if least < _SMALL or largest >= _LARGE:
        apart = (errors < _SMALL) | (errors >= _LARGE)
        few = np.flatnonzero(apart & (errors != 0))
        often = None if weights is None else np.ravel(weights)[few]
        rest = ExactSum.of(np.ravel(errors)[few], often)
        errors = kept(errors, ~apart)
        if not errors.any():
            return 0, rest
    anchored = np.add(errors, _ANCHOR, out=spare[: errors.size].reshape(errors.shape))
    bits = anchored.view(np.uint64)
    if weights is None:
        places = int(np.add.reduce(bits, axis=None))
    elif elements * min(largest, _LARGE) < 2.0 ** (63 - _PLACES):
        places = int(np.dot(np.ravel(bits), np.ravel(weights).view(np.uint64)))
    else:
        return _weighted_sum(anchored.view(np.int64) - _ANCHOR_BITS, weights), rest
    # NumPy adds modulo 2**64, and the difference is less than that.
    return (places - elements * _ANCHOR_BITS) % 2**64, rest


_NOTHING = ExactSum()
_HALF = 24  # bits: below 2**(12 + 33), both halves of a number of units leave room for its weight


def _weighted_sum(units: NDArray[np.int64], weights: Counts) -> int:
    """Return the sum of so many times each number of units."""
    high, low = units >> _HALF, units & ((1 << _HALF) - 1)
    return (int((high * weights).sum()) << _HALF) + int((low * weights).sum())


@frozen
class UlpStatistics:
    """ULP errors of many elements, as a value that adds.

    The first bin of the histogram is of results that are exactly right.
    """

    elements: int = 0
    finite_sum: ExactSum = ExactSum()
    infinite: int = 0
    histogram: tuple[int, ...] = (0,) * len(HISTOGRAM_EDGES)
    largest: float = 0.0

    def __add__(self, other: UlpStatistics) -> UlpStatistics:
        return UlpStatistics(
            self.elements + other.elements,
            self.finite_sum + other.finite_sum,
            self.infinite + other.infinite,
            tuple(map(add, self.histogram, other.histogram)),
            max(self.largest, other.largest),
        )

    @classmethod
    def of(cls, errors: Array, weights: Counts | None = None) -> UlpStatistics:
        """Gather the errors of one array of any shape; with `weights` each counts so often."""
        finite, infinite = ErrorSum(), 0
        errors, times = np.ravel(errors), None if weights is None else np.ravel(weights)
        for start in range(0, errors.size, TILE):
            tile = errors[start : start + TILE]
            often = None if times is None else times[start : start + TILE]
            if finite.add(tile, often):
                continue
            below = tile < np.inf
            infinite += count(~below, often)
            if below.any():
                few = None if often is None else often.compress(below)
                finite.add(tile.compress(below), few)
        return finite.statistics() + cls._of_infinite(infinite)

    def with_exact(self, number: int) -> UlpStatistics:
        """Say how many of the results are exactly right: of all others, an error of 0 is not 0."""
        _, up_to_half, *others = self.histogram
        return replace(
            self,
            histogram=(number, up_to_half - number, *others),
            largest=max(self.largest, TINIEST if number < self.elements else 0.0),
        )

    @classmethod
    def _of_infinite(cls, number: int) -> UlpStatistics:
        if not number:
            return cls()
        counts = (0,) * (len(HISTOGRAM_EDGES) - 1) + (number,)
        return cls(number, ExactSum(), number, counts, math.inf)

    @property
    def mean(self) -> float | None:
        """Mean over the finite errors, rounded once; None if there are none.

        It is 0 only where each is.
        """
        finite = self.elements - self.infinite
        if not finite:
            return None
        mean = FLOAT64.round_exactly(self.finite_sum.fraction() / finite)
        return max(mean, TINIEST if self.histogram[0] < finite else 0.0)


class ErrorSum:
    """ULP statistics in the making: adds finite errors, tile after tile.

    The largest is no smaller than one that is `known`.
    """

    def __init__(self, known: float = 0.0) -> None:
        self.last = 0.0  # the largest error of the last tile
        self._elements, self._units = 0, 0
        self._rest = ExactSum()
        self._counts = np.zeros(len(HISTOGRAM_EDGES), np.int64)
        self._largest = known
        self._spare = np.empty(0)

    def add(self, errors: Array, weights: Counts | None = None) -> bool:
        """Add a tile of errors; add nothing and say no where one of them is not finite.

        With `weights` each counts so many times.
        """
        self.last = float(errors.max())
        if not self.last < np.inf:
            return False
        least = float(errors.min())
        self._largest = max(self._largest, self.last)
        elements = errors.size if weights is None else int(weights.sum())
        self._elements += elements
        self._counts += _histogram(errors, least, self.last, weights)
        if errors.size > self._spare.size:
            self._spare = np.empty(errors.size)
        units, rest = _sum_of_tile(errors, elements, least, self.last, self._spare, weights)
        self._units += units
        if rest is not _NOTHING:
            self._rest += rest
        return True

    @property
    def largest(self) -> float:
        """The largest error so far."""
        return self._largest

    def know(self, error: float) -> None:
        """Take in an error that is added up elsewhere, or with others whose largest is unknown."""
        self._largest = max(self._largest, error)

    def add_multiples(
        self,
        numbers: NDArray[np.int32],
        places: int,
        total: int,
        at_most: float,
        apart: int,
    ) -> int:
        """Add a tile of errors, told by numbers of 2**-places; say how many exceed half an ULP.

        Each error is on the same side of all edges of the histogram as its number of units. Their
        exact sum is so many times 2**-29; they are `at_most` so large. Besides, so many numbers are
        0 that stand for errors added up `apart`.
        """
        elements = numbers.size - apart
        self._elements += elements
        self._units += total << (_PLACES - _DOUBLE_PLACES)
        above = [elements]
        for edge in HISTOGRAM_EDGES[1:]:
            if edge >= at_most:
                break
            above.append(int(np.count_nonzero(numbers > int(math.ldexp(edge, places)))))
            if not above[-1]:
                break
        above.append(0)
        for index, (before, after) in enumerate(itertools.pairwise(above), start=1):
            self._counts[index] += before - after
        return above[1]

    def statistics(self) -> UlpStatistics:
        """Return what has been added, as a value."""
        return UlpStatistics(
            self._elements,
            self._rest + ExactSum.of_units(self._units, _PLACES),
            0,
            tuple(self._counts.tolist()),
            self._largest,
        )
