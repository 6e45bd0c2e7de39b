"""An attempt to add up rows as plain ones: tile after tile, until one turns out not to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max
from softmax_tool.distinct import count
from softmax_tool.frozen import frozen, frozen_with_memory
from softmax_tool.minorant import Minorant
from softmax_tool.once import once
from softmax_tool.shortlist import Shortlist
from softmax_tool.summary import Summary, worst_of
from softmax_tool.suspects import Suspects
from softmax_tool.ulp import TINIEST, ErrorSum, errors_with_tails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from softmax_tool.bounds import Bound, Conditions
    from softmax_tool.distinct import Counts
    from softmax_tool.screening import Limit, Listing, Screen, Seen
    from softmax_tool.tiling import Scratch, Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

# Rows of so few classes get all their bounds evaluated: choosing among them costs more.
SHORT = 64
_FEW = 4  # one in 2**4: so many are quicker picked out than all computed with


@frozen_with_memory
class Bounds:
    """The error bound of a formulation on all rows; of softmax, relative to the true value."""

    screen: Screen
    limit: Limit
    drawn: Minorant | None = None  # the line, if it has been drawn with others

    @once
    def finite(self) -> Mask:
        """Rows all of whose bounds are finite, (rows,)."""
        if self.whole is not None:
            return np.isfinite(row_max(self.whole)[:, 0])
        return np.asarray(np.isfinite(self.line.highest[:, 0]))

    @once
    def whole(self) -> Array | None:
        """The bounds of all elements, where rows are short; None where they are long."""
        if self.screen.yardsticks.rows.logits.shape[1] > SHORT:
            return None
        return _relative(self.screen, self.limit.bound, self.limit.conditions)

    @once
    def line(self) -> Minorant:
        """A line below the bounds of each row."""
        return lines(self.screen, [self.limit])[0] if self.drawn is None else self.drawn

    def of(self, rows: Indices, columns: Indices) -> Array:
        """Return the bounds of single elements, (some, 1)."""
        some = self.limit.conditions.pick(rows, columns)
        return _relative(self.screen, self.limit.bound, some)

    @property
    def relative(self) -> bool:
        return self.screen.quantity == "softmax"


def lines(screen: Screen, limits: Sequence[Limit]) -> Minorant:
    """Return a line below the bounds of each row for each limit, (limits, rows, 1)."""
    yardsticks, samples = screen.yardsticks, screen.yardsticks.samples
    values = [
        _relative(screen, limit.bound, yardsticks.sampled(limit.conditions)) for limit in limits
    ]
    return Minorant.of(samples, np.array(values).reshape(len(limits), *samples.columns.shape))


def rising(screen: Screen, line: Minorant) -> tuple[Array, Array]:
    """Return b and s of each row, such that b + s · v is nowhere above a bound.

    v is the true log-softmax; for softmax, whose bounds are relative, the logit.
    """
    of_rows = screen.yardsticks.rows.reference.of_rows
    # A falling line of the distance from the maximum is a rising one of log-softmax.
    zero = of_rows.maximum if screen.quantity == "softmax" else -of_rows.log_sum
    return line.base + line.slope * zero, -line.slope


def _relative(screen: Screen, bound: Bound, conditions: Conditions) -> Array:
    with np.errstate(all="ignore"):
        bounds = bound(conditions)
        if screen.quantity != "softmax":
            return bounds
        return np.asarray(bounds / conditions.reference.softmax.hi)


@frozen
class TrueTile:
    """The true values of a tile, and what measuring by them takes; every array has its shape."""

    values: Array
    rounded: Array
    scale: Array  # one over an ULP
    tail: Array | None


@dataclass(slots=True)
class Attempt:
    """One pass over some rows, given up for those that turn out not to be plain."""

    screen: Screen
    rows: Indices
    bounds: Bounds | None
    listing: Listing
    seen: Seen
    scratch: tuple[Scratch, Scratch]  # of float64
    errors: ErrorSum = field(init=False)
    ratio: float = field(init=False)  # the largest error as a fraction of its bound
    max_abs: float = field(init=False)
    max_rel: float = field(init=False)
    right: int = 0
    suspects: Suspects = field(default_factory=Suspects)
    limits: Array = field(init=False)  # up to which no error of a row has a kind
    shortlist: Shortlist = field(init=False)

    def __post_init__(self) -> None:
        seen = self.seen
        self.errors = ErrorSum(seen.ulp)
        self.ratio, self.max_abs, self.max_rel = seen.ratio, seen.distance, seen.relative
        self.limits = self.screen.least_limits().take(self.rows, axis=0)
        self.shortlist = Shortlist(self.screen, self.rows, self.limits, self.listing, seen.error)

    @property
    def known(self) -> tuple[object, ...]:
        """What is the largest of its kind so far."""
        return self.errors.largest, self.ratio, self.max_abs, self.max_rel, self.shortlist.found

    def take(self, tile: Tile, got: Array, true: TrueTile, weights: Counts | None = None) -> bool:
        """Add a tile up; say no where one of its errors is not finite."""
        values = true.values
        distance, error = (scratch.like(values) for scratch in self.scratch)
        # A cast of its own is quicker than one on the way.
        np.copyto(distance, got)
        np.subtract(distance, values, out=distance)
        if true.tail is None:
            np.abs(distance, out=distance)
            np.multiply(distance, true.scale, out=error)
        else:
            errors_with_tails(distance, true.scale, values, true.tail, error)
        if not self.errors.add(error, weights):
            return False
        self.right += count(got == true.rounded, weights)
        if self.errors.last > float(self.limits[tile[0]].min()):
            places = np.flatnonzero(error > self.limits[tile[0]])
            self.suspect(tile, places, error.reshape(-1)[places])
        if self.shortlist.has_room_for(self.errors.last):
            self.shortlist.add(tile, error, got, true)
        largest = float(distance.max())
        self.max_abs = max(self.max_abs, largest)
        if self.bounds is None or not self.bounds.relative:
            self._take_relative(distance, values, error)
        else:
            distance = np.divide(distance, values, out=distance)
            largest = float(distance.max())
            self.max_rel = max(self.max_rel, largest)
        if self.bounds is not None:
            self._compare_with_bound(tile, distance, largest, values, error)
        return True

    def _take_relative(self, distance: Array, y: Array, error: Array) -> None:
        """Take in the largest relative error, |d/y|: at most the error in ULP times 2**(1 − p)."""
        floor = self.least_of_interest
        if self.errors.last <= floor:
            return
        places = np.flatnonzero(error > floor)
        if places.size < error.size >> _FEW:
            distance, y = distance.reshape(-1)[places], y.reshape(-1)[places]
        self.take_relative(distance, y)

    @property
    def least_of_interest(self) -> float:
        """The error in ULP that one must be above to be relatively larger than all before."""
        return self.max_rel * 2.0 ** (self.screen.target.precision - 1)

    def take_relative(self, distance: Array, y: Array) -> None:
        """Take in the relative errors of single elements."""
        relative = distance / y
        self.max_rel = max(self.max_rel, float(relative.max()), -float(relative.min()))

    def suspect(self, tile: Tile, places: Indices, errors: Array) -> None:
        """Keep errors that may be too large for a plain row."""
        self.suspects.add(*self.places(tile, places), errors)

    def places(self, tile: Tile, places: Indices) -> tuple[Indices, Indices]:
        """Return rows and columns of places within a tile."""
        rows, columns = np.divmod(places, tile[1].stop - tile[1].start)
        return self.rows[rows + tile[0].start], columns + tile[1].start

    def line(self) -> tuple[Array, Array]:
        """Return b and s of each of these rows, (rows, 1), as `rising` does."""
        assert self.bounds is not None  # noqa: S101  (the caller has looked)
        base, slope = rising(self.screen, self.bounds.line)
        return base[self.rows], slope[self.rows]

    def _compare_with_bound(
        self, tile: Tile, measure: Array, largest: float, values: Array, spare: Array
    ) -> None:
        """Evaluate the bound of the few elements that may be nearer to theirs than any so far."""
        assert self.bounds is not None  # noqa: S101  (the caller has looked)
        rows = self.rows[tile[0]]
        if self.bounds.whole is not None:
            ratios = measure / self.bounds.whole[rows, tile[1]]
            self.ratio = max(self.ratio, float(ratios.max()))
            return
        if largest <= self.ratio * float(self.bounds.line.lowest[rows].min()):
            return
        if not self.ratio:
            place = int(np.argmax(measure))
            self.take_ratios(tile, np.array([place]), measure.reshape(-1)[[place]])
        base, slope = (of_rows[tile[0]] for of_rows in self.line())
        of = values
        if self.bounds.relative:
            logits = self.screen.yardsticks.rows.logits
            of = logits[tile] if len(self.rows) == len(logits) else logits[rows, tile[1]]
        np.multiply(of, slope * self.ratio, out=spare)
        np.add(spare, base * self.ratio, out=spare)
        near = measure > spare
        if near.any():
            places = np.flatnonzero(near)
            self.take_ratios(tile, places, measure.reshape(-1)[places])

    def take_ratios(self, tile: Tile, places: Indices, measure: Array) -> None:
        """Take in how near single errors, relative ones of softmax, are to their bounds."""
        self.take_ratios_at(*self.places(tile, places), measure)

    def take_ratios_at(self, rows: Indices, columns: Indices, measure: Array) -> None:
        """Take them in by rows and columns of the block."""
        assert self.bounds is not None  # noqa: S101  (the caller has looked)
        bounds = self.bounds.of(rows, columns)
        self.ratio = max(self.ratio, float((measure / bounds[:, 0]).max()))

    def summary(self, rank_changes: int, exact: int, *, are_exact: bool) -> Summary:
        """Return the sums as a value; `exact` so many results are exactly right."""
        statistics = self.errors.statistics().with_exact(exact)
        elements = statistics.elements
        bounded = are_exact or self.bounds is not None
        least = TINIEST if exact < elements else 0.0
        ratio = 2 * statistics.largest if are_exact else max(self.ratio, least)
        return Summary(
            self.listing.top,
            rows=len(self.rows),
            elements=elements,
            judged=elements,
            rank_changes=rank_changes,
            correctly_rounded=self.right,
            ulp=statistics,
            max_abs_error=max(self.max_abs, least),
            max_rel_error=max(self.max_rel, least),
            bound_ratio=ratio if bounded else None,
            bound_elements=elements if bounded else 0,
            worst=worst_of(self.shortlist.findings(), self.listing.top),
        )
