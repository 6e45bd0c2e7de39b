"""The reference for formats below float64: float64, and double-double where that cannot tell.

A float64 value too close to a rounding boundary of the format could round either way. The rows that
hold one are computed again in double-double, and a value that lies on a boundary as far as float64
can see is moved off it, to the side on which the true value lies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_all
from softmax_tool.exact import double, quad
from softmax_tool.exact.brackets import RowBrackets
from softmax_tool.exact.double import Float64Elements
from softmax_tool.exact.double_double import two_sum
from softmax_tool.exact.tails import may_change_ulp, round_to_odd
from softmax_tool.exact.ties import settle_zeros
from softmax_tool.frozen import frozen, frozen_with_memory
from softmax_tool.once import once
from softmax_tool.row_sets import rows_of
from softmax_tool.tiling import tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import (
        Array,
        Columns,
        Exact,
        Indices,
        Mask,
        Reference,
    )
    from softmax_tool.extremes import Extremes
    from softmax_tool.formats import FloatFormat
    from softmax_tool.tiling import Tile


def reference(
    logits: NDArray[Any], target: FloatFormat, extremes: Extremes | None = None
) -> Reference:
    """Return the true softmax and log-softmax; rounding `hi` to `target` rounds the true values."""
    plain = double.reference(logits, extremes)
    elements = plain.elements
    assert isinstance(elements, Float64Elements)  # noqa: S101  (what that reference is made of)
    settled = SettledElements(elements, logits, None, target)
    return replace(plain, elements=settled)


@frozen_with_memory
class SettledElements:
    """Elements made in float64 when asked for, and in double-double where float64 cannot tell."""

    plain: Float64Elements
    logits: NDArray[Any]  # of all classes
    columns: Columns | None  # which of them these elements are; None: all
    target: FloatFormat

    def __getitem__(self, rows: Any) -> SettledElements:
        return replace(
            self,
            plain=self.plain[rows],
            logits=rows_of(self.logits, rows),
            columns=None if self.columns is None else rows_of(self.columns, rows),
        )

    def at(self, columns: Columns) -> SettledElements:
        return replace(self, plain=self.plain.at(columns), columns=columns)

    def pick(self, rows: Indices, columns: Indices) -> Float64Elements:
        return self.plain.pick(rows, columns)

    @property
    def masked(self) -> Mask:
        return self.plain.masked

    @property
    def shifted(self) -> Array:
        return self.plain.shifted

    @once
    def by_a_power(self) -> Indices:
        """Rows in which a softmax may be on either side of 1/2, 1/4, …, as far as float64 tells.

        Classes share the maximum, or all but do, and what else there is of the sum is lost beside
        them: on which side of such a power of two the true value is decides its ULP.
        """
        total = 1 + self.plain.others
        with np.errstate(all="ignore"):
            # Where one class holds all, 1 is not reached.
            quotient = np.where(total > 1.5, total * 2.0 ** -np.rint(np.log2(total)), 0.0)
            rows = np.flatnonzero(np.abs(quotient - 1) < _BESIDE)
        if not rows.size:
            return rows
        logits = rows_of(self.logits, rows)
        level = row_all((logits == self.plain.rows.maximum[rows]) | (logits == -np.inf))
        return rows[~level[:, 0]]

    @once
    def log_by_a_power(self) -> Indices:
        """Rows in which a log-softmax may be on either side of 1, 2, 4, …, as far as float64 tells.

        Below 1, log 2 in fact, is that of a first maximum alone. For the others to be beside 2**k,
        log Σ exp x − 2**k has to be beside a number of the format, and so of float32: rows are
        asked for that, and single values of few.
        """
        rows = np.flatnonzero(self._beside_powers)
        if not rows.size:
            return rows
        some = self.plain[rows]
        found = np.zeros((len(rows), 1), bool)
        for tile in tiles(some.logits.shape):
            found[tile[0]] |= self._is_by_a_power(some, tile)
        return np.asarray(rows[found[:, 0]])

    def _is_by_a_power(self, plain: Float64Elements, tile: Tile) -> Mask:
        """Tell in which rows of a tile the binade of a log-softmax is open, (rows, 1)."""
        hi = np.empty(plain.logits[tile].shape)
        with np.errstate(all="ignore"):
            plain.write_log_softmax(tile, hi)
        found = np.zeros((len(hi), 1), bool)
        # First by their bits, as float64 is off by less than 2**-41.
        beside = (hi.view(np.int64) + _UNSURE & _FRACTION) < 2 * _UNSURE
        if not beside.any():
            return found
        places, columns = np.nonzero(beside & np.isfinite(hi) & (hi != 0))
        rows, values = plain.rows[tile[0]].pick(places), hi[places, columns][:, None]
        error = double.log_softmax_error(rows, values, self.logits.shape[1], exact_shift=False)
        either = may_change_ulp(values, np.abs(values) * error, self.target)
        # Beside a class that holds all, x − max x is a power of two, and the true value beyond it.
        logits = plain.logits[tile][places, columns][:, None]
        either &= ~_is_just_below(values, logits, rows.maximum, rows.alone)
        found[places[either[:, 0]]] = True
        return found

    @property
    def _beside_powers(self) -> Mask:
        """Tell which rows may hold such a value, quickly, (rows,)."""
        rows = self.plain.rows
        maximum, log_sum = rows.maximum[:, 0], rows.log_sum[:, 0]
        usable = ~(rows.invalid | rows.alone)[:, 0]
        with np.errstate(all="ignore"):
            furthest = np.max(log_sum - self.plain.lowest[:, 0], initial=1, where=usable)
            # One power after the other: rows are contiguous, powers are few.
            found = np.abs(np.frexp(log_sum)[0] - 0.75) > 0.25 - _BESIDE
            log_z, slack = maximum + log_sum, _BESIDE * log_sum + 2.0**-51 * np.abs(maximum)
            for power in 2.0 ** np.arange(np.ceil(np.log2(furthest)) + 1):
                logit = log_z - power
                found |= np.abs(logit.astype(np.float32) - logit) <= slack + _BESIDE * power
        return np.asarray(found & usable)

    @once
    def faint(self) -> Indices:
        """Rows whose log-softmax at the maximum is made of exponentials below float64's range."""
        others, rows = self.plain.others[:, 0], self.plain.rows
        faint = np.flatnonzero((others < _FAINT) & ~rows.alone[:, 0] & ~rows.invalid[:, 0])
        if not faint.size:
            return faint
        with np.errstate(all="ignore"):
            shifted = rows_of(self.logits, faint) - rows.maximum[faint]
        second = shifted.max(axis=1, where=shifted < 0, initial=-np.inf)
        return np.asarray(faint[second > _LOWEST - np.log(self.logits.shape[1])])

    @once
    def softmax(self) -> Exact:
        return self._settled(self.plain.softmax, logarithm=False)

    @once
    def log_softmax(self) -> Exact:
        return self._settled(self.plain.log_softmax, logarithm=True)

    def values(self, *, logarithm: bool) -> Exact:
        """Return log-softmax or softmax."""
        return self.log_softmax if logarithm else self.softmax

    def tolerance(self, *, logarithm: bool, least: Array | None = None) -> float:
        """Return what no value's relative error is above.

        Of log-softmax only of values with `least` such magnitudes, (rows, 1), if they are given.
        """
        every, classes = self.plain.rows, self.logits.shape[1]
        if logarithm:
            nearest = every.log_sum if least is None else least
            worst = double.log_softmax_error(every, nearest, classes, exact_shift=False)
        else:
            with np.errstate(all="ignore"):
                furthest = every.minimum - every.maximum
            worst = double.softmax_error(every, furthest, classes, exact_shift=False)
        # NaN in rows that are NaN themselves.
        return min(float(np.fmax.reduce(worst, axis=None, initial=0.0)), _COARSE)

    def undecided(
        self,
        some: Array,
        rows: Indices,
        columns: Indices,
        *,
        logarithm: bool,
        exact_shift: bool | Mask = False,
    ) -> Mask:
        """Return which of some values, (some,), could round either way.

        `exact_shift` tells, for all or for each, (some, 1), that no shift of its row rounds.
        """
        of_rows, classes = self.plain.rows[rows], self.logits.shape[1]
        if logarithm:
            error = double.log_softmax_error(
                of_rows, some[:, None], classes, exact_shift=exact_shift
            )
        else:
            shifted = self.plain.logits[rows, columns, None] - of_rows.maximum
            error = double.softmax_error(of_rows, shifted, classes, exact_shift=exact_shift)
        with np.errstate(all="ignore"):
            margin = some * error[:, 0]
            return np.asarray(self.target.round(some - margin) != self.target.round(some + margin))

    def decide(self, some: Array, rows: Indices, columns: Indices, *, logarithm: bool) -> Mask:
        """Return which of some values, (some,), float64 cannot decide.

        Those that are known to lie below a boundary, as far as float64 can see on it, are moved.
        """
        # On a boundary, as far as float64 can see, no error is small enough.
        left = np.ones(some.shape, bool)
        if logarithm:
            self._move_off(
                some, rows, columns, left, np.flatnonzero(_is_halfway(some, self.target))
            )
        for ask_logits in (False, True):
            here = np.flatnonzero(left)
            if not here.size:
                break
            # Whether shifts are exact takes a look at all logits: only where it matters.
            left[here] = self.undecided(
                some[here],
                rows[here],
                columns[here],
                logarithm=logarithm,
                exact_shift=self._shift_exactly(rows[here]) if ask_logits else False,
            )
        if logarithm:
            self._move_off(some, rows, columns, left, np.flatnonzero(left))
        return left

    def _move_off(
        self, some: Array, rows: Indices, columns: Indices, left: Mask, here: Indices
    ) -> None:
        """Move such of some values off their boundaries as lie below, and strike them out."""
        if not here.size:
            return
        picked = self.plain.logits[rows[here], columns[here]]
        of_rows = self.plain.rows
        maximum, alone = of_rows.maximum[rows[here], 0], of_rows.alone[rows[here], 0]
        below = here[_is_just_below(some[here], picked, maximum, alone)]
        some[below] = _odd_below(some[below])
        left[below] = False

    def _shift_exactly(self, rows: Indices) -> Mask:
        """Return of which rows every x − max x is known to be a float64, (some, 1).

        Each is asked for itself: a block must not change what is told of its rows.
        """
        some, place = np.unique(rows, return_inverse=True)
        exact = [_shifts_exactly(self.logits[row]) for row in some.tolist()]
        return np.array(exact)[place][:, None]

    def _settled(self, values: Exact, *, logarithm: bool) -> Exact:
        invalid = self.plain.rows.invalid[:, 0]
        if invalid.any():
            values.hi[invalid] = np.nan
        rows, columns = _suspects(values.hi, self.target, self.tolerance(logarithm=logarithm))
        again = self.by_a_power
        if logarithm:
            again = np.concatenate([self.faint, self.log_by_a_power])
        if rows.size:
            some = values.hi[rows, columns]
            undecided = self.decide(some, rows, columns, logarithm=logarithm)
            values.hi[rows, columns] = some
            again = np.concatenate([again, rows[undecided]])
        if again.size:
            self._settle(values.hi, np.unique(again), logarithm=logarithm)
        return values

    def _settle(self, hi: Array, rows: Indices, *, logarithm: bool) -> None:
        """Write such values of some rows over those of float64 as round once and for all."""
        whole = self.logits[rows].astype(np.float64)
        wide = quad.reference(whole)
        if self.columns is not None:
            wide = wide.at(self.columns[rows])
        exact = wide.log_softmax if logarithm else wide.softmax
        # Tile by tile, as each step takes some arrays more.
        for tile in tiles(exact.hi.shape):
            above, columns = rows[tile[0]], tile[1]
            some, logits = exact[tile], self.plain.logits[above, columns]
            known = None
            if logarithm:
                of_rows = self.plain.rows[above]
                known = _is_just_below(some.hi, logits, of_rows.maximum, of_rows.alone)
            decide = _Decided(whole[tile[0]], logits, logarithm)
            settle_zeros(some, self.target, decide, known)
            hi[above, columns] = round_to_odd(some)


