"""One case of a sweep: measured in 32 bits where its results are among the neighbours of the true.

What decides a sum, a count or an edge of the histogram is exact in 32 bits. Of what is the largest
of its kind, they tell where it may be; there it is measured in float64, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.attempt import TrueTile
from softmax_tool.exact.float32_tiles import PLACES
from softmax_tool.tiling import Scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.attempt import Attempt
    from softmax_tool.exact.float32_tiles import Float32Tile
    from softmax_tool.peaks import Peaks
    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]

_SLACK = 2.0**-20  # more than float32 loses of a sum of two products
# More than a number of units is off in a relative error: a unit is 2**-24 ULP.
_RELATIVE_SLACK = 2.0**-46


@dataclass(frozen=True, slots=True)
class _Measured:
    """The errors of one case in a tile."""

    tile: Tile
    got: Array
    true: Float32Tile
    numbers: NDArray[np.int32]  # of units, each less than one off
    largest: int

    @property
    def unit(self) -> float:
        """The unit of errors, in ULP."""
        return 2.0**-self.true.places

    def above(self, error: float) -> Indices:
        """Return all places where an error may be larger."""
        return np.asarray(np.flatnonzero(self.numbers >= int(error / self.unit)))

    def errors_at(self, places: Indices) -> Array:
        """Return the errors in some places, in ULP."""
        scale = self.true.per_unit.reshape(-1)[places] * self.unit
        return np.asarray(self.distances_at(places) * scale)

    def errors(self) -> Array:
        """Return all errors, in ULP."""
        return np.asarray(np.abs((self.got - self.true.values) * self.true.scale))

    def distances_at(self, places: Indices) -> Array:
        """Return the absolute errors in some places."""
        return np.asarray(np.abs(self.got.reshape(-1)[places] - self.values_at(places)))

    def values_at(self, places: Indices) -> Array:
        """Return the true values in some places."""
        return np.asarray(self.true.values.reshape(-1)[places])


class Workspace:
    """What all cases are measured in, one after the other: so it stays in the cache."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.difference, self.distance = Scratch(shape, np.float32), Scratch(shape, np.float32)
        self.numbers, self.signs = Scratch(shape, np.int32), Scratch(shape, np.int32)
        self.wide = Scratch(shape), Scratch(shape)


