"""The cases of a sweep measured side by side: one operation of NumPy goes through a tile of all.

So what Python takes on the way from one operation to the next is paid once, not for each case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.attempt import TrueTile
from softmax_tool.exact.float32_tiles import PLACES
from softmax_tool.lane import Measured, Units
from softmax_tool.tiling import Stack

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from softmax_tool.exact.float32_tiles import Float32Tile
    from softmax_tool.lane import Lane
    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Numbers = NDArray[np.int32]

_FEW = 6  # one in 2**6: so many are quicker measured by themselves
_NOWHERE = np.empty(0, np.intp)


class Workspace:
    """What tiles of up to `elements` of so many cases are measured in."""

    def __init__(self, count: int, elements: int) -> None:
        self.floats, self.spare = (Stack(count, elements, np.float32) for _ in range(2))
        self.numbers = Stack(count, elements, np.int32)
        self.flags = Stack(count, elements, np.bool_)


class Lanes:
    """Measures in 32 bits wherever results are among the neighbours of the true values."""

    def __init__(self, lanes: Sequence[Lane], workspace: Workspace) -> None:
        self.lanes = tuple(lanes)
        self._workspace = workspace
        self._lines = _Lines(self.lanes)

    def without(self, indices: Collection[int]) -> Lanes:
        """Return the same without some of the cases."""
        left = [lane for index, lane in enumerate(self.lanes) if index not in indices]
        return Lanes(left, self._workspace)

    @property
    def within(self) -> list[float]:
        """How far any result so far is at most from its true value."""
        return [lane.attempt.max_abs for lane in self.lanes]

    def take(self, tile: Tile, got: Sequence[Array], true: Float32Tile) -> list[int]:
        """Add a tile of all cases up; return those with an error that is not finite."""
        if true.is_apart:
            return self._take_in_float64(range(len(got)), tile, got, true)
        numbers, with_nan = self._numbers(got, true)
        left_out = self._left_out(numbers, true)
        counted = _counted(np.abs(numbers, out=numbers), left_out, with_nan, true.places)
        distances = self._workspace.floats.like(len(got), got[0])
        np.copyto(distances, numbers, casting="unsafe")
        np.multiply(distances, true.unit, out=distances)
        farthest = np.maximum.reduce(_flat(distances), axis=1).tolist()
        measured: dict[int, Measured] = {}
        failed, rest = [], []
        for index, (lane, units) in enumerate(zip(self.lanes, counted, strict=True)):
            if units is None:
                rest.append(index)
                continue
            m = Measured(tile, got[index], true, numbers[index], distances[index])
            if lane.add(m, units):
                lane.take_distance(m, farthest[index])
                measured[index] = m
            else:
                failed.append(index)
        self._compare_with_bounds(tile, distances, true, measured)
        return failed + self._take_in_float64(rest, tile, got, true)

    def _numbers(self, got: Sequence[Array], true: Float32Tile) -> tuple[Numbers, list[int]]:
        """Return the signed errors in units, (cases, rows, columns), and which hold NaN."""
        workspace = self._workspace
        differences = workspace.floats.like(len(got), got[0])
        for of_case, difference in zip(got, differences, strict=True):
            np.subtract(of_case, true.rounded, out=difference)
        np.multiply(differences, true.per_unit, out=differences)
        numbers: Numbers = workspace.numbers.like(len(got), got[0])
        with_nan: list[int] = []
        try:
            with np.errstate(invalid="raise"):
                np.copyto(numbers, differences, casting="unsafe")
        except FloatingPointError:
            # What is beyond an int32 shows in its number, NaN may become any.
            np.copyto(numbers, differences, casting="unsafe")
            with_nan = np.flatnonzero(np.isnan(_flat(differences).max(axis=1))).tolist()
        np.add(numbers, true.rest_in_units, out=numbers)
        return numbers, with_nan

    def _left_out(self, numbers: Numbers, true: Float32Tile) -> list[int]:
        """Return what signed numbers of units miss of the sums of magnitudes, in 2**-29 ULP."""
        if true.places == PLACES:
            return [0] * len(numbers)
        # Where a number is negative, x ^ −1 is −x − 1.
        signs = self._workspace.spare.like(len(numbers), numbers[0]).view(np.int32)
        np.right_shift(numbers, 31, out=signs)
        negative = np.add.reduce(_flat(signs), axis=1, dtype=np.int32)
        np.bitwise_xor(true.left_out, signs, out=signs)
        rest: Array = np.add.reduce(_flat(signs), axis=1, dtype=np.int32) - negative
        left_out: list[int] = rest.tolist()
        return left_out

    def _compare_with_bounds(
        self, tile: Tile, distances: Array, true: Float32Tile, measured: dict[int, Measured]
    ) -> None:
        """Evaluate the bounds of the few elements that may be nearer to theirs than any so far."""
        if not self._lines.any:
            return
        of = true.rounded
        if self._lines.relative:
            np.divide(distances, of, out=distances)
            of = self.lanes[0].attempt.screen.yardsticks.rows.logits[tile]
        for index, m in measured.items():
            lane = self.lanes[index]
            if lane.line is not None and not lane.attempt.ratio:
                lane.take_ratios(m, np.array([m.distance.argmax()]))
        base, slope = self._lines.at(tile)
        least = self._workspace.spare.like(len(distances), distances[0])
        np.multiply(of, slope, out=least)
        np.add(least, base, out=least)
        near = self._workspace.flags.like(len(distances), distances[0])
        np.greater(distances, least, out=near)
        for index in np.flatnonzero(np.logical_or.reduce(_flat(near), axis=1)).tolist():
            if index in measured:
                self.lanes[index].take_ratios(measured[index], np.flatnonzero(near[index]))

    def _take_in_float64(
        self, indices: Sequence[int], tile: Tile, got: Sequence[Array], true: Float32Tile
    ) -> list[int]:
        if not indices:
            return []
        wide = TrueTile(true.values, true.rounded, true.scale, None)
        return [i for i in indices if not self.lanes[i].attempt.take(tile, got[i], wide)]


class _Lines:
    """The lines below the bounds of all cases in float32, (cases, rows, 1): none where no bound."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self.any = any(lane.line is not None for lane in lanes)
        self.relative = any(lane.line is not None and lane.line.relative for lane in lanes)
        rows = len(lanes[0].attempt.rows) if lanes else 0
        self._ratios = [0.0] * len(lanes)
        self._base = np.full((len(lanes), rows, 1), np.inf, np.float32)
        self._slope = np.zeros((len(lanes), rows, 1), np.float32)

    def at(self, tile: Tile) -> tuple[Array, Array]:
        """Return base and slope of the rows of a tile, (cases, rows, 1) each."""
        for index, lane in enumerate(self._lanes):
            ratio = lane.attempt.ratio
            if lane.line is not None and ratio != self._ratios[index]:
                self._base[index], self._slope[index] = lane.line.at(ratio)
                self._ratios[index] = ratio
        return self._base[:, tile[0]], self._slope[:, tile[0]]


