"""The reference for float64 results: double-double arithmetic with the exponent kept apart.

Every softmax and log-softmax to a relative error below 2**-90, subnormal results included, for
logits over the whole range of float64 and rows of 10**7 classes.

What belongs to a row is made at once, elements when they are asked for. Both go through pieces that
stay in the cache, in arrays that are written again for each piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact import others, ties
from softmax_tool.exact.double_double import (
    DoubleDouble,
    add,
    divide,
    exp,
    log1p,
    multiply,
    power_of_two,
)
from softmax_tool.exact.tails import in_units, rounded_with_tail
from softmax_tool.exact.values import Exact, Reference, RowValues
from softmax_tool.exact.work import Work, pieces
from softmax_tool.extremes import Extremes
from softmax_tool.frozen import frozen, frozen_with_memory
from softmax_tool.once import once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softmax_tool.exact.others import Others
    from softmax_tool.exact.values import Array, Columns, Indices, Mask

_DEEP = -650.0  # exponentials of less may lose bits to float64's range
_TINIEST = 5e-324
_HEAD = np.int64(-1 << 27)  # keeps 26 bits of a float64


def reference(logits: Array, extremes: Extremes | None = None) -> Reference:
    """Return the true softmax and log-softmax of float64 logits (rows, classes)."""
    with np.errstate(all="ignore"):
        rows, sums = _of_rows(logits, extremes or Extremes(logits))
    numbers = np.arange(len(logits))
    return Reference(
        rows, DoubleDoubleElements(logits, rows, sums, logits, numbers), logits.shape[1]
    )


@frozen
class _Sums:
    """What elements are made with, each (rows, 1)."""

    inverse: DoubleDouble  # 1 / (1 + T), T the sum of the others
    minus_log_sum: DoubleDouble  # −log(1 + T)
    faint: Mask  # T needs an exponent of its own,
    nearest: Array  # and −T, rounded to float64, stands for that logarithm,
    nearest_tail: Array  # with this tail
    deep: Mask  # the row holds logits whose exponentials do

    def __getitem__(self, rows: Any) -> _Sums:
        return _Sums(
            self.inverse[rows],
            self.minus_log_sum[rows],
            self.faint[rows],
            self.nearest[rows],
            self.nearest_tail[rows],
            self.deep[rows],
        )


def _of_rows(logits: Array, extremes: Extremes) -> tuple[RowValues, _Sums]:
    maximum, minimum = extremes.maximum, extremes.minimum
    some = others.of_rows(logits, maximum, extremes.highest)
    total = some.in_range
    log_sum = log1p(total)
    alone = np.zeros((len(logits), 1), bool)
    if logits.shape[1] == 1 or (minimum == -np.inf).any():
        alone = np.count_nonzero(logits != -np.inf, axis=1, keepdims=True) == 1
    rows = RowValues(
        maximum,
        minimum,
        log_sum.hi,
        np.where(alone, 0.0, np.abs(some.mean_shift) / (1 + total.hi)),
        ~np.isfinite(maximum),
        alone,
    )
    one = DoubleDouble.of(np.ones_like(maximum))
    nearest, tail = _faint_logarithms(some)
    sums = _Sums(
        divide(one, add(one, total)),
        -log_sum,
        some.scale != 0,
        np.where(alone, 0.0, nearest),
        np.where(alone, 0.0, tail),
        ~(minimum - maximum >= _DEEP),
    )
    return rows, sums


def _faint_logarithms(some: Others) -> tuple[Array, Array]:
    """Return −T where it is faint, and so log1p(T) = T, rounded once and with its tail."""
    # Brought to [1/2, 1), so that its exponent alone tells whether it is a normal number.
    excess = np.frexp(some.value.hi)[1]
    power = -power_of_two(-excess)
    value = DoubleDouble(some.value.hi * power, some.value.lo * power)
    return rounded_with_tail(value, some.scale + excess)


@frozen_with_memory
class DoubleDoubleElements:
    """Elements made in double-double when they are asked for."""

    logits: Array  # of any columns
    rows: RowValues
    sums: _Sums
    whole: Array  # the logits of all columns,
    numbers: Indices  # and which of its rows these are

    def __getitem__(self, rows: Any) -> DoubleDoubleElements:
        numbers = self.numbers[rows]
        return DoubleDoubleElements(
            self.logits[rows], self.rows[rows], self.sums[rows], self.whole, numbers
        )

    def at(self, columns: Columns) -> DoubleDoubleElements:
        picked = np.take_along_axis(self.logits, columns, axis=1)
        return DoubleDoubleElements(picked, self.rows, self.sums, self.whole, self.numbers)

    def pick(self, rows: Indices, columns: Indices) -> DoubleDoubleElements:
        numbers = self.numbers[rows]
        picked = self.logits[rows, columns][:, None]
        return DoubleDoubleElements(picked, self.rows[rows], self.sums[rows], self.whole, numbers)

    @once
    def masked(self) -> Mask:
        return np.asarray(self.logits == -np.inf)

    @once
    def shifted(self) -> Array:
        with np.errstate(all="ignore"):
            return self.logits - self.rows.maximum

    @once
    def softmax(self) -> Exact:
        hi, tail = self._made(logarithm=False)
        return Exact(hi, tail, ~self.masked, np.zeros_like(self.masked))

    @once
    def log_softmax(self) -> Exact:
        hi, tail = self._made(logarithm=True)
        return Exact(hi, tail, self.masked | ~self.rows.alone, self.masked)

    def _made(self, *, logarithm: bool) -> tuple[Array, Array]:
        """Make softmax or log-softmax piece by piece: rounded to float64, and the tails."""
        hi, tail = np.empty(self.logits.shape), np.empty(self.logits.shape)
        work = Work(hi.shape, others.ARRAYS)
        make = _log_softmax if logarithm else _softmax
        with np.errstate(all="ignore"):
            for piece in pieces(hi.shape):
                above = piece[0]
                arrays = work.like(hi[piece])
                z = others.shift(self.logits[piece], self.rows.maximum[above], arrays)
                values = make(z, self.sums[above], arrays)
                if ties.may_be_close(values[1], arrays[4]):
                    self._mark_hidden(values, above, logarithm=logarithm)
                    ties.settle(
                        values,
                        self.logits[piece],
                        logarithm=logarithm,
                        whole=self.whole,
                        numbers=self.numbers[above],
                    )
                hi[piece], tail[piece] = values
        invalid = self.rows.invalid[:, 0]
        if invalid.any():
            hi[invalid], tail[invalid] = np.nan, 0.0
        return hi, tail

    def _mark_hidden(self, values: tuple[Array, Array], above: slice, *, logarithm: bool) -> None:
        """Give a sign to what is below every precision, so that roundings and ULP know the side.

        Where there are other classes, log-softmax is below x − max x, and softmax below 1.
        """
        hi, tail = values
        hidden = (tail == 0) & ~self.rows.alone[above]
        hidden &= np.isfinite(hi) if logarithm else hi == 1
        tail[hidden] = -_TINIEST


def _softmax(z: DoubleDouble, sums: _Sums, arrays: Sequence[Array]) -> tuple[Array, Array]:
    """Return softmax and tails, in two of the arrays; z is in the first two."""
    far = None
    if sums.deep.any():
        far = z.hi < _DEEP
        rows, columns = np.nonzero(far & (z.hi > others.LOWEST))
        some = DoubleDouble(z.hi[rows, columns, None], z.lo[rows, columns, None])
        others.clip(z)
    e = others.scaled_exponentials(z, 0, arrays)
    p, tail = arrays[:2]
    spare = arrays[4:]
    _product(e, sums.inverse, (p, tail), spare)
    in_units(p, tail, spare[0])
    if far is not None:
        p[far] = tail[far] = 0.0
        power = exp(some)
        exact = multiply(power.value, sums.inverse[rows])
        near, rest = rounded_with_tail(exact, power.exponent)
        p[rows, columns], tail[rows, columns] = near[:, 0], rest[:, 0]
    return p, tail


def _product(
    a: DoubleDouble, b: DoubleDouble, out: tuple[Array, Array], spare: Sequence[Array]
) -> None:
    """Write a · b, b being (rows, 1); the factors are split by their bits."""
    hi, lo = out
    head, rest, product, term, *_ = spare
    b_head = (b.hi.view(np.int64) & _HEAD).view(np.float64)
    b_rest = b.hi - b_head
    np.bitwise_and(a.hi.view(np.int64), _HEAD, out=head.view(np.int64))
    np.subtract(a.hi, head, out=rest)
    np.multiply(a.hi, b.hi, out=product)
    np.multiply(head, b_head, out=lo)
    np.subtract(lo, product, out=lo)
    np.multiply(head, b_rest, out=term)
    np.add(lo, term, out=lo)
    np.multiply(rest, b_head, out=term)
    np.add(lo, term, out=lo)
    np.multiply(rest, b_rest, out=term)
    np.add(lo, term, out=lo)
    np.multiply(a.lo, b.hi, out=term)
    np.add(lo, term, out=lo)
    np.multiply(a.hi, b.lo, out=term)
    np.add(lo, term, out=lo)
    np.add(product, lo, out=hi)
    np.subtract(hi, product, out=product)
    np.subtract(lo, product, out=lo)


def _log_softmax(z: DoubleDouble, sums: _Sums, arrays: Sequence[Array]) -> tuple[Array, Array]:
    """Return log-softmax and tails, in two of the arrays; z is in the first two."""
    less = sums.minus_log_sum
    y, tail, s, other = arrays[2:6]
    np.add(z.hi, less.hi, out=s)
    np.subtract(s, z.hi, out=other)
    np.subtract(s, other, out=tail)
    np.subtract(z.hi, tail, out=tail)
    np.subtract(less.hi, other, out=other)
    np.add(tail, other, out=tail)
    np.add(z.lo, less.lo, out=other)
    np.add(tail, other, out=tail)
    np.add(s, tail, out=y)
    np.subtract(y, s, out=other)
    np.subtract(tail, other, out=tail)
    in_units(y, tail, other)
    if sums.deep.any():
        beyond = z.hi == -np.inf
        y[beyond], tail[beyond] = -np.inf, 0.0
    if sums.faint.any():
        at_maximum = sums.faint & (z.hi == 0)
        np.copyto(y, sums.nearest, where=at_maximum)
        np.copyto(tail, sums.nearest_tail, where=at_maximum)
    return y, tail