class Lane:
    """One case, measured in 32 bits where its results are among the neighbours of the true."""

    def __init__(self, attempt: Attempt, peaks: Peaks, workspace: Workspace) -> None:
        self.attempt, self.peaks, self.workspace = attempt, peaks, workspace
        self._least_limit = float(attempt.limits.min())
        self._line = None if attempt.bounds is None else _Line(attempt)

    def take(self, tile: Tile, got: Array, true: Float32Tile) -> bool:
        """Add a tile up; say no where one of its errors is not finite."""
        if not self.peaks.add(tile, got):
            return False
        if true.is_apart:
            return self.attempt.take(tile, got, _in_float64(true))
        workspace = self.workspace
        difference, numbers = workspace.difference.like(got), workspace.numbers.like(got)
        np.subtract(got, true.rounded, out=difference)
        np.multiply(difference, true.per_unit, out=difference)
        np.copyto(numbers, difference, casting="unsafe")
        np.add(numbers, true.rest_in_units, out=numbers)
        left_out = self._left_out(numbers, true)
        np.abs(numbers, out=numbers)
        # What is beyond an int32 is −2**31, or within half an ULP of its ends.
        largest = int(np.maximum.reduce(numbers.view(np.uint32), axis=None))
        if largest >= (1 << 31) - (1 << (true.places - 1)):
            return self.attempt.take(tile, got, _in_float64(true))
        total = int(np.add.reduce(numbers, axis=None, dtype=np.int64))
        total = (total << (PLACES - true.places)) + left_out
        self._add(_Measured(tile, got, true, numbers, largest), total)
        return True

    def _left_out(self, numbers: NDArray[np.int32], true: Float32Tile) -> int:
        """Return what signed numbers of units miss of the sum of magnitudes, in 2**-29 ULP."""
        if true.places == PLACES:
            return 0
        # Where a number is negative, x ^ −1 is −x − 1.
        signs = np.right_shift(numbers, 31, out=self.workspace.signs.like(numbers))
        negative = -int(np.add.reduce(signs, axis=None, dtype=np.int32))
        np.bitwise_xor(true.left_out, signs, out=signs)
        return int(np.add.reduce(signs, axis=None, dtype=np.int32)) + negative

    def _add(self, m: _Measured, total: int) -> None:
        attempt, true = self.attempt, m.true
        at_most = largest = (m.largest + 1) * m.unit
        if at_most > attempt.errors.largest:
            largest = float(m.errors_at(m.above((m.largest - 2) * m.unit)).max())
        wrong = attempt.errors.add_multiples(m.numbers, true.places, total, at_most, largest)
        attempt.right += m.numbers.size - wrong
        if at_most > self._least_limit:
            limits = (attempt.limits[m.tile[0]] / m.unit).clip(max=2**31 - 1).astype(np.int32)
            places = np.flatnonzero(m.numbers >= limits)
            attempt.suspect(m.tile, places, m.errors_at(places))
        # What is off by half an ULP or less is right.
        if at_most > 0.5 and attempt.may_list(at_most):
            attempt.list(m.tile, m.errors(), m.got, true.values, true.rounded)
        self._take_relative(m)
        distance = self.workspace.distance.like(m.numbers)
        np.copyto(distance, m.numbers, casting="unsafe")
        np.multiply(distance, true.unit, out=distance)
        self._take_distance(m, distance)
        if self._line is not None:
            self._compare_with_bound(m, distance, self._line)

    def _take_relative(self, m: _Measured) -> None:
        attempt = self.attempt
        if attempt.errors.last <= attempt.least_of_interest:
            return
        if not attempt.max_rel:
            place = np.array([m.numbers.argmax()])
            attempt.take_relative(m.distances_at(place), m.values_at(place))
        places = m.above(attempt.least_of_interest)
        if places.size:
            attempt.take_relative(m.distances_at(places), m.values_at(places))

    def _take_distance(self, m: _Measured, distance: Array) -> None:
        largest = float(np.maximum.reduce(distance, axis=None))
        # A number is less than one unit off, and its cast to float32 less than 2**-23.
        slack = largest * 2.0**-23 + m.true.largest_unit
        if largest + slack > self.attempt.max_abs:
            places = np.flatnonzero(distance >= largest - 2 * slack)
            exact = float(m.distances_at(places).max())
            self.attempt.max_abs = max(self.attempt.max_abs, exact)

    def _compare_with_bound(self, m: _Measured, distance: Array, line: _Line) -> None:
        """Evaluate the bound of the few elements that may be nearer to theirs than any so far."""
        attempt, of = self.attempt, m.true.rounded
        if line.relative:
            np.divide(distance, of, out=distance)
            of = attempt.screen.yardsticks.rows.logits[m.tile]
        if not attempt.ratio:
            self._take_ratios(m, np.array([distance.argmax()]), line)
        base, slope = line.at(attempt.ratio, m.tile)
        least = np.multiply(of, slope, out=self.workspace.difference.like(distance))
        np.add(least, base, out=least)
        near = np.greater(distance, least)
        if np.logical_or.reduce(near, axis=None):
            self._take_ratios(m, np.flatnonzero(near), line)

    def _take_ratios(self, m: _Measured, places: Indices, line: _Line) -> None:
        measure = m.distances_at(places)
        if line.relative:
            measure /= m.values_at(places)
        self.attempt.take_ratios(m.tile, places, measure)


class _Line:
    """The line below a bound, in float32: times a ratio, and a little lower."""

    def __init__(self, attempt: Attempt) -> None:
        assert attempt.bounds is not None  # noqa: S101  (the caller has looked)
        self.relative = attempt.bounds.relative
        self._base, self._slope = attempt.line()
        values = attempt.screen.yardsticks.rows.reference.of_rows
        # What no magnitude of a row is above in what its line is a function of.
        furthest = values.maximum - values.minimum + values.log_sum
        if self.relative:
            furthest = np.maximum(np.abs(values.maximum), np.abs(values.minimum))
        self._slack = _SLACK * (np.abs(self._base) + np.abs(self._slope) * furthest)
        self._constant_slack = _RELATIVE_SLACK if self.relative else 0.0
        self._ratio = -1.0
        self._scaled: tuple[Array, Array] = np.empty(0), np.empty(0)

    def at(self, ratio: float, tile: Tile) -> tuple[Array, Array]:
        """Return base and slope of the rows of a tile, (rows, 1) each."""
        if ratio != self._ratio:
            base = (self._base - self._slack) * ratio - self._constant_slack
            slope = self._slope * ratio
            self._ratio, self._scaled = ratio, (base.astype(np.float32), slope.astype(np.float32))
        base, slope = self._scaled
        return base[tile[0]], slope[tile[0]]


def _in_float64(true: Float32Tile) -> TrueTile:
    return TrueTile(true.values, true.rounded, true.scale, None)
