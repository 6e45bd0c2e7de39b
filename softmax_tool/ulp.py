"""Distance of a computed value from the true one, in units in the last place of the true one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact import Exact
    from softmax_tool.formats import FloatFormat

    Array = NDArray[np.float64]

_TINIEST = 5e-324
_EXPONENT_BITS = 52
_BIAS = 1023


@dataclass(frozen=True, slots=True)
class Ruler:
    """True values, and all that measuring results against them takes, made once."""

    exact: Exact
    target: FloatFormat
    rounded: NDArray[Any]  # the true values correctly rounded, in the format's carrier
    exponent: NDArray[np.int64]  # log2 of one ULP of each
    outside: NDArray[np.bool_] | None  # true values not finite, or not below the largest; None: no
    vanished: NDArray[np.bool_] | None  # true values that are 0 only in float64; None: no

    @classmethod
    def of(cls, exact: Exact, target: FloatFormat) -> Ruler:
        """Prepare to measure results in a format."""
        y = np.ascontiguousarray(exact.hi)
        exponent = ulp_exponent(y, target)
        if exact.tail is not None:
            exponent -= _just_below_a_power(y, exact.tail) & (exponent > _least(target))
        inside = np.abs(y) < target.max_finite  # False for NaN
        vanished = (y == 0) & exact.nonzero
        return cls(
            exact,
            target,
            target.round(y),
            exponent,
            None if inside.all() else ~inside,
            vanished if vanished.any() else None,
        )

    def __getitem__(self, rows: Any) -> Ruler:
        return Ruler(
            self.exact[rows],
            self.target,
            self.rounded[rows],
            self.exponent[rows],
            None if self.outside is None else self.outside[rows],
            None if self.vanished is None else self.vanished[rows],
        )

    def _tail(self) -> Array:
        """Return the tails in ULP of the true values: half as large as of `hi` below a power."""
        assert self.exact.tail is not None  # noqa: S101  (the caller has looked)
        shift = ulp_exponent(self.exact.hi, self.target) - self.exponent
        return np.asarray(np.ldexp(self.exact.tail, shift))

    def in_ulp(self, distance: Array) -> Array:
        """Return absolute distances in ULP of the true values."""
        if self.target.precision == 53:
            return np.ldexp(distance, -self.exponent)
        return distance * ((_BIAS - self.exponent) << _EXPONENT_BITS).view(np.float64)

    def errors(self, got: NDArray[Any], got_lo: Array | None = None) -> Array:
        """Return |got − exact| in ULP of the exact value, elementwise.

        `got_lo` is the second half of a result in double-double.

        Special values: a true value beyond the format's overflow threshold counts as ±2**(emax+1),
        and so does an infinite `got` where the rounded true value is finite; equal non-finite
        values are at 0, NaN against a number and a number against a true infinity at infinity; −0
        equals +0. What is not 0 never becomes 0 by underflow.
        """
        g, y = got.astype(np.float64), self.exact.hi
        with np.errstate(all="ignore"):
            errors = self.in_ulp(g - y)
            if got_lo is not None:
                errors += self.in_ulp(got_lo)
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
            errors[self.vanished & (errors == 0) & (g == 0)] = _TINIEST
        return errors


def _just_below_a_power(y: Array, tail: Array) -> NDArray[np.bool_]:
    """Return where y is ±2**k but the true value is nearer to 0: its ULP is that below."""
    power = (y.view(np.int64) & ((1 << _EXPONENT_BITS) - 1)) == 0
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


def histogram(errors: Array) -> NDArray[np.int64]:
    """Count errors in the bins (previous edge, edge]; the first holds exact zeros alone.

    NaN is not an error and must not be passed.
    """
    # Rounding the bit pattern up to the next power of two gives ⌈log2⌉ without a logarithm.
    bits = np.ravel(errors).view(np.int64)
    ceiling = ((bits + ((1 << _EXPONENT_BITS) - 1)) >> _EXPONENT_BITS) - _BIAS
    bins = np.clip(ceiling + 2, 1, len(HISTOGRAM_EDGES) - 1)
    counts = np.bincount(bins, minlength=len(HISTOGRAM_EDGES))
    zeros = errors.size - int(np.count_nonzero(errors))
    counts[0], counts[1] = zeros, counts[1] - zeros
    return counts.astype(np.int64)


@dataclass(frozen=True, slots=True)
class UlpStatistics:
    """ULP errors of many elements, as a value that adds."""

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
            tuple(a + b for a, b in zip(self.histogram, other.histogram, strict=True)),
            max(self.largest, other.largest),
        )

    @classmethod
    def of(cls, errors: Array) -> UlpStatistics:
        """Gather the errors of one array of any shape."""
        if not errors.size:
            return cls()
        infinite = int(np.count_nonzero(np.isinf(errors)))
        finite = errors[np.isfinite(errors)] if infinite else errors
        return cls(
            errors.size,
            ExactSum.of(finite),
            infinite,
            tuple(int(count) for count in histogram(errors)),
            float(errors.max()),
        )

    @property
    def mean(self) -> float | None:
        """Mean over the finite errors, rounded once; None if there are none."""
        finite = self.elements - self.infinite
        if not finite:
            return None
        return FLOAT64.round_exactly(self.finite_sum.fraction() / finite)