@frozen
class _Decided:
    """Rounds log-softmax or softmax of single logits once, and says what that misses."""

    whole: Array
    logits: NDArray[Any]  # of some columns of these rows
    logarithm: bool

    def __call__(self, row: int, column: int) -> tuple[float, float]:
        known = RowBrackets.of(self.whole[row])
        return known.rounded(float(self.logits[row, column]), logarithm=self.logarithm)


def _is_just_below(hi: Array, logits: NDArray[Any], maximum: Array, alone: Mask) -> Mask:
    """Return where x − max x is the float64 `hi`, and log-softmax less by a part of its ULP.

    In rows that one class dominates many of these are on a boundary of a narrower format, as far as
    double-double can see.
    """
    with np.errstate(all="ignore"):
        z, rest = two_sum(logits.astype(np.float64), -maximum)
    return np.asarray((rest == 0) & (z == hi) & (z != 0) & ~alone)


def _is_halfway(hi: Array, target: FloatFormat) -> Mask:
    """Tell which values, where they are normal numbers, lie halfway between two of a format."""
    more = 53 - target.precision
    return np.asarray((hi.view(np.int64) & ((1 << more) - 1)) == 1 << (more - 1))


def _odd_below(hi: Array) -> Array:
    """Return the neighbour with an odd last bit, for true values between `hi` and the one below."""
    even = (hi.view(np.int64) & 1) == 0
    return np.where(even, np.nextafter(hi, -np.inf), hi)


