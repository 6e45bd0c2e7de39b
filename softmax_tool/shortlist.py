"""The worst results of rows in which nothing but rounding can have happened, one of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool import sentences
from softmax_tool.arithmetic.selection import row_max
from softmax_tool.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from softmax_tool.attempt import TrueTile
    from softmax_tool.screening import Listing, Screen
    from softmax_tool.suspects import Errors
    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_RIGHT = 0.5  # what is off by half an ULP or less is correctly rounded


class Elements(NamedTuple):
    """Single elements of a block by place, in order; (some,) each."""

    rows: Indices
    columns: Indices
    got: Array
    values: Array  # the true ones, and rounded to the format
    rounded: Array
    errors: Array  # in ULP


class _Found(NamedTuple):
    """One element for the list of worst cases; of equal errors the first is the larger."""

    error: float
    minus_row: int  # of the block
    minus_column: int
    got: float
    true: float
    rounded: float


class Shortlist:
    """The largest errors of some rows, as many as the list of worst cases takes.

    Errors that may have a kind are not for it: those above a limit, or of a tiny true value.
    """

    def __init__(
        self, screen: Screen, rows: Indices, limits: Array, listing: Listing, least: float
    ) -> None:
        """Take what `rows` of the screen's block are listed with.

        `limits`, (rows, 1), are errors up to which none of a row has a kind; those up to `least`
        are not listed.
        """
        self._screen, self._rows, self._limits, self._listing = screen, rows, limits, listing
        self._least = least
        self._names_all = self._may_name_all()
        self.found: list[_Found] = []  # the largest error first

    def _may_name_all(self) -> bool:
        listing, numbers = self._listing, self._screen.numbers
        classes = self._screen.yardsticks.rows.logits.shape[1]
        every_row = listing.rows[0] <= numbers[0] and numbers[-1] < listing.rows[1]
        return bool(every_row and listing.columns[0] == 0 and listing.columns[1] >= classes)

    def has_room_for(self, error: float) -> bool:
        """Tell whether an error would get on it."""
        return self._listing.top > 0 and error > self._least_listed

    @property
    def _least_listed(self) -> float:
        full = len(self.found) == self._listing.top
        return max(self._least, self.found[-1].error if full else 0.0)

    def least_of_rows(self) -> Array:
        """Return the errors that one must be above to get on it, (rows, 1)."""
        if not self._listing.top:
            return np.full(self._limits.shape, np.inf)
        least = np.full(self._limits.shape, max(self._least_listed, _RIGHT))
        if not self._names_all:
            least[~self._listing.has_rows(self._screen.numbers[self._rows])] = np.inf
        for found in self.found:
            least[-found.minus_row] = max(found.error, _RIGHT)
        return least

    def add(self, tile: Tile, errors: Array, got: Array, true: TrueTile) -> None:
        """Take in the largest error of each row of a tile."""
        errors = self._plain(errors, true.values, self._limits[tile[0]])
        if not self._names_all:
            numbers = self._screen.numbers[self._rows[tile[0]]]
            columns = np.arange(tile[1].start, tile[1].stop)
            errors = np.where(self._listing.has(numbers[:, None], columns), errors, 0.0)
        largest = row_max(errors)[:, 0]
        rows = np.flatnonzero(largest > self._least_listed)
        columns = errors[rows].argmax(axis=1)
        got, values, rounded = (a[rows, columns] for a in (got, true.values, true.rounded))
        above, beside = self._rows[rows + tile[0].start], columns + tile[1].start
        self._take(Elements(above, beside, got, values, rounded, largest[rows]))

    def add_at(self, some: Elements) -> None:
        """Take in elements of a block whose rows are all listed."""
        errors = self._plain(some.errors, some.values, self._limits[some.rows, 0])
        self._take(some._replace(errors=errors))

    def add_suspects(
        self, some: Errors, got: Array, true_at: Callable[[Indices, Indices], Array]
    ) -> None:
        """Take in errors that turned out to be within their own limits, of results in a block."""
        if not self._listing.top:
            return
        near = np.flatnonzero(some.values > max(self._least_listed, _RIGHT))
        if not near.size:
            return
        near = near[np.lexsort((some.columns[near], some.rows[near]))]
        rows, columns, errors = some.pick(near)
        true = true_at(rows, columns)
        errors[self._is_tiny(true)] = 0.0
        rounded = self._screen.target.round(true)
        self._take(Elements(rows, columns, got[rows, columns], true, rounded, errors))

    def _plain(self, errors: Array, values: Array, limits: Array) -> Array:
        """Return errors with 0 for those that may have a kind."""
        return np.where((errors > limits) | self._is_tiny(values), 0.0, errors)

    def _is_tiny(self, values: Array) -> Mask:
        return np.asarray(np.abs(values) < self._screen.least_normal)

    def _take(self, some: Elements) -> None:
        listing, errors = self._listing, some.errors
        if not self._names_all:
            listed = listing.has(self._screen.numbers[some.rows], some.columns)
            errors = np.where(listed, errors, 0.0)
        starts = np.flatnonzero(np.diff(some.rows, prepend=-1))
        largest = np.maximum.reduceat(errors, starts)
        order = np.argsort(-largest, kind="stable")[: listing.top]
        for place in order[largest[order] > self._least_listed]:
            at = starts[place] + int((errors[starts[place] :] == largest[place]).argmax())
            found = _Found(
                float(errors[at]),
                -int(some.rows[at]),
                -int(some.columns[at]),
                float(some.got[at]),
                float(some.values[at]),
                float(some.rounded[at]),
            )
            self._insert(found)

    def _insert(self, found: _Found) -> None:
        """Keep one element a row, the `top` largest errors."""
        others = [entry for entry in self.found if entry.minus_row != found.minus_row]
        mine = [entry for entry in self.found if entry.minus_row == found.minus_row]
        self.found = sorted([*others, max([*mine, found])], reverse=True)[: self._listing.top]

    def findings(self) -> Iterator[Finding]:
        """Yield what the list of worst cases says of each element that is not right."""
        why = sentences.why(None, None, sentences.ROUNDING, "", None, self._screen.target)
        rows = self._screen.yardsticks.rows
        for found in self.found:
            row, column = -found.minus_row, -found.minus_column
            if found.got != found.rounded:
                yield Finding(
                    int(self._screen.numbers[row]),
                    rows.column(row, column),
                    float(rows.logits[row, column]),
                    found.got,
                    found.true,
                    found.error,
                    kind=None,
                    origin=None,
                    propagated=False,
                    why=why,
                )
