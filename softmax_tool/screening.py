"""The quick way through rows in which nothing can have gone wrong but rounding.

Most rows of most logits are such: every true value is a normal number, every result close to it.
They need no trace and no kinds, and add up tile by tile to the same summary that the whole
judgement would give. All other rows are left to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import sentences
from softmax_tool.arithmetic.selection import row_max
from softmax_tool.distinct import count
from softmax_tool.minorant import Minorant
from softmax_tool.once import once
from softmax_tool.report import Finding
from softmax_tool.summary import Summary, worst_of
from softmax_tool.suspects import Suspects
from softmax_tool.tiling import Scratch, tiles
from softmax_tool.ulp import ErrorSum, errors_with_tails

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.bounds import Bound, Conditions
    from softmax_tool.distinct import Counts
    from softmax_tool.formats import FloatFormat
    from softmax_tool.rows import Yardsticks
    from softmax_tool.tiling import Tile
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

# Rows of so few classes get all their bounds evaluated: choosing among them costs more.
_SHORT = 64
_LEAST_POWER = -960  # below, one over an ULP is beyond float64
_FEW = 4  # one in 2**4: so many are quicker picked out than all computed with


@dataclass(frozen=True, slots=True)
class Seen:
    """What earlier rows have shown of a case, so that later ones need not repeat it."""

    error: float = 0.0  # the list of worst cases is full of errors at least as large
    ratio: float = 0.0  # an error was this fraction of its bound
    relative: float = 0.0  # a relative error was as large

    @classmethod
    def of(cls, summary: Summary) -> Seen:
        """Take it from the summary of earlier rows."""
        full = 0 < summary.top == len(summary.worst)
        error = summary.worst[-1].ulp if full else 0.0
        return cls(error, summary.bound_ratio or 0.0, summary.max_rel_error or 0.0)


@dataclass(frozen=True, slots=True)
class Listing:
    """Which elements the list of worst cases may still name."""

    top: int
    rows: tuple[int, int]  # global numbers
    columns: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Limit:
    """The error bound of a formulation, with what it depends on."""

    bound: Bound
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Screen:
    """Rows of one quantity in one format that may be plain, with all that measures results."""

    yardsticks: Yardsticks
    quantity: str
    numbers: NDArray[np.int64]  # global, of all rows

    @property
    def target(self) -> FloatFormat:
        return self.yardsticks.target

    @property
    def ruler(self) -> Ruler:
        return self.yardsticks.ruler(self.quantity)

    def promising(self) -> Mask:
        """Return rows whose true values are all normal numbers, far from both ends."""
        values, target = self.yardsticks.rows.reference.of_rows, self.target
        least = np.log(4 * max(target.smallest_normal, 2.0**_LEAST_POWER))
        with np.errstate(all="ignore"):
            width = values.maximum - values.minimum
            if self.quantity == "softmax":
                normal = -(width + values.log_sum) >= least
            else:
                normal = np.log(values.log_sum) >= least
                normal &= width + values.log_sum <= target.max_finite / 4
        return np.asarray((normal & np.isfinite(width) & ~values.invalid)[:, 0])

    def least_limits(self) -> Array:
        """Return errors up to which no result of a row has a kind, (rows, 1)."""
        return np.minimum(self.yardsticks.least_threshold(self.quantity), self._of_tiny_results)

    def limits_at(self, rows: Indices, columns: Indices) -> Array:
        """Return errors up to which single results have no kind."""
        limits = self.yardsticks.threshold_at(self.quantity, rows, columns)
        return np.minimum(limits, self._of_tiny_results)

    @property
    def _of_tiny_results(self) -> float:
        """Return half the least error, in ULP, of a result that is 0 or subnormal."""
        return 2.0 ** (self.target.precision - 2)

    def add_up(
        self,
        got: Array,
        stalled: Mask,
        limit: Limit | None,
        listing: Listing,
        seen: Seen,
        *,
        are_exact: bool,
    ) -> tuple[Mask, Summary]:
        """Return which rows are plain, and their summary.

        Parameters
        ----------
        got : array, shape (rows, classes)
            Results of all rows, in the carrier of the format.
        stalled : bool array, shape (rows,)
            Rows in which a sum stalled, so that an error of any size has a kind.
        limit : Limit or None
            The formulation's bound; None if it has none.
        listing : Listing
            What the list of worst cases may name.
        seen : Seen
            What need not be reported again: smaller errors, and smaller fractions of the bound.
        are_exact : bool
            Whether results are the true values rounded, whose bound is half an ULP.
        """
        rows = np.flatnonzero(self.promising() & ~stalled & np.isfinite(got[:, 0]))
        bounds = None
        if limit is not None and rows.size:
            bounds = _Bounds(self, limit)
            rows = rows[bounds.finite[rows]]
        while rows.size:
            attempt = _Attempt(
                self, got, rows, bounds, listing, seen, ratio=seen.ratio, max_rel=seen.relative
            )
            failed = attempt.run()
            if not failed.size:
                plain = np.zeros(len(got), bool)
                plain[rows] = True
                return plain, attempt.summary(are_exact=are_exact)
            rows = np.setdiff1d(rows, failed)
        return np.zeros(len(got), bool), Summary(listing.top)


@dataclass(frozen=True)
class _Bounds:
    """The error bound of a formulation on all rows; of softmax, relative to the true value."""

    screen: Screen
    limit: Limit

    @once
    def finite(self) -> Mask:
        """Rows all of whose bounds are finite, (rows,)."""
        if self.whole is not None:
            return np.isfinite(row_max(self.whole)[:, 0])
        return np.asarray(np.isfinite(self.line.highest[:, 0]))

    @once
    def whole(self) -> Array | None:
        """The bounds of all elements, where rows are short; None where they are long."""
        if self.screen.yardsticks.rows.logits.shape[1] > _SHORT:
            return None
        return self._relative(self.limit.conditions)

    @once
    def line(self) -> Minorant:
        """A line below the bounds of each row."""
        yardsticks = self.screen.yardsticks
        return Minorant.of(yardsticks.rows.logits, yardsticks.samples, self.of)

    def of(self, rows: Indices, columns: Indices) -> Array:
        """Return the bounds of single elements, (some, 1)."""
        return self._relative(self.limit.conditions.pick(rows, columns))

    def _relative(self, conditions: Conditions) -> Array:
        with np.errstate(all="ignore"):
            bounds = self.limit.bound(conditions)
            return bounds / conditions.reference.softmax.hi if self.relative else bounds

    @property
    def relative(self) -> bool:
        return self.screen.quantity == "softmax"


@dataclass(slots=True)
class _Attempt:
    """One pass over some rows, given up for those that turn out not to be plain."""

    screen: Screen
    got: Array  # of all rows, like all that the screen holds
    rows: Indices
    bounds: _Bounds | None
    listing: Listing
    seen: Seen
    ratio: float  # the largest error as a fraction of its bound
    max_rel: float
    errors: ErrorSum = field(default_factory=ErrorSum)
    max_abs: float = 0.0
    right: int = 0
    rank_changes: int = 0
    suspects: Suspects = field(default_factory=Suspects)
    found: list[tuple[float, int, int]] = field(default_factory=list)  # error, −row, −column

    def run(self) -> Indices:
        """Add all tiles up; return the rows, if any, that make the sums void."""
        ruler, reference = self.screen.ruler, self.screen.yardsticks.rows.reference
        got, y, rounded, scale = (
            self._part(values) for values in (self.got, ruler.exact.hi, ruler.rounded, ruler.scale)
        )
        tail = None if ruler.exact.tail is None else self._part(ruler.exact.tail)
        weights = self._weights()
        # A falling line of the distance from the maximum is a rising one of log-softmax.
        line_of, zero = y, -reference.log_sum
        if self.screen.quantity == "softmax":
            line_of = self._part(self.screen.yardsticks.rows.logits)
            zero = reference.of_rows.maximum
        limits = self.screen.least_limits()[self.rows]
        distances, errors = Scratch(got.shape), Scratch(got.shape)
        with np.errstate(all="ignore"):
            for tile in tiles(got.shape):
                distance, error = distances.like(y[tile]), errors.like(y[tile])
                # A cast of its own is quicker than one on the way.
                np.copyto(distance, got[tile])
                np.subtract(distance, y[tile], out=distance)
                if tail is None:
                    np.abs(distance, out=distance)
                    np.multiply(distance, scale[tile], out=error)
                else:
                    errors_with_tails(distance, scale[tile], y[tile], tail[tile], error)
                often = None if weights is None else weights[tile]
                if not self.errors.add(error, often):
                    return self._not_finite(got, y)
                self.right += count(got[tile] == rounded[tile], often)
                if self.errors.last > float(limits[tile[0]].min()):
                    self._keep(tile, error, error > limits[tile[0]])
                self._list(tile, error)
                largest = float(distance.max())
                self.max_abs = max(self.max_abs, largest)
                if self.bounds is None or not self.bounds.relative:
                    self._take_relative(distance, y[tile], error)
                else:
                    distance = np.divide(distance, y[tile], out=distance)
                    largest = float(distance.max())
                    self.max_rel = max(self.max_rel, largest)
                if self.bounds is not None:
                    self._compare_with_bound(tile, distance, largest, line_of[tile], zero, error)
        leaders = self.screen.yardsticks.leaders(self.screen.quantity)
        self.rank_changes = _rank_changes(got, leaders, self.rows, len(self.got))
        return self.suspects.rows_beyond(self.screen.limits_at)

    def _take_relative(self, distance: Array, y: Array, error: Array) -> None:
        """Take in the largest relative error, |d/y|: at most the error in ULP times 2**(1 − p)."""
        floor = self.max_rel * 2.0 ** (self.screen.target.precision - 1)
        if self.errors.last <= floor:
            return
        places = np.flatnonzero(error > floor)
        if places.size < error.size >> _FEW:
            distance, y = distance.reshape(-1)[places], y.reshape(-1)[places]
        relative = distance / y
        self.max_rel = max(self.max_rel, float(relative.max()), -float(relative.min()))

    @property
    def lists_all(self) -> bool:
        """Whether the list of worst cases may name every element."""
        listing, numbers = self.listing, self.screen.numbers
        every_row = listing.rows[0] <= numbers[0] and numbers[-1] < listing.rows[1]
        return every_row and listing.columns[0] == 0 and listing.columns[1] >= self.got.shape[1]

    def _weights(self) -> Counts | None:
        """Return how many elements each one of this attempt stands for."""
        weights = self.screen.yardsticks.rows.weights
        return None if weights is None else self._part(weights)

    def _part(self, values: Array) -> Array:
        """Return the rows of this attempt."""
        return values if len(self.rows) == len(values) else np.asarray(values[self.rows])

    def _keep(self, tile: Tile, values: Array, where: Mask) -> None:
        """Keep errors that may be too large for a plain row."""
        places = np.flatnonzero(where)
        self.suspects.add(*self._places(tile, places), values.reshape(-1)[places])

    def _places(self, tile: Tile, places: Indices) -> tuple[Indices, Indices]:
        """Return rows and columns of places within a tile."""
        rows, columns = np.divmod(places, tile[1].stop - tile[1].start)
        return self.rows[rows + tile[0].start], columns + tile[1].start

    def _compare_with_bound(
        self, tile: Tile, measure: Array, largest: float, of: Array, zero: Array, spare: Array
    ) -> None:
        """Evaluate the bound of the few elements that may be nearer to theirs than any so far.

        `of` falls by the distance from the row's maximum, where it is `zero`.
        """
        assert self.bounds is not None  # noqa: S101  (the caller has looked)
        rows = self.rows[tile[0]]
        if self.bounds.whole is not None:
            ratios = measure / self.bounds.whole[rows, tile[1]]
            self.ratio = max(self.ratio, float(ratios.max()))
            return
        line = self.bounds.line
        if largest <= self.ratio * float(line.lowest[rows].min()):
            return
        if not self.ratio:
            self._evaluate(tile, np.array([np.argmax(measure)]), measure)
        base = line.base[rows] + line.slope[rows] * zero[rows]
        np.multiply(of, line.slope[rows] * -self.ratio, out=spare)
        np.add(spare, base * self.ratio, out=spare)
        near = measure > spare
        if near.any():
            self._evaluate(tile, np.flatnonzero(near), measure)

    def _evaluate(self, tile: Tile, places: Indices, measure: Array) -> None:
        assert self.bounds is not None  # noqa: S101  (the caller has looked)
        bounds = self.bounds.of(*self._places(tile, places))
        ratios = measure.reshape(-1)[places] / bounds[:, 0]
        self.ratio = max(self.ratio, float(ratios.max()))

    def _list(self, tile: Tile, errors: Array) -> None:
        """Keep the largest error of each row that the list of worst cases may still name."""
        listing = self.listing
        full = listing.top > 0 and len(self.found) == listing.top
        floor = max(self.seen.error, self.found[-1][0] if full else 0.0)
        if listing.top == 0 or not self.errors.last > floor:
            return
        if not self.lists_all:
            numbers = self.screen.numbers[self.rows[tile[0]]]
            columns = np.arange(tile[1].start, tile[1].stop)
            listed = _inside(numbers, listing.rows)[:, None] & _inside(columns, listing.columns)
            errors = np.where(listed, errors, 0.0)
        largest = row_max(errors)[:, 0]
        order = np.argsort(-largest, kind="stable")[: listing.top]
        for row in order[largest[order] > floor]:
            column = tile[1].start + int(errors[row].argmax())
            self._insert(float(largest[row]), int(self.rows[tile[0].start + row]), column)

    def _insert(self, error: float, row: int, column: int) -> None:
        """Keep one element a row, the `top` largest errors, of equal ones the first."""
        others = [entry for entry in self.found if entry[1] != -row]
        mine = [entry for entry in self.found if entry[1] == -row]
        best = max([*mine, (error, -row, -column)])
        self.found = sorted([*others, best], reverse=True)[: self.listing.top]

    def _not_finite(self, got: Array, y: Array) -> Indices:
        """Return rows that hold a result beyond measuring; at least one does."""
        return np.asarray(self.rows[~np.isfinite(got - y).all(axis=1)])

    def summary(self, *, are_exact: bool) -> Summary:
        """Return the sums as a value."""
        statistics = self.errors.statistics()
        elements = statistics.elements
        bounded = are_exact or self.bounds is not None
        ratio = 2 * statistics.largest if are_exact else self.ratio
        return Summary(
            self.listing.top,
            rows=len(self.rows),
            elements=elements,
            judged=elements,
            rank_changes=self.rank_changes,
            correctly_rounded=self.right,
            ulp=statistics,
            max_abs_error=self.max_abs,
            max_rel_error=self.max_rel,
            bound_ratio=ratio if bounded else None,
            bound_elements=elements if bounded else 0,
            worst=self._worst(),
        )

    def _worst(self) -> tuple[Finding, ...]:
        ruler, rows = self.screen.ruler, self.screen.yardsticks.rows
        why = sentences.why(None, None, sentences.ROUNDING, "", self.screen.target)
        findings = []
        for error, row, column in ((e, -r, -c) for e, r, c in self.found):
            got, true = self.got[row, column], ruler.exact.hi[row, column]
            if got != ruler.rounded[row, column]:
                number, logit = int(self.screen.numbers[row]), float(rows.logits[row, column])
                findings.append(
                    Finding(
                        number,
                        rows.column(row, column),
                        logit,
                        float(got),
                        float(true),
                        error,
                        kind=None,
                        origin=None,
                        propagated=False,
                        why=why,
                    )
                )
        return worst_of(findings, self.listing.top)


def _inside(numbers: NDArray[np.integer[Any]], part: tuple[int, int]) -> Mask:
    return np.asarray((numbers >= part[0]) & (numbers < part[1]))


def _rank_changes(got: Array, true: Indices, rows: Indices, whole: int) -> int:
    """Count rows whose set of largest results is not that of the correctly rounded values.

    `got` has some `rows` of a block of `whole`, `true` are the places of the largest in all of it.
    """
    classes = got.shape[1]
    place, column = np.divmod(np.flatnonzero(got == row_max(got)), classes)
    mine = rows[place] * classes + column
    wanted = true if len(rows) == whole else true[np.isin(true // classes, rows)]
    if np.array_equal(mine, wanted):
        return 0
    return np.unique(np.setxor1d(mine, wanted, assume_unique=True) // classes).size
