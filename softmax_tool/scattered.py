"""Single elements of otherwise plain rows: their kinds, and how many events these go back to.

They are correctly rounded, though subnormal perhaps, or they are 0 and should not be: the rows hold
nothing else, and no true value is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool import sentences
from softmax_tool.arithmetic.history import NEVER, met, pick
from softmax_tool.causes import first_events, prefer_own_column
from softmax_tool.distinct import count
from softmax_tool.exact.values import Exact, everywhere
from softmax_tool.frozen import frozen
from softmax_tool.kinds import CODE, KINDS, NO_KIND
from softmax_tool.origins import Cause
from softmax_tool.outcomes import Marks
from softmax_tool.report import Finding
from softmax_tool.summary import worst_of
from softmax_tool.ulp import Ruler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic.tracing import Tracing
    from softmax_tool.diagnose import Computation
    from softmax_tool.distinct import Counts
    from softmax_tool.formats import FloatFormat
    from softmax_tool.rows import Rows
    from softmax_tool.screening import Listing

    Array = NDArray[Any]
    Ids = NDArray[np.int64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]


class FirstEvents(NamedTuple):
    """What elements go back to, under a trace of their rows; arrays are (some,)."""

    tracing: Tracing | None  # None where there was nothing to trace
    places: Indices  # rows within the trace
    numbers: Ids  # of the first events, NEVER where there is none,
    classes: NDArray[np.int8]  # which of `EVENTS` they are,
    own: Mask  # and whether they are in the element's own column

    @classmethod
    def none(cls, number: int) -> FirstEvents:
        """Return it for elements that are all right."""
        return cls(
            None,
            np.zeros(number, np.intp),
            np.zeros(number, np.int64),
            np.zeros(number, np.int8),
            np.zeros(number, bool),
        )

    def among(self, all_of: Mask) -> FirstEvents:
        """Return it for all elements, of which these are some; the others are right."""
        wider = FirstEvents.none(all_of.size)
        wider.places[all_of], wider.numbers[all_of] = self.places, self.numbers
        wider.classes[all_of], wider.own[all_of] = self.classes, self.own
        return wider._replace(tracing=self.tracing)

    def pick(self, some: Mask) -> FirstEvents:
        """Return it for some of the elements."""
        tracing, places, numbers, classes, own = self
        return FirstEvents(tracing, places[some], numbers[some], classes[some], own[some])


@frozen
class Scattered:
    """Elements of a block by place, each of some kind; arrays are (some,)."""

    rows: Indices
    columns: Indices
    got: Array
    true: Array
    codes: NDArray[np.int8]
    unavoidable: Mask  # correctly rounded
    events: FirstEvents  # that the others go back to
    weights: Counts | None  # how many elements each stands for
    target: FloatFormat
    largest_relative: float  # error of all

    def rows_hit(self) -> Indices:
        """Return the rows in which one of them could be avoided."""
        return np.unique(self.rows[~self.unavoidable])

    def kinds(self) -> tuple[tuple[int, int, int, int], ...]:
        """Return for each kind: elements, rows, events that they go back to, unavoidable ones."""
        return tuple(self._counts(self.codes == code) for code in range(len(KINDS)))

    def _counts(self, here: Mask) -> tuple[int, int, int, int]:
        if not here.any():
            return (0, 0, 0, 0)
        rows = np.unique(self.rows[here]).size
        avoidable, unavoidable = here & ~self.unavoidable, here & self.unavoidable
        alone = avoidable & self.events.own
        roots = self._count(alone) + len(self._events(avoidable) - self._events(alone))
        return self._count(here), rows, roots, self._count(unavoidable)

    def _count(self, mask: Mask) -> int:
        return count(mask, self.weights)

    def _events(self, among: Mask) -> set[tuple[int, int]]:
        numbers = self.events.numbers[among]
        return set(zip(self.rows[among].tolist(), numbers.tolist(), strict=True))

    def marks(self, classes: int) -> Marks:
        """Return the kinds of all elements of these rows."""
        rows, place = np.unique(self.rows, return_inverse=True)
        kind = np.full((len(rows), classes), NO_KIND, np.int8)
        unavoidable = np.zeros(kind.shape, bool)
        kind[place, self.columns] = self.codes
        unavoidable[place, self.columns] = self.unavoidable
        return Marks(rows, kind, unavoidable)

    def findings(
        self, of: Rows, numbers: NDArray[np.int64], listing: Listing, least: float
    ) -> tuple[Finding, ...]:
        """Return the worst elements, at most one of each kind in a row, as the list names them.

        `of` are the rows of the block, `numbers` their global ones; errors up to `least` are not
        listed where there is one.
        """
        errors = self._errors()
        listed = ~self.unavoidable & (errors > least)
        some = np.flatnonzero(listed & listing.has(numbers[self.rows], self.columns))
        # The largest error of each row and kind; of several, one that began there, then the first.
        keys = self.columns, ~self.events.own, -errors, self.codes, self.rows
        some = some[np.lexsort([key[some] for key in keys])]
        group = self.rows[some] * len(KINDS) + self.codes[some]
        some = some[np.diff(group, prepend=-1) != 0]
        worst = some[np.argsort(-errors[some], kind="stable")[: listing.top]].tolist()
        found = (self._finding(i, float(errors[i]), of, numbers) for i in worst)
        return worst_of(found, listing.top)

    def _errors(self) -> Array:
        """Return the errors in ULP."""
        shape = self.true.size, 1
        exact = Exact(self.true[:, None], None, everywhere(True, shape), everywhere(False, shape))
        return Ruler.of(exact, self.target).errors(self.got[:, None])[:, 0]

    def _finding(self, i: int, error: float, of: Rows, numbers: NDArray[np.int64]) -> Finding:
        row, place, kind = int(self.rows[i]), int(self.columns[i]), KINDS[int(self.codes[i])]
        number, column, events = int(numbers[row]), of.column(row, place), self.events
        assert events.tracing is not None  # noqa: S101  (of what is wrong there is an event)
        cause = Cause.of(
            events.tracing,
            int(events.numbers[i]),
            int(events.classes[i]),
            int(events.places[i]),
            number,
        )
        return Finding(
            number,
            column,
            float(of.logits[row, place]),
            float(self.got[i]),
            float(self.true[i]),
            error,
            kind,
            cause.origin,
            cause.origin is not None and cause.origin.column != column,
            sentences.why(kind, *cause, self.target),
        )


def judge_scattered(
    got: Array,
    true: Array,
    rows: Indices,
    columns: Indices,
    weights: Counts | None,
    computation: Computation,
) -> Scattered | Indices:
    """Judge single results of a block, (rows, classes), or say of which rows that takes the whole.

    Then a sum of theirs stalled, or what overflowed came back; or there is no event behind a
    result. `true` are the true values of those in such rows and columns.
    """
    results, target = got[rows, columns], computation.target
    right = results == target.round(true)
    relative = float(np.max(np.abs((results - true) / true)))
    codes = _kinds(results, true, right, target)
    events = FirstEvents.none(len(codes))
    if not right.all():
        wrong = ~right
        events = _events(rows[wrong], columns[wrong], codes[wrong], computation).among(wrong)
    if (events.numbers == NEVER).any():
        return np.unique(rows[events.numbers == NEVER])
    kept = codes != NO_KIND
    return Scattered(
        rows[kept],
        columns[kept],
        results[kept],
        true[kept],
        codes[kept],
        right[kept],
        events.pick(kept),
        None if weights is None else weights[rows, columns][kept],
        target,
        relative,
    )


def _kinds(results: Array, true: Array, right: Mask, target: FloatFormat) -> NDArray[np.int8]:
    """Return what each is; as of all elements, but that the others are none of these."""
    least = target.smallest_normal
    absorbed = ~right & (np.abs(true) >= least)
    of_zeros = np.where(absorbed, CODE["absorbed"], CODE["underflow"])
    of_others = np.where(np.abs(results) < least, CODE["subnormal"], NO_KIND)
    return np.where(results == 0, of_zeros, of_others).astype(np.int8)


def _events(
    rows: Indices, columns: Indices, codes: NDArray[np.int8], computation: Computation
) -> FirstEvents:
    """Return the first events of elements that are wrong.

    NEVER where there is none, or where it makes another kind of it.
    """
    traced_rows, place = np.unique(rows, return_inverse=True)
    tracing, traced = computation.trace(traced_rows)
    history = {
        name: tuple(reach.pick(place, columns) for reach in reaches)
        for name, reaches in traced.history.items()
    }
    shape = len(rows), 1
    events = first_events(codes[:, None], history)
    for name in ("overflow", "stalled"):
        others = np.broadcast_to(met(history.get(name, ()), shape), shape)
        events.numbers[others], events.classes[others] = NEVER, -1
    own_columns = pick(traced.columns, place, columns)
    own = {
        key: pick(mask, place, columns)
        for key, mask in tracing.happened.items()
        if mask.shape[1] > 1
    }
    prefer_own_column(events, own_columns, own, tracing.stride)
    numbers = events.numbers[:, 0]
    at_own = numbers % tracing.stride == own_columns[:, 0]
    return FirstEvents(tracing, place, numbers, events.classes[:, 0], at_own)
