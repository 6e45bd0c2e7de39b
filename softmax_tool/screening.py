"""The quick way through rows in which nothing can have gone wrong but rounding.

Most rows of most logits are such: every true value is a normal number, every result close to it.
They need no trace and no kinds, and add up tile by tile to the same summary that the whole
judgement would give. All other rows are left to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_all, row_max
from softmax_tool.arithmetic.wide_sum import WIDE_SUM
from softmax_tool.distinct import count
from softmax_tool.frozen import frozen
from softmax_tool.peaks import changed_rows
from softmax_tool.rational import SHARES
from softmax_tool.row_sets import marked, rows_of
from softmax_tool.rows import norm
from softmax_tool.summary import Summary
from softmax_tool.tiling import Scratch, tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.attempt import Attempt
    from softmax_tool.bounds import Bound, Conditions
    from softmax_tool.formats import FloatFormat
    from softmax_tool.rows import Yardsticks
    from softmax_tool.suspects import Errors
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_FEW = 16  # one class in so many may be judged by itself, in a row that is plain otherwise
# No true value may be smaller: one over its ULP would be beyond float64.
LEAST_OF_LONE = 2.0**-958


@frozen
class Seen:
    """What earlier rows have shown of a case, so that later ones need not repeat it."""

    error: float = 0.0  # the list of worst cases is full of errors at least as large
    ratio: float = 0.0  # an error was this fraction of its bound
    relative: float = 0.0  # a relative error was as large
    distance: float = 0.0  # so was an absolute one,
    ulp: float = 0.0  # and one in ULP

    @classmethod
    def of(cls, summary: Summary) -> Seen:
        """Take it from the summary of earlier rows."""
        full = 0 < summary.top == len(summary.worst)
        error = summary.worst[-1].ulp if full else 0.0
        return cls(
            error,
            summary.bound_ratio or 0.0,
            summary.max_rel_error or 0.0,
            summary.max_abs_error or 0.0,
            summary.ulp.largest,
        )


@frozen
class Listing:
    """Which elements the list of worst cases may still name."""

    top: int
    rows: tuple[int, int]  # global numbers
    columns: tuple[int, int]

    def has_rows(self, numbers: NDArray[np.int64]) -> Mask:
        """Tell which rows it may name elements of."""
        return np.asarray((numbers >= self.rows[0]) & (numbers < self.rows[1]))

    def has(self, numbers: NDArray[np.int64], columns: Indices) -> Mask:
        """Tell which elements it may name, by rows and columns that broadcast."""
        inside = (columns >= self.columns[0]) & (columns < self.columns[1])
        return np.asarray(self.has_rows(numbers) & inside)


@frozen
class Limit:
    """The error bound of a formulation, with what it depends on."""

    bound: Bound
    conditions: Conditions


@frozen
class Screened:
    """The rows that are plain, and what they add up to."""

    plain: Mask  # (rows,)
    summary: Summary
    # Few elements of these rows that are not plain after all: correctly rounded, or 0. They are
    # measured, and what kinds they are of is left to find.
    rows: Indices
    columns: Indices
    values: Array  # the true ones

    @classmethod
    def of(cls, plain: Mask, summary: Summary) -> Screened:
        """Return it for rows all of whose elements are plain."""
        return cls(plain, summary, np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))


@frozen
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

    @property
    def norm(self) -> Limit:
        """What errors are held against, the bound of `shifted` under `wide-sum`."""
        return Limit(norm(self.quantity), self.yardsticks.conditions(WIDE_SUM))

    def of_rows(self, rows: Indices) -> Screen:
        """Return the same for some of the rows."""
        return Screen(self.yardsticks.subset(rows), self.quantity, self.numbers[rows])

    def least_and_most(self) -> tuple[Array, Array]:
        """Return the true values at the largest and at the smallest logit, (rows, 1) each.

        Of softmax, whose bounds are relative, they are 1.
        """
        rows = self.yardsticks.rows.reference.of_rows
        if self.quantity == "softmax":
            return np.ones_like(rows.log_sum), np.ones_like(rows.log_sum)
        return rows.log_sum, rows.maximum - rows.minimum + rows.log_sum

    def promising(self, least: float = 0.0) -> Mask:
        """Return rows whose true values are all normal numbers, far from both ends.

        With `least`, true values of such a magnitude are enough.
        """
        values, target = self.yardsticks.rows.reference.of_rows, self.target
        least = np.log(least or max(self.least_normal, LEAST_OF_LONE))
        with np.errstate(all="ignore"):
            width = values.maximum - values.minimum
            if self.quantity == "softmax":
                normal = -(width + values.log_sum) >= least
            else:
                normal = np.log(values.log_sum) >= least
                normal &= width + values.log_sum <= target.max_finite / 4
        return np.asarray((normal & np.isfinite(width) & ~values.invalid)[:, 0])

    @property
    def least_normal(self) -> float:
        """A true value of such a magnitude is far from the subnormal numbers."""
        return 4 * self.target.smallest_normal

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
        aside: Mask,
        limit: Limit | None,
        listing: Listing,
        seen: Seen,
        *,
        are_exact: bool,
    ) -> Screened:
        """Return which rows are plain, and their summary.

        Parameters
        ----------
        got : array, shape (rows, classes)
            Results of all rows, in the carrier of the format.
        aside : bool array, shape (rows,)
            Rows that are not plain: a sum stalled, so that an error of any size has a kind.
        limit : Limit or None
            The formulation's bound; None if it has none.
        listing : Listing
            What the list of worst cases may name.
        seen : Seen
            What need not be reported again: smaller errors, and smaller fractions of the bound.
        are_exact : bool
            Whether results are the true values rounded, whose bound is half an ULP.
        """
        from softmax_tool.attempt import Attempt, Bounds  # noqa: PLC0415  # only where measured

        exact = self.ruler.exact
        may_scatter = not are_exact and exact.tail is None and got.shape[1] >= _FEW
        promising = self.promising()
        tiny = np.empty(0, np.intp), np.empty(0, np.intp)
        if may_scatter and self.quantity == "log-softmax" and not promising.all():
            # Only at the maximum of a row can a logarithm be that small.
            promising = self.promising(LEAST_OF_LONE)
            row, column = np.nonzero(exact.hi > -self.least_normal)
            tiny = row, column
        aside = aside | ~promising | ~np.isfinite(got[:, 0])
        if not may_scatter:
            # Of true values that are normal numbers none is 0.
            aside |= marked(np.flatnonzero(got == 0) // got.shape[1], len(got))
        rows = np.flatnonzero(~aside)
        bounds = None
        if limit is not None and rows.size:
            bounds = Bounds(self, limit)
            rows = rows[bounds.finite[rows]]
        scratch = Scratch(got.shape), Scratch(got.shape)
        while rows.size:
            attempt = Attempt(self, rows, bounds, listing, seen, scratch)
            failed = self._run(attempt, got)
            some, others = self.not_plain(attempt, tiny, lambda *where: exact.hi[where])
            if not failed.size and some[0].size:
                failed = self.not_scattered(
                    some[0], got[some], self.ruler.rounded[some], may_scatter=may_scatter
                )
            if not failed.size:
                attempt.shortlist.add_suspects(others, got, lambda *where: exact.hi[where])
                plain = marked(rows, len(got))
                changes = _rank_changes(got, self.yardsticks.leaders(self.quantity), rows)
                exactly_right = self.exactly_right(got, rows)
                summary = attempt.summary(changes, exactly_right, are_exact=are_exact)
                return Screened(plain, summary, *some, exact.hi[some])
            rows = rows[~marked(failed, len(got))[rows]]
        return Screened.of(np.zeros(len(got), bool), Summary(listing.top))

    def not_plain(
        self,
        attempt: Attempt,
        tiny: tuple[Indices, Indices],
        true_at: Callable[[Indices, Indices], Array],
    ) -> tuple[tuple[Indices, Indices], Errors]:
        """Return the elements whose errors are above their limits, and those whose true is tiny.

        Besides, those whose errors were suspicious but are within their limits.
        """
        (rows, columns, _), others = attempt.suspects.parted(self.limits_at)
        if not tiny[0].size:
            return (rows, columns), others
        here = marked(attempt.rows, len(self.numbers))[tiny[0]]
        normal = true_at(rows, columns) <= -self.least_normal
        some = (
            np.concatenate([rows[normal], tiny[0][here]]),
            np.concatenate([columns[normal], tiny[1][here]]),
        )
        return some, others

    def not_scattered(
        self, rows: Indices, got: Array, rounded: Array, *, may_scatter: bool
    ) -> Indices:
        """Return rows with elements that are not plain, and not to be looked at one by one.

        There are too many, or one is neither 0 nor right. `rows` are those of all such elements.
        """
        few = self.yardsticks.rows.logits.shape[1] // _FEW if may_scatter else 0
        clear = (got == 0) | (got == rounded)
        count = len(self.numbers)
        many = np.bincount(rows, minlength=count) > few
        return np.flatnonzero(marked(rows[~clear], count) | many)

    def exactly_right(self, got: Array | None, rows: Indices) -> int:
        """Count results of plain rows that are exactly right; without `got` they are rounded ones.

        These are shares of a row whose logits are all equal, in a number that is a power of two.
        """
        values, weights = self.yardsticks.rows.reference.of_rows, self.yardsticks.rows.weights
        classes = self.yardsticks.rows.reference.classes
        if self.quantity not in SHARES or classes.bit_count() > 1:
            return 0
        level = rows[(values.maximum == values.minimum)[rows, 0]]
        if got is None:
            return int(level.size) * classes
        return count(got[level] == 1 / classes, None if weights is None else weights[level])

    def _run(self, attempt: Attempt, got: Array) -> Indices:
        """Add all tiles up; return the rows, if any, whose errors are not finite."""
        from softmax_tool.attempt import TrueTile  # noqa: PLC0415  # only where measured

        ruler, rows, weights, tail = self.ruler, attempt.rows, None, None

        def of_rows(array: Array) -> Array:
            return array if len(rows) == len(array) else rows_of(array, rows)

        got, values = of_rows(got), of_rows(ruler.exact.hi)
        rounded, scale = of_rows(ruler.rounded), of_rows(ruler.scale)
        if ruler.exact.tail is not None:
            tail = of_rows(ruler.exact.tail)
        if self.yardsticks.rows.weights is not None:
            weights = of_rows(self.yardsticks.rows.weights)
        with np.errstate(all="ignore"):
            for tile in tiles(got.shape):
                rest = None if tail is None else tail[tile]
                true = TrueTile(values[tile], rounded[tile], scale[tile], rest)
                often = None if weights is None else weights[tile]
                if not attempt.take(tile, got[tile], true, often):
                    return np.asarray(rows[~row_all(np.isfinite(got - values))[:, 0]])
        return np.empty(0, np.intp)


def _rank_changes(got: Array, true: Indices, rows: Indices) -> int:
    """Count rows whose set of largest results is not that of the correctly rounded values.

    `got` are results of a block, `true` the places of the largest in all of it; of the `rows`.
    """
    classes, whole = got.shape[1], len(got)
    got = got if len(rows) == whole else rows_of(got, rows)
    place, column = np.divmod(np.flatnonzero(got == row_max(got)), classes)
    mine = rows[place] * classes + column
    wanted = true if len(rows) == whole else true[marked(rows, whole)[true // classes]]
    return changed_rows(mine, wanted, classes)