def _counted(
    numbers: Numbers, left_out: list[int], with_nan: list[int], places: int
) -> list[Units | None]:
    """Count the units of each case; None for one that float64 has to measure."""
    largest = np.maximum.reduce(_flat(numbers).view(np.uint32), axis=1).tolist()
    sums = np.add.reduce(_flat(numbers), axis=1, dtype=np.int64).tolist()
    return [
        None
        if index in with_nan
        else _units(
            numbers[index].reshape(-1),
            largest[index],
            (sums[index] << (PLACES - places)) + left_out[index],
            places,
        )
        for index in range(len(numbers))
    ]


def _units(numbers: Numbers, largest: int, total: int, places: int) -> Units | None:
    """Write 0 for the few numbers that do not fit 32 bits, where they are few."""
    # What is beyond an int32 is −2**31, or within half an ULP of its ends.
    most = (1 << 31) - (1 << (places - 1))
    if largest < most:
        return Units(largest, total, _NOWHERE)
    if places != PLACES:
        return None
    apart = np.flatnonzero(numbers.view(np.uint32) >= most)
    if apart.size > numbers.size >> _FEW:
        return None
    total -= int(numbers[apart].sum(dtype=np.int64))
    numbers[apart] = 0
    return Units(int(np.maximum.reduce(numbers)), total, apart)


def _flat(stack: Array) -> Array:
    return stack.reshape(len(stack), -1)
