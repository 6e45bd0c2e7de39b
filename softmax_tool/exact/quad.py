"""The reference for float64 results: double-double arithmetic with the exponent kept apart.

Every softmax and log-softmax to a relative error below 2**-90, subnormal results included, for
logits over the whole range of float64 and rows of 10**6 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.exact import double
from softmax_tool.exact.double_double import (
    DoubleDouble,
    Scaled,
    add,
    divide,
    exp,
    log1p,
    multiply,
    row_sum,
    two_sum,
)
from softmax_tool.exact.values import Exact, Reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array, Mask

# Working sets that stay in the first-level caches: twice as fast as whole blocks.
_TILE = 4096
_LEAST_EXPONENT = -1074
_NORMAL_EXPONENT = -1021  # of frexp, where full precision begins
# Below this exponent log1p(t) is t to 480 bits, and t may be out of float64's range.
_LINEAR = -500


def reference(logits: Array) -> Reference:
    """Return the true softmax and log-softmax of float64 logits (rows, classes)."""
    step = max(1, 65536 // max(logits.shape[1], 1))
    parts = [_reference(logits[start : start + step]) for start in range(0, len(logits), step)]
    return Reference.concatenate(parts)


def _reference(logits: Array) -> Reference:
    plain = double.reference(logits)
    rows, classes = logits.shape
    with np.errstate(all="ignore"):
        shifted = _difference(logits, logits.max(axis=1, keepdims=True))
        e = _tiled_exp(shifted)
        masked = plain.masked
        gone = masked | plain.invalid
        e = _zero_where(e, gone)
        first = np.zeros((rows, classes), bool)
        np.put_along_axis(first, logits.argmax(axis=1)[:, None], values=True, axis=1)
        others, scale = _sum_of(_zero_where(e, first), gone | first)
        log_sum = _log1p(others, scale)
        total = add(DoubleDouble.of(np.ones((rows, 1))), _unscaled(others, scale))
        inverse = divide(DoubleDouble.of(np.ones((rows, 1))), total)
        softmax = Scaled(multiply(e.value, inverse), e.exponent)
        p, p_tail = rounded_with_tail(softmax.value, softmax.exponent)
        y = add(shifted, -log_sum)
        zeros = np.zeros((rows, classes), np.int64)
        y_hi, y_tail = rounded_with_tail(y, zeros)
        # A log-softmax so near 0 that its own exponent is needed.
        near = first & (scale < _LINEAR)
        if near.any():
            tiny_hi, tiny_tail = rounded_with_tail(-others, scale)
            y_hi = np.where(near, tiny_hi, y_hi)
            y_tail = np.where(near, tiny_tail, y_tail)
        # Differences beyond float64 have no tail.
        far = ~np.isfinite(shifted.hi)
        y_hi = np.where(far, plain.log_softmax.hi, y_hi)
        y_tail = np.where(far, 0.0, y_tail)
    p = np.where(plain.invalid, np.nan, np.where(masked, 0.0, p))
    p_tail = np.where(gone, 0.0, p_tail)
    return Reference(
        softmax=Exact(p, p_tail, plain.softmax.nonzero, plain.softmax.infinite),
        log_softmax=Exact(y_hi, y_tail, plain.log_softmax.nonzero, plain.log_softmax.infinite),
        shifted=plain.shifted,
        log_sum=plain.log_sum,
        lse=plain.lse,
        mean_shift=plain.mean_shift,
        invalid=plain.invalid,
        masked=masked,
        classes=classes,
    )


def _difference(logits: Array, maximum: Array) -> DoubleDouble:
    """Return x - max x exactly; −inf where it is beyond float64."""
    hi, lo = two_sum(logits, -maximum)
    return DoubleDouble(hi, np.where(np.isfinite(hi), lo, 0.0))


def _tiled_exp(z: DoubleDouble) -> Scaled:
    flat = DoubleDouble(z.hi.ravel(), z.lo.ravel())
    parts = [exp(flat[i : i + _TILE]) for i in range(0, flat.hi.size, _TILE)]
    shape = z.hi.shape
    return Scaled(
        DoubleDouble(
            np.concatenate([part.value.hi for part in parts]).reshape(shape),
            np.concatenate([part.value.lo for part in parts]).reshape(shape),
        ),
        np.concatenate([part.exponent for part in parts]).reshape(shape),
    )


def _zero_where(e: Scaled, mask: Mask) -> Scaled:
    value = DoubleDouble(np.where(mask, 0.0, e.value.hi), np.where(mask, 0.0, e.value.lo))
    return Scaled(value, e.exponent)


def _sum_of(e: Scaled, absent: Mask) -> tuple[DoubleDouble, NDArray[np.int64]]:
    """Sum each row on the scale of its largest term, so that the smallest sums keep their bits."""
    lowest = np.int64(-(2**40))
    scale = np.where(absent, lowest, e.exponent).max(axis=1, keepdims=True)
    scale = np.where(scale == lowest, 0, scale)
    shift = np.maximum(e.exponent - scale, -2000)
    terms = DoubleDouble(np.ldexp(e.value.hi, shift), np.ldexp(e.value.lo, shift))
    return row_sum(terms), scale


def _unscaled(value: DoubleDouble, exponent: NDArray[np.int64]) -> DoubleDouble:
    return Scaled(value, exponent).unscaled()


def _log1p(others: DoubleDouble, scale: NDArray[np.int64]) -> DoubleDouble:
    return log1p(_unscaled(others, scale))


def rounded_with_tail(value: DoubleDouble, exponent: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return value · 2**exponent rounded to float64 once, and the rest in ULP of that."""
    magnitude = np.frexp(value.hi)[1].astype(np.int64)
    hi = np.ldexp(value.hi, exponent)
    tail = np.ldexp(value.lo, 53 - magnitude)
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
