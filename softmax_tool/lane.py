"""One case of a sweep: its errors added up in 32 bits, and looked at in 64 where they matter.

What decides a sum, a count or an edge of the histogram is exact in 32 bits. Of what is the largest
of its kind, they tell where it may be: each row has a floor that an error must be above to be that.
There it is measured in float64, exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool.attempt import TrueTile, rising
from softmax_tool.exact.float32_tiles import PLACES
from softmax_tool.shortlist import Elements
from softmax_tool.tiling import TILE, Scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.attempt import Attempt
    from softmax_tool.exact.float32_tiles import Float32Tile, Float32Tiles
    from softmax_tool.minorant import Minorant
    from softmax_tool.screening import Screen
    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.int32]

_FEW = 6  # one in 2**6: so many are quicker measured by themselves
_SLACK = 2.0**-20  # more than float32 loses of a sum of two products
# More than a number of units is off in a relative error: a unit is 2**-24 ULP.
_RELATIVE_SLACK = 2.0**-46
_EPSILON = 2.0**-23  # an ULP, of the power of two that the binade begins with
_NOWHERE = np.empty(0, np.intp)


class Room:
    """What tiles of up to `elements` are measured in, one case after the other."""

    def __init__(self, shape: tuple[int, ...], elements: int) -> None:
        self.wide = Scratch(shape, np.float64, elements), Scratch(shape, np.float64, elements)
        self.floats, self.spare = (Scratch(shape, np.float32, elements) for _ in range(2))
        self.numbers = Scratch(shape, np.int32, elements)
        self.flags = Scratch(shape, np.bool_, elements)


class _Measured(NamedTuple):
    """The errors of one case in a tile; every array has its shape."""

    tile: Tile
    got: Array
    true: Float32Tile
    numbers: Numbers  # of units of 2**-places ULP, each less than one off

    def errors_at(self, places: Indices, distances: Array) -> Array:
        """Return errors in ULP in some places, where they are such distances."""
        scale = self.true.per_unit.reshape(-1)[places] * 2.0**-self.true.places
        return np.asarray(distances * scale)

    def distances_at(self, places: Indices) -> Array:
        """Return the absolute errors in some places."""
        return np.asarray(np.abs(self.got.reshape(-1)[places] - self.values_at(places)))

    def values_at(self, places: Indices) -> Array:
        """Return the true values in some places."""
        return np.asarray(self.true.values.reshape(-1)[places])


class Below(NamedTuple):
    """A line below the bounds of one case, or those of several; every array is (…, rows, 1)."""

    base: Array  # base + slope · v is nowhere above a bound: v as `rising` says
    slope: Array
    lowest: Array  # what no bound of a row is below: in ULP; of softmax, relative
    slack: Array  # what float32 may lose of base + slope · v, of softmax

    def of(self, bound: int) -> Below:
        """Return the line of one of several bounds."""
        return Below(*(some[bound] for some in self))


class Extent:
    """How far the true values of each row reach: what all cases of a quantity have in common."""

    def __init__(self, screen: Screen, truth: Float32Tiles) -> None:
        self._screen, self._nearest = screen, truth.least_magnitudes
        self._rows = values = screen.yardsticks.rows.reference.of_rows
        self.is_relative = screen.quantity == "softmax"
        if self.is_relative:
            farthest = np.exp(-values.log_sum)
        else:
            farthest = values.maximum - values.minimum + values.log_sum
        self._farthest = farthest * (1 + _SLACK)  # no true magnitude is as large, (rows, 1)
        self.largest_ulp = _ulp(self._farthest)  # of each row, (rows, 1)

    def below(self, lines: Minorant) -> Below:
        """Return what cases are measured by whose bounds are above these lines."""
        values, (base, slope) = self._rows, rising(self._screen, lines)
        if not self.is_relative:
            lowest = lowest_in_ulp(base, -slope, self._nearest, self._farthest)
            return Below(base, slope, lowest, base)
        # What no logit of a row is above in magnitude.
        furthest = np.maximum(np.abs(values.maximum), np.abs(values.minimum))
        slack = _SLACK * (np.abs(base) + np.abs(slope) * furthest)
        return Below(base, slope, lines.lowest, slack)


class Lane:
    """One case: measures its results by the true values of one tile after the other."""

    def __init__(
        self, attempt: Attempt, room: Room, places: int, extent: Extent, line: Below | None
    ) -> None:
        self.attempt, self._room, self._places = attempt, room, places
        self._is_relative = extent.is_relative
        self._line = line
        self._float32_line = None
        if line is not None and self._is_relative:
            self._float32_line = _Float32Line(line)
        self._least_limit = float(attempt.limits.min())
        self._at_most = 0.0  # what no error of this block so far is above, in ULP
        self._apart: list[Array] = []  # errors that do not fit 32 bits
        # What is beyond an int32 is −2**31, or within half an ULP of its ends.
        self._most = (1 << 31) - (1 << (places - 1))
        self._largest_ulp = extent.largest_ulp
        self._of_lone = np.zeros_like(self._largest_ulp)  # how far lone results are off
        self._lowest_bound = None if line is None else line.lowest
        self._raise_floors()

    def take(self, tile: Tile, got: Array, true: Float32Tile) -> bool:
        """Add a tile up; say no where an error is not finite."""
        numbers = None if true.is_apart else self._numbers(got, true)
        if numbers is None:
            return self._take_in_float64(tile, got, true)
        total = self._left_out(numbers, true)
        np.abs(numbers, out=numbers)
        total += int(np.add.reduce(numbers, axis=None, dtype=np.int64)) << (PLACES - true.places)
        m = _Measured(tile, got, true, numbers)
        floors = self._floors[tile[0]]
        largest, apart = 0, _NOWHERE
        near = np.greater(numbers.view(np.uint32), floors, out=self._room.flags.like(got))
        if near.any():
            places = self._places_of_interest(m, near)
            floors = self._floors[tile[0]]
            magnitudes = numbers.reshape(-1)[places].view(np.uint32)
            fit = magnitudes < self._most
            apart = places[~fit]
            if apart.size:
                if true.places != PLACES or apart.size > numbers.size >> _FEW:
                    return self._take_in_float64(tile, got, true)
                total -= int(numbers.reshape(-1)[apart].sum(dtype=np.int64))
                numbers.reshape(-1)[apart] = 0
                self._apart.append(m.errors_at(apart, m.distances_at(apart)))
                self._at_most = max(self._at_most, float(self._apart[-1].max()))
            largest = int(magnitudes.max(where=fit, initial=0))
            if places.size and not self._take_at(m, places):
                return False
        if true.lone.places.size and not self._take_lone(m):
            return False
        at_most = (max(largest, int(floors.max())) + 1) * 2.0**-true.places
        self._at_most = max(self._at_most, at_most)
        left_out = apart.size + true.lone.places.size
        wrong = self.attempt.errors.add_multiples(numbers, true.places, total, at_most, left_out)
        self.attempt.right += numbers.size - left_out - wrong
        if self._is_relative:
            self._take_relative(m, at_most)
        return True

    def reach(self) -> Array:
        """Return how far results of each row are at most from their true values, (rows, 1)."""
        reach = np.minimum(self.attempt.max_abs, self._at_most * self._largest_ulp)
        return np.maximum(reach, self._of_lone)

    def finish(self) -> None:
        """Add up what has been kept for the end."""
        if self._apart:
            errors = np.concatenate(self._apart)
            for start in range(0, errors.size, TILE):
                self.attempt.errors.add(errors[start : start + TILE])

    def _numbers(self, got: Array, true: Float32Tile) -> Numbers | None:
        """Return the signed errors in units; None where one is NaN."""
        differences, numbers = self._room.floats.like(got), self._room.numbers.like(got)
        np.subtract(got, true.rounded, out=differences)
        differences.reshape(-1)[true.lone.places] = 0
        np.multiply(differences, true.per_unit, out=differences)
        try:
            with np.errstate(invalid="raise"):
                np.copyto(numbers, differences, casting="unsafe")
        except FloatingPointError:
            # What is beyond an int32 shows in its number, NaN may become any.
            if np.isnan(differences.max()):
                return None
            np.copyto(numbers, differences, casting="unsafe")
        np.add(numbers, true.rest_in_units, out=numbers)
        numbers.reshape(-1)[true.lone.places] = 0
        return numbers

    def _left_out(self, numbers: Numbers, true: Float32Tile) -> int:
        """Return what signed numbers of units miss of the sum of magnitudes, in 2**-29 ULP."""
        if true.places == PLACES:
            return 0
        # Where a number is negative, x ^ −1 is −x − 1.
        signs = self._room.floats.like(numbers).view(np.int32)
        np.right_shift(numbers, 31, out=signs)
        negative = np.add.reduce(signs, axis=None, dtype=np.int32)
        np.bitwise_xor(true.left_out, signs, out=signs)
        return int(np.add.reduce(signs, axis=None, dtype=np.int32)) - int(negative)

    def _take_in_float64(self, tile: Tile, got: Array, true: Float32Tile) -> bool:
        wide = TrueTile(true.every_value, true.every_rounded, true.scale, None)
        is_finite = self.attempt.take(tile, got, wide)
        self._at_most = max(self._at_most, self.attempt.errors.last)
        self._raise_floors()
        return is_finite

    def _places_of_interest(self, m: _Measured, near: Mask) -> Indices:
        """Return where errors are above the floors of their rows, of which some are known."""
        if np.count_nonzero(near) > near.size >> _FEW:
            # So many are above what is known only because little is: the largest make it known.
            magnitudes = m.numbers.view(np.uint32)
            rows, classes = near.shape
            largest = np.arange(rows) * classes + magnitudes.argmax(axis=1)
            # Of a row without an error this may be a place that is not measured here.
            largest = largest[magnitudes.reshape(-1)[largest] > 0]
            if self._take_at(m, largest):
                np.greater(magnitudes, self._floors[m.tile[0]], out=near)
        return np.flatnonzero(near)

    def _take_at(self, m: _Measured, places: Indices) -> bool:
        """Take in what errors in some places are the largest of; say no where one is not finite."""
        got, rounded = (some.reshape(-1)[places] for some in (m.got, m.true.rounded))
        distances = m.distances_at(places)
        errors = m.errors_at(places, distances)
        rows, columns = self.attempt.places(m.tile, places)
        some = Elements(rows, columns, got, m.values_at(places), rounded, errors)
        return self._take_some(some, distances)

    def _take_lone(self, m: _Measured) -> bool:
        """Add up what is not counted in units; say no where one is not finite."""
        places, values, rounded = m.true.lone.places, m.true.lone.values, m.true.lone.rounded
        got = m.got.reshape(-1)[places]
        distances = np.abs(got - values)
        errors = distances * m.true.lone.scale
        rows, columns = self.attempt.places(m.tile, places)
        if not self._take_some(Elements(rows, columns, got, values, rounded, errors), distances):
            return False
        self._of_lone[rows, 0] = distances
        self.attempt.errors.add(errors)
        self.attempt.right += int(np.count_nonzero(got == rounded))
        return True

    def _take_some(self, some: Elements, distances: Array) -> bool:
        attempt, rows, columns, errors = self.attempt, some.rows, some.columns, some.errors
        largest = float(errors.max())
        if not largest < np.inf:
            return False
        before = attempt.known
        attempt.errors.know(largest)
        if largest > self._least_limit:
            beyond = errors > attempt.limits[rows, 0]
            attempt.suspects.add(rows[beyond], columns[beyond], errors[beyond])
        if attempt.shortlist.has_room_for(largest):
            attempt.shortlist.add_at(some)
        if not self._is_relative:
            attempt.max_abs = max(attempt.max_abs, float(distances.max()))
            attempt.take_relative(distances, some.values)
            if self._line is not None:
                base, slope = self._line.base[rows, 0], self._line.slope[rows, 0]
                least = (base + slope * some.values) * attempt.ratio
                near = np.flatnonzero(distances > least)
                if near.size:
                    attempt.take_ratios_at(rows[near], columns[near], distances[near])
        if attempt.known != before:
            self._raise_floors()
        return True

    def _raise_floors(self) -> None:
        """Say what an error must be above to be the largest of its kind, (rows, 1), in units."""
        attempt = self.attempt
        least = attempt.shortlist.least_of_rows()
        np.minimum(least, attempt.limits, out=least)
        if self._is_relative:
            np.minimum(least, attempt.errors.largest, out=least)
        else:
            np.minimum(least, min(attempt.errors.largest, attempt.least_of_interest), out=least)
            np.minimum(least, attempt.max_abs / self._largest_ulp, out=least)
            if self._lowest_bound is not None:
                np.minimum(least, attempt.ratio * self._lowest_bound, out=least)
        units = np.floor(least * (2.0**self._places * (1 - _SLACK)))
        units -= 2
        np.maximum(units, 0, out=units)
        np.minimum(units, self._most - 1, out=units)
        self._floors = units.astype(np.uint32)

    def _take_relative(self, m: _Measured, at_most: float) -> None:
        """Take in the largest errors, absolute and relative, and fractions of a relative bound."""
        attempt = self.attempt
        if at_most * m.true.largest_unit > attempt.max_abs * 2.0**-m.true.places:
            self._take_distances(m)
        relative = self._room.floats.like(m.got)
        # Less than 2**-21 of itself and one unit off.
        np.copyto(relative, m.numbers, casting="unsafe")
        np.multiply(relative, m.true.relative_unit, out=relative)
        largest = float(np.maximum.reduce(relative, axis=None))
        highest = largest * (1 + _SLACK) + _RELATIVE_SLACK
        if highest > attempt.max_rel:
            places = np.flatnonzero(relative >= 2 * largest - highest)
            attempt.take_relative(m.distances_at(places), m.values_at(places))
        if self._float32_line is None or self._lowest_bound is None:
            return
        if not attempt.ratio:
            self._take_ratios(m, np.array([relative.argmax()]))
        if highest <= attempt.ratio * float(self._lowest_bound[m.tile[0]].min()):
            return
        base, slope = self._float32_line.at(attempt.ratio)
        lowest = self._room.spare.like(m.got)
        np.multiply(attempt.screen.yardsticks.rows.logits[m.tile], slope[m.tile[0]], out=lowest)
        np.add(lowest, base[m.tile[0]], out=lowest)
        near = np.greater(relative, lowest, out=self._room.flags.like(m.got))
        if near.any():
            self._take_ratios(m, np.flatnonzero(near))

    def _take_distances(self, m: _Measured) -> None:
        """Take in the largest absolute error."""
        distances = self._room.floats.like(m.got)
        # Less than 2**-23 of itself and one unit off.
        np.copyto(distances, m.numbers, casting="unsafe")
        np.multiply(distances, m.true.unit, out=distances)
        farthest = float(np.maximum.reduce(distances, axis=None))
        slack = farthest * 2.0**-23 + m.true.largest_unit
        if farthest + slack > self.attempt.max_abs:
            exact = m.distances_at(np.flatnonzero(distances >= farthest - 2 * slack))
            self.attempt.max_abs = max(self.attempt.max_abs, float(exact.max()))

    def _take_ratios(self, m: _Measured, places: Indices) -> None:
        relative = m.distances_at(places) / m.values_at(places)
        self.attempt.take_ratios(m.tile, places, relative)


def lowest_in_ulp(base: Array, slope: Array, nearest: Array, farthest: Array) -> Array:
    """Return what base + slope·m is nowhere below in ULP of m, for magnitudes between those two.

    With slope >= 0 it falls only where a binade begins, to base/ULP + slope·2**23: so it is lowest
    at the nearest, or at the first or the last power of two above.
    """
    last = _power_of_two(farthest)
    first = np.minimum(2 * _power_of_two(nearest), last)
    lowest = (base + slope * nearest) / _ulp(nearest)
    for power in (first, last):
        magnitude = np.maximum(power, nearest)
        lowest = np.minimum(lowest, (base + slope * magnitude) / _ulp(magnitude))
    return np.asarray(lowest)


def _ulp(magnitude: Array) -> Array:
    return np.asarray(_power_of_two(magnitude) * _EPSILON)


def _power_of_two(magnitude: Array) -> Array:
    """Return the power of two with which the binade of a positive number begins."""
    return np.asarray(np.ldexp(1.0, np.frexp(magnitude)[1] - 1))


class _Float32Line:
    """The line below a relative bound, times the largest ratio so far, in float32.

    A little lower, for what float32 loses.
    """

    def __init__(self, line: Below) -> None:
        self._line = line
        self._ratio = -1.0

    def at(self, ratio: float) -> tuple[Array, Array]:
        """Return base and slope of each row, (rows, 1)."""
        if ratio != self._ratio:
            self._ratio = ratio
            base = (self._line.base - self._line.slack) * ratio - _RELATIVE_SLACK
            self._made = base.astype(np.float32), (self._line.slope * ratio).astype(np.float32)
        return self._made
