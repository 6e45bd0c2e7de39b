"""The reference for float64 results: double-double arithmetic with the exponent kept apart.

Every softmax and log-softmax to a relative error below 2**-90, subnormal results included, for
logits over the whole range of float64 and rows of 10**6 classes.

Elementwise work goes through tiles that stay in the first-level caches, twice as fast as whole
blocks; what belongs to a row is done for all rows at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.exact import double, ties
from softmax_tool.exact.double_double import (
    DoubleDouble,
    Scaled,
    add,
    divide,
    exp,
    log1p,
    multiply,
    power_of_two,
    row_sum,
    two_sum,
)
from softmax_tool.exact.values import Exact, KnownElements, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array, Mask

    Tile = tuple[slice, slice]

_TILE = 4096  # elements
_LEAST_EXPONENT = -1074
_NORMAL_EXPONENT = -1021  # of frexp, where full precision begins
# Below this exponent log1p(t) is t to 480 bits, and t may be out of float64's range.
_LINEAR = -500
_TINIEST = 5e-324


def reference(logits: Array) -> Reference:
    """Return the true softmax and log-softmax of float64 logits (rows, classes)."""
    with np.errstate(all="ignore"):
        return _reference(logits)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the tiles read and write, all of the logits' shape."""

    logits: Array
    maximum: Array  # (rows, 1)
    gone: Mask  # masked, or of an invalid row: no exponential
    first: NDArray[np.intp]  # column of each row's first maximum, (rows, 1)
    scale: NDArray[np.int64]  # exponent of the largest exponential but that one, (rows, 1)
    e_hi: Array
    e_lo: Array
    exponent: NDArray[np.int64]


def _reference(logits: Array) -> Reference:
    plain = double.reference(logits)
    rows, classes = logits.shape
    first = logits.argmax(axis=1)[:, None]
    work = _Work(
        logits,
        logits.max(axis=1, keepdims=True),
        plain.masked | plain.invalid,
        first,
        _scales(plain, first),
        np.empty((rows, classes)),
        np.empty((rows, classes)),
        np.empty((rows, classes), np.int64),
    )
    others = _sum_of_others(work)
    in_range = Scaled(others, work.scale).unscaled()
    log_sum = log1p(in_range)
    one = DoubleDouble.of(np.ones((rows, 1)))
    inverse = divide(one, add(one, in_range))
    softmax, log_softmax = _results(work, inverse, log_sum)
    _settle_near_zero(log_softmax, work, others)
    # Differences beyond float64 have no tail; rows without a value are NaN.
    far = ~np.isfinite(plain.shifted)
    if far.any():
        log_softmax[0][far], log_softmax[1][far] = plain.log_softmax.hi[far], 0.0
    if work.gone.any():
        softmax[0][work.gone], softmax[1][work.gone] = 0.0, 0.0
        softmax[0][plain.invalid[:, 0]] = np.nan
    _mark_hidden(softmax, log_softmax, plain)
    ties.settle(softmax, logits, logarithm=False)
    ties.settle(log_softmax, logits, logarithm=True)
    elements = KnownElements(
        plain.shifted,
        plain.masked,
        Exact(*softmax, plain.softmax.nonzero, plain.softmax.infinite),
        Exact(*log_softmax, plain.log_softmax.nonzero, plain.log_softmax.infinite),
    )
    return Reference(plain.of_rows, elements, classes)