def _shifts_exactly(logits: NDArray[Any]) -> bool:
    """Tell whether every x − max x is a float64, for logits of at most 24 bits.

    All are multiples of one ULP of the smallest that is not 0, and 52 bits hold their differences.
    """
    magnitudes = np.abs(logits)
    largest = magnitudes.max(initial=0)
    smallest = magnitudes.min(initial=np.inf)
    if smallest == 0 or not np.isfinite(largest):
        some = magnitudes[(magnitudes != 0) & np.isfinite(magnitudes)]
        if not some.size:
            return True
        largest, smallest = some.max(), some.min()
    return bool(float(largest) <= float(smallest) * 2.0**26)


_UNSURE = np.int64(1 << 12)  # 2**-40 of a float64, in its last places
_FRACTION = np.int64((1 << 52) - 1)
_BESIDE = 2.0**-40  # what a sum or a log-softmax is off a power of two, that float64 may be on
_FAINT = 2.0**-996  # 2**24 exponentials that float64 has rounded leave no mark on a larger sum
_LOWEST = -745.2  # the logarithm of half the smallest float64
# No tolerance exceeds 2**-41: logits further apart than 1000 have a softmax of 0 in every format
# here, and a log-softmax is bounded by less.
_COARSE = 2.0**-41


def _suspects(
    hi: Array, target: FloatFormat, tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of all values within a relative tolerance of a boundary, and more."""
    rows, columns = [], []
    for tile in tiles(hi.shape):
        with np.errstate(all="ignore"):
            near = _near_boundary(hi[tile], target, tolerance)
        if near is not None:
            row, column = np.divmod(np.flatnonzero(near), near.shape[1])
            rows.append(row + tile[0].start)
            columns.append(column + tile[1].start)
    nothing = np.empty(0, np.intp)
    return np.concatenate([nothing, *rows]), np.concatenate([nothing, *columns])


def _near_boundary(hi: Array, target: FloatFormat, tolerance: float) -> Mask | None:
    """Tell which values may be that close; None where it is none of them."""
    # Of the bits that float64 has more, a boundary between normal numbers has 100…0.
    more = 53 - target.precision
    margin = 2 + int(tolerance * 2.0**53)
    distance = hi.view(np.int64) + ((1 << (more - 1)) + margin)
    distance &= (1 << more) - 1
    near = None
    if distance.min(initial=2 * margin) < 2 * margin:
        near = np.asarray(distance < 2 * margin)
    least = target.smallest_normal
    if not (hi.min(initial=np.inf) >= least or hi.max(initial=-np.inf) <= -least):
        near = np.zeros(hi.shape, bool) if near is None else near
        tiny = np.abs(hi) < least
        some = hi[tiny]
        near[tiny] = target.round(some * (1 - tolerance)) != target.round(some * (1 + tolerance))
    return near
