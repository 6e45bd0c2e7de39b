"""One case of a sweep: what has come of it so far, and where float64 has to have a look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool.tiling import TILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.attempt import Attempt
    from softmax_tool.exact.float32_tiles import Float32Tile
    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]

_SLACK = 2.0**-20  # more than float32 loses of a sum of two products
# More than a number of units is off in a relative error: a unit is 2**-24 ULP.
_RELATIVE_SLACK = 2.0**-46


class Measured(NamedTuple):
    """The errors of one case in a tile; every array has its shape."""

    tile: Tile
    got: Array
    true: Float32Tile
    numbers: NDArray[np.int32]  # of units, each less than one off
    distance: NDArray[np.float32]  # less than 2**-23 of itself and one unit off

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


class Units(NamedTuple):
    """How many units the errors of one case in a tile are."""

    largest: int
    total: int  # of all, in 2**-29 ULP, exactly
    apart: Indices  # places left out, where numbers are 0: errors that do not fit 32 bits


class Lane:
    """One case: takes what has been measured of its tiles.

    What decides a sum, a count or an edge of the histogram is exact in 32 bits. Of what is the
    largest of its kind, they tell where it may be; there it is measured in float64, exactly.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._least_limit = float(attempt.limits.min())
        self.line = None if attempt.bounds is None else Line(attempt)
        self._apart = _Apart()

    def add(self, m: Measured, units: Units) -> bool:
        """Add a tile up; say no where an error is not finite."""
        attempt, apart = self.attempt, units.apart
        at_most = largest = (units.largest + 1) * m.unit
        if at_most > attempt.errors.largest:
            largest = float(m.errors_at(m.above((units.largest - 2) * m.unit)).max())
        wrong = attempt.errors.add_multiples(
            m.numbers, m.true.places, units.total, at_most, largest, apart.size
        )
        attempt.right += m.numbers.size - apart.size - wrong
        if at_most > self._least_limit:
            limits = (attempt.limits[m.tile[0]] / m.unit).clip(max=2**31 - 1).astype(np.int32)
            places = np.flatnonzero(m.numbers >= limits)
            attempt.suspect(m.tile, places, m.errors_at(places))
        if at_most > attempt.least_of_interest:
            self._take_relative(m)
        if apart.size:
            at_most = max(at_most, self._keep_apart(m, apart))
        # What is off by half an ULP or less is right.
        if at_most > 0.5 and attempt.may_list(at_most):
            attempt.list(m.tile, m.errors(), m.got, m.true.values, m.true.rounded)
        return at_most < np.inf

    def _keep_apart(self, m: Measured, places: Indices) -> float:
        """Keep the errors in some places for the end; return the largest."""
        errors, distances = m.errors_at(places), m.distances_at(places)
        self.attempt.max_abs = max(self.attempt.max_abs, float(distances.max()))
        self._apart.add(
            *self.attempt.places(m.tile, places), errors, distances, m.values_at(places)
        )
        return float(errors.max())

    def finish(self) -> None:
        """Add up what has been kept for the end."""
        if not self._apart:
            return
        attempt = self.attempt
        rows, columns, errors, distances, values = self._apart.all()
        for start in range(0, errors.size, TILE):
            attempt.errors.add(errors[start : start + TILE])
        beyond = errors > attempt.limits[rows, 0]
        attempt.suspects.add(rows[beyond], columns[beyond], errors[beyond])
        attempt.take_relative(distances, values)
        if self.line is not None:
            base, slope = (of_rows[rows, 0] for of_rows in self.line.at(attempt.ratio))
            near = distances > base + slope * values
            if near.any():
                attempt.take_ratios_at(rows[near], columns[near], distances[near])

    def _take_relative(self, m: Measured) -> None:
        attempt = self.attempt
        if not attempt.max_rel:
            place = np.array([m.numbers.argmax()])
            attempt.take_relative(m.distances_at(place), m.values_at(place))
        places = m.above(attempt.least_of_interest)
        if places.size:
            attempt.take_relative(m.distances_at(places), m.values_at(places))

    def take_distance(self, m: Measured, farthest: float) -> None:
        """Take in the largest absolute error; that of `distance` is `farthest`."""
        slack = farthest * 2.0**-23 + m.true.largest_unit
        if farthest + slack > self.attempt.max_abs:
            places = np.flatnonzero(m.distance >= farthest - 2 * slack)
            exact = float(m.distances_at(places).max())
            self.attempt.max_abs = max(self.attempt.max_abs, exact)

    def take_ratios(self, m: Measured, places: Indices) -> None:
        """Take in how near the errors in some places are to their bounds."""
        assert self.line is not None  # noqa: S101  (the caller has looked)
        measure = m.distances_at(places)
        if self.line.relative:
            measure /= m.values_at(places)
        self.attempt.take_ratios(m.tile, places, measure)


class _Apart:
    """Errors of log-softmax beyond 32 bits: rows, columns, ULP, absolute errors, true values."""

    def __init__(self) -> None:
        self._found: list[tuple[Array, ...]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, *some: Array) -> None:
        self._found.append(some)

    def all(self) -> list[Array]:
        return [np.concatenate(each) for each in zip(*self._found, strict=True)]


class Line:
    """The line below a bound, times the largest ratio so far, in float32: and a little lower."""

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

    def at(self, ratio: float) -> tuple[Array, Array]:
        """Return base and slope of each row, (rows, 1)."""
        return (self._base - self._slack) * ratio - self._constant_slack, self._slope * ratio
