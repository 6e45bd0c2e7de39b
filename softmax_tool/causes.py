"""Where what went wrong began: the first event that each element of a kind goes back to.

Only the listed elements are asked for theirs one by one. Of all others it is enough how many
different events there are, which the masks of a trace tell without a number for each element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool.arithmetic.history import NEVER, met, pick, take_earliest, within
from softmax_tool.arithmetic.masks import both
from softmax_tool.arithmetic.selection import row_any, row_max, row_min
from softmax_tool.arithmetic.tracing import EVENTS
from softmax_tool.distinct import count
from softmax_tool.frozen import frozen, frozen_with_memory
from softmax_tool.kinds import KINDS, mark, occurring
from softmax_tool.masking import all_ones, kept, put
from softmax_tool.once import once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from softmax_tool.arithmetic.history import History, Reach
    from softmax_tool.arithmetic.tracing import Tracing
    from softmax_tool.distinct import Counts

    Array = NDArray[Any]
    Codes = NDArray[np.int8]
    Ids = NDArray[np.int64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

# The class of event that a kind goes back to, and what to look at where there was none.
_EVENTS_OF = {
    "overflow": ("overflow",),
    "zero-denominator": ("zero",),
    "log-of-zero": ("zero",),
    "absorbed": ("zero", "absorbed"),
    "underflow": ("zero", "absorbed"),
    "nan": ("given", "invalid"),
    "inf": ("overflow", "zero", "given"),
    "stalled-sum": ("stalled",),
    "silent-error": (),
    "subnormal": ("subnormal",),
}
_HIGHEST = np.int64(np.iinfo(np.int64).max)


class Events(NamedTuple):
    """The first event of each element: its number within the trace, and which of `EVENTS` it is.

    NEVER and -1 where there is none, -1 also for an error of rounding.
    """

    numbers: Ids
    classes: NDArray[np.int8]


@frozen_with_memory
class Causes:
    """What the elements of rows that were traced go back to; all arrays are of these rows."""

    codes: Codes  # kinds, NO_KIND for what is not wrong
    tracing: Tracing
    history: Mapping[str, History]  # of the results
    columns: Ids  # of each element, counted from 1; broadcasts to the codes
    replayed: Events | None = None  # where some were without an event, and have been looked into

    @once
    def events(self) -> Events:
        """The events of all elements."""
        if self.replayed is not None:
            return self.replayed
        columns, happened = self.columns, self.tracing.happened
        own = {
            key: at_own_columns(mask, columns, self.codes.shape) for key, mask in happened.items()
        }
        rows = np.arange(len(self.codes))
        return self._events_of(rows, self.codes, self.history, columns, own)

    @property
    def stride(self) -> int:
        """How many event numbers one operation takes."""
        return self.tracing.stride

    def column_of(self, numbers: Ids) -> Ids:
        """Return the column of each event, counted from 1; 0 where it belongs to the row."""
        # NumPy divides by one number much quicker than it takes a remainder.
        return numbers - numbers // self.stride * self.stride

    def at(self, rows: Indices, columns: Indices) -> Events:
        """Return the events of single elements, (some, 1)."""
        if self.replayed is not None:
            return Events(*(pick(array, rows, columns) for array in self.replayed))
        history = {
            name: tuple(reach.pick(rows, columns) for reach in reaches)
            for name, reaches in self.history.items()
        }
        own_columns = pick(self.columns, rows, columns)
        codes, places = self.codes[rows, columns][:, None], np.maximum(own_columns[:, 0] - 1, 0)
        own = {
            key: pick(mask, rows, places) & (own_columns > 0)
            for key, mask in self.tracing.happened.items()
            if mask.shape[1] > 1
        }
        return self._events_of(rows, codes, history, own_columns, own)

    def _events_of(
        self,
        rows: Indices,
        codes: Codes,
        history: Mapping[str, History],
        columns: Ids,
        own: Mapping[tuple[str, int], Mask],
    ) -> Events:
        """Return the events of elements of some rows; `own` as `prefer_own_column` takes it."""
        events = first_events(codes, history)
        _name_causes(events, self.tracing.happened, self.stride, rows)
        prefer_own_column(events, columns, own, self.stride)
        return events

    def unexplained(self) -> Mask:
        """Return which elements of a kind go back to no event."""
        unexplained = np.zeros(self.codes.shape, bool)
        for code in occurring(self.codes):
            here = self.codes == code
            for name in _EVENTS_OF[KINDS[code]]:
                here = both(here, ~met(self.history.get(name, ()), here.shape))
            unexplained |= here
        return unexplained

    def count_roots(self, code: int, among: Mask, weights: Counts | None) -> int:
        """Count the distinct events that some elements of a kind go back to.

        `weights` tell how many elements each stands for; an event in an own column is as many.
        """
        if among.shape[1] == 1:
            return count(among, weights)
        ways = self._ways(code)
        if ways is not None:
            return ways.count(among, weights)
        numbers = self.events.numbers
        alone = among & (self.column_of(numbers) == np.arange(1, among.shape[1] + 1))
        rows, events = _distinct(numbers, among & ~alone)
        columns = self.column_of(events)
        own = rows[columns > 0], columns[columns > 0] - 1
        known = np.count_nonzero(alone[own] & (numbers[own] == events[columns > 0]))
        return count(alone, weights) + rows.size - int(known)

    def own(self, code: int) -> Mask | None:
        """Tell which elements of a kind go back to an event in their own column, (rows, classes).

        None where masks alone do not tell it; of other elements the answer says nothing.
        """
        ways = self._ways(code)
        return None if ways is None else ways.own(self.codes.shape)

    def _ways(self, code: int) -> _Ways | None:
        """Return how elements of a kind were reached, where masks alone tell of which event."""
        names = [name for name in _EVENTS_OF[KINDS[code]] if self.history.get(name)]
        if self.replayed is not None or len(names) != 1 or len(self.columns) != 1:
            return None
        reaches = self.history[names[0]]
        of_columns = [reach for reach in reaches if reach.is_of_columns]
        of_whole = [reach for reach in reaches if not reach.is_of_columns]
        if any(len(reach.numbers) != 1 for reach in of_columns):
            return None
        if of_whole and names[0] == "invalid":
            return None  # it may go back to an event of another class
        numbers = np.full((len(self.codes), 1), NEVER)
        times = np.zeros(numbers.shape, np.int8)
        for reach in of_whole:
            there = row_any(np.broadcast_to(reach.where, self.codes.shape))
            times += there
            numbers = np.where(there, reach.numbers, numbers)
        operations = numbers // self.stride
        late = any(
            int(r.numbers[0, 0]) // self.stride > operations.min(initial=NEVER) for r in of_columns
        )
        if late or times.max(initial=0) > 1:
            return None
        happened = {
            operation: mask
            for (name, operation), mask in self.tracing.happened.items()
            if name == names[0] and mask.shape[1] > 1
        }
        return _Ways(numbers, tuple(of_columns), happened, self.stride)


@frozen
class _Ways:
    """Elements that go back to an event in their own column, or all to one of their row.

    That of the row is no earlier than those of columns.
    """

    numbers: Ids  # (rows, 1): the event of each row, NEVER where there is none
    of_columns: tuple[Reach, ...]
    happened: Mapping[int, Mask]  # where such events happened, by operation
    stride: int

    def own(self, shape: tuple[int, ...]) -> Mask:
        """Tell which elements go back to an event in their own column."""
        own = np.zeros(shape, bool)
        for reach in self.of_columns:
            own |= reach.where
        operations = self.numbers // self.stride
        # An event that reached the whole row happened in the column of an element as well: that
        # one is its own.
        for operation in set(operations[operations < NEVER // self.stride].tolist()):
            if operation in self.happened:
                own |= both(self.happened[operation], operations == operation)
        return own

    def count(self, among: Mask, weights: Counts | None) -> int:
        """Count the distinct events of some elements, an own one as often as its weight says."""
        own = self.own(among.shape)
        alone, spread = among & own, among & ~own
        rows = np.flatnonzero(row_any(spread))
        return count(alone, weights) + rows.size - self._known(alone, rows)

    def _known(self, alone: Mask, rows: NDArray[np.intp]) -> int:
        """Count the rows whose event is among those that elements have for themselves."""
        operations, columns = np.divmod(self.numbers[rows, 0], self.stride)
        known = (columns > 0) & alone[rows, columns - 1]
        for reach in self.of_columns:
            earlier = int(reach.numbers[0, 0]) // self.stride < operations
            known &= ~(earlier & np.broadcast_to(reach.where, alone.shape)[rows, columns - 1])
        return int(np.count_nonzero(known))


def first_events(codes: Codes, history: Mapping[str, History]) -> Events:
    """Return the first event of each element by its kind."""
    numbers = np.full(codes.shape, NEVER)
    classes = np.full(codes.shape, -1, np.int8)
    for code in occurring(codes):
        here = codes == code
        for name in _EVENTS_OF[KINDS[code]]:
            some = within(history.get(name, ()), here)
            if some:
                take_earliest(numbers, some)
                known = both(here, met(some, here.shape))
                mark(classes, known, EVENTS.index(name))
                here &= ~known
    return Events(numbers, classes)


def _name_causes(
    events: Events, happened: Mapping[tuple[str, int], Mask], stride: int, rows: Indices
) -> None:
    """Where a NaN goes back to a result that became 0, call it so; events are of these rows."""
    invalid = events.classes == EVENTS.index("invalid")
    if not invalid.any():
        return
    some, places = np.nonzero(invalid)
    operations, columns = np.divmod(events.numbers[some, places], stride)
    for (name, operation), mask in happened.items():
        if name == "zero":
            column = np.maximum(columns - 1, 0) if mask.shape[1] > 1 else 0
            row = rows[some] if len(mask) > 1 else 0
            here = (operations == operation) & mask[row, column]
            events.classes[some[here], places[here]] = EVENTS.index(name)


def prefer_own_column(
    events: Events, columns: Ids, own: Mapping[tuple[str, int], Mask], stride: int
) -> None:
    """Where a sum handed on another column's event of an operation, name the element's own.

    `own` tells for each class of event and operation in which elements' own columns it happened.
    """
    for (name, operation), mask in own.items():
        here = (events.classes == EVENTS.index(name)) & mask
        if here.any():
            start = operation * stride
            here &= (events.numbers >= start) & (events.numbers < start + stride)
            put(events.numbers, start + columns, here)


def at_own_columns(mask: Mask, columns: Ids, shape: tuple[int, ...]) -> Mask:
    """Return what a mask over columns says at each element's own column, False for none."""
    if mask.shape[1] == 1:
        return np.zeros(shape, bool)
    if mask.shape == shape and columns.shape == (1, shape[1]):
        return mask  # every element is at its own column
    own = np.broadcast_to(columns, shape) - 1
    return np.take_along_axis(mask, np.maximum(own, 0), axis=1) & (own >= 0)


def _distinct(numbers: Ids, among: Mask) -> tuple[Indices, Ids]:
    """Return the distinct pairs of row and number; what is often alike is cheaply told."""
    rows, classes = among.shape
    others = np.bitwise_and(all_ones(~among), _HIGHEST)
    lowest = row_min(np.bitwise_or(others, numbers))[:, 0]
    if ((lowest == row_max(kept(numbers, among))[:, 0]) | (lowest == _HIGHEST)).all():
        there = np.flatnonzero(lowest != _HIGHEST)
        return there, lowest[there]
    places = np.flatnonzero(among)
    some = numbers.reshape(-1)[places]
    changes = np.ones(len(places), bool)
    changes[1:] = some[1:] != some[:-1]
    first = np.searchsorted(places, np.arange(rows) * classes)
    changes[first[first < len(places)]] = True
    where, some = places[changes] // classes, some[changes]
    order = np.lexsort((some, where))
    where, some = where[order], some[order]
    new = np.ones(len(where), bool)
    new[1:] = (where[1:] != where[:-1]) | (some[1:] != some[:-1])
    return where[new], some[new]