def _tiles(shape: tuple[int, int]) -> Iterator[Tile]:
    """Cut a block into pieces of whole rows, or of one row where rows are long."""
    rows, classes = shape
    height, width = max(1, _TILE // classes), min(classes, _TILE)
    for top in range(0, rows, height):
        for left in range(0, classes, width):
            yield slice(top, top + height), slice(left, left + width)


def _scales(plain: Reference, first: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return about the exponent of the largest exponential of each row but the first maximum's.

    On that scale the smallest sums keep their bits.
    """
    shifted = plain.shifted.copy()
    np.put_along_axis(shifted, first, -np.inf, axis=1)
    second = shifted.max(axis=1, keepdims=True)
    lowest = np.where(np.isnan(second), 0.0, np.maximum(second, -2000.0))
    return np.asarray(np.rint(lowest / np.log(2)), np.int64)


def _shifted(work: _Work, tile: Tile) -> DoubleDouble:
    """Return x - max x exactly; without a second half where it is beyond float64."""
    hi, lo = two_sum(work.logits[tile], -work.maximum[tile[0]])
    finite = np.isfinite(hi)
    return DoubleDouble(hi, lo if finite.all() else np.where(finite, lo, 0.0))


def _sum_of_others(work: _Work) -> DoubleDouble:
    """Fill in the exponentials, and sum all but the first maximum's on each row's scale."""
    rows, classes = work.logits.shape
    hi, lo = np.zeros((rows, 1)), np.zeros((rows, 1))
    running = DoubleDouble.of(np.zeros((1, _TILE)))  # of a row that takes several tiles
    for tile in _tiles(work.logits.shape):
        e = exp(_shifted(work, tile))
        gone = work.gone[tile]
        if gone.any():
            e.value.hi[gone], e.value.lo[gone] = 0.0, 0.0
        work.e_hi[tile], work.e_lo[tile], work.exponent[tile] = e.value.hi, e.value.lo, e.exponent
        power = power_of_two(np.maximum(e.exponent - work.scale[tile[0]], -1000))
        term_hi, term_lo = e.value.hi * power, e.value.lo * power
        columns = work.first[tile[0]] - tile[1].start
        here = np.flatnonzero((columns >= 0) & (columns < term_hi.shape[1]))
        term_hi[here, columns[here, 0]], term_lo[here, columns[here, 0]] = 0.0, 0.0
        terms = DoubleDouble(term_hi, term_lo)
        if classes > _TILE:
            width = term_hi.shape[1]
            start = running if tile[1].start else DoubleDouble.of(np.zeros((1, _TILE)))
            added = add(start[:, :width], terms)
            running = DoubleDouble(start.hi.copy(), start.lo.copy()) if width < _TILE else added
            running.hi[:, :width], running.lo[:, :width] = added.hi, added.lo
            if tile[1].stop < classes:
                continue
            terms = running
        total = row_sum(terms)
        hi[tile[0]], lo[tile[0]] = total.hi, total.lo
    return DoubleDouble(hi, lo)


def _results(
    work: _Work, inverse: DoubleDouble, log_sum: DoubleDouble
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return softmax and log-softmax, each rounded to float64 and with its tail."""
    shape = work.logits.shape
    p, p_tail, y, y_tail = (np.empty(shape) for _ in range(4))
    for tile in _tiles(shape):
        above = tile[0]
        e = DoubleDouble(work.e_hi[tile], work.e_lo[tile])
        product = multiply(e, inverse[above])
        p[tile], p_tail[tile] = rounded_with_tail(product, work.exponent[tile])
        difference = add(_shifted(work, tile), -log_sum[above])
        y[tile], y_tail[tile] = rounded_with_tail(difference, None)
    return (p, p_tail), (y, y_tail)


def _settle_near_zero(values: tuple[Array, Array], work: _Work, others: DoubleDouble) -> None:
    """Write log-softmax values so near 0 that they need their own exponent."""
    near = np.flatnonzero(work.scale < _LINEAR)
    if near.size:
        # Brought to [1/2, 1), so that its exponent alone tells whether it is a normal number.
        excess = np.frexp(others.hi[near])[1]
        power = -power_of_two(-excess)
        value = DoubleDouble(others.hi[near] * power, others.lo[near] * power)
        hi, tail = rounded_with_tail(value, work.scale[near] + excess)
        columns = work.first[near, 0]
        values[0][near, columns], values[1][near, columns] = hi[:, 0] + 0.0, tail[:, 0]


def _mark_hidden(
    softmax: tuple[Array, Array], log_softmax: tuple[Array, Array], plain: Reference
) -> None:
    """Give a sign to what is below every precision, so that roundings and ULP know the side.

    Where there are other classes, log-softmax is below x − max x, and softmax below 1.
    """
    others = plain.log_softmax.nonzero & ~plain.masked & ~plain.invalid
    y, tail = log_softmax
    tail[others & (tail == 0) & np.isfinite(y)] = -_TINIEST
    p, tail = softmax
    tail[others & (tail == 0) & (p == 1)] = -_TINIEST


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
