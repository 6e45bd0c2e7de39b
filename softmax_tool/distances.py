"""How far results are from true values, absolutely and in proportion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.formats import FLOAT64, ulp_exponent
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact import Exact

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

_LEAST = 2.0**-960  # below it, what a float64 misses of a true value may itself be subnormal


@frozen
class _Deep:
    """Errors of results whose true values double-double knows better than float64 can hold them.

    They are in ULP of the true values in float64, so that they, and quotients of them, are rounded
    once. Arrays but the first are (some,).
    """

    where: Mask
    exponent: Array  # log2 of that ULP
    off: Array  # the errors; infinite where they are beyond float64
    size: Array  # the true values

    @classmethod
    def of(cls, got: Array, exact: Exact) -> _Deep | None:
        """Return them, or None where there are none."""
        where = np.abs(exact.hi) < _LEAST
        if exact.tail is None or not where.any():
            return None
        hi, tail = exact.hi[where], exact.tail[where]
        exponent = ulp_exponent(hi, FLOAT64)
        units = np.ldexp(hi, -exponent)
        off = np.abs(np.ldexp(got[where], -exponent) - units - tail)
        return cls(where, exponent, off, np.abs(units + tail))


@frozen
class Distances:
    """Errors of results, elementwise."""

    absolute: Array  # |got − exact|; NaN or infinite where either is not finite
    _got: Array
    _exact: Exact
    _deep: _Deep | None

    @classmethod
    def of(cls, results: Array, exact: Exact) -> Distances:
        """Measure results in any floating type."""
        got = results.astype(np.float64)
        with np.errstate(all="ignore"):
            difference = got - exact.hi
            if exact.tail is not None:
                difference -= np.ldexp(exact.tail, ulp_exponent(exact.hi, FLOAT64))
            absolute, deep = np.abs(difference), _Deep.of(got, exact)
            if deep is not None:
                once = np.ldexp(deep.off, deep.exponent)
                absolute[deep.where] = np.where(np.isfinite(once), once, absolute[deep.where])
        return cls(absolute, got, exact, deep)

    def relative(self) -> Array:
        """Return |got − exact| / |exact|: 0 where a true 0 is met, infinite where it is not.

        Of a true value too small for float64, 0 in its place misses all: 1.
        """
        deep, hi = self._deep, np.abs(self._exact.hi)
        with np.errstate(all="ignore"):
            ratios = self.absolute / hi
            if deep is not None:
                far = np.ldexp(np.abs(self._got[deep.where]) / deep.size, -deep.exponent)
                ratios[deep.where] = np.where(np.isfinite(deep.off), deep.off / deep.size, far)
        zeros = (self._got == 0) & (hi == 0)
        ratios[zeros] = self._exact.nonzero[zeros]
        return ratios

    def over(self, bound: Array) -> Array:
        """Return |got − exact| / bound, for bounds that broadcast; NaN for 0/0."""
        deep = self._deep
        with np.errstate(all="ignore"):
            ratios = np.asarray(self.absolute / bound)
            if deep is not None:
                some = np.ldexp(np.broadcast_to(bound, ratios.shape)[deep.where], -deep.exponent)
                near = deep.off / some
                # A bound beyond float64 in such units is one that float64 divides by as it is.
                usable = np.isfinite(near) & np.isfinite(some)
                ratios[deep.where] = np.where(usable, near, ratios[deep.where])
        return ratios
