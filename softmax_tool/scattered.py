"""Single elements of otherwise plain rows: their kinds, and how many events these go back to.

They are correctly rounded, though subnormal perhaps, or they are 0 and should not be: the rows hold
nothing else, and no true value is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.history import NEVER, met, pick
from softmax_tool.causes import first_events, prefer_own_column
from softmax_tool.distinct import count
from softmax_tool.kinds import CODE, KINDS, NO_KIND
from softmax_tool.outcomes import Marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.diagnose import Computation
    from softmax_tool.distinct import Counts
    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Ids = NDArray[np.int64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scattered:
    """Elements of a block by place, each of some kind; arrays are (some,)."""

    rows: Indices
    columns: Indices
    codes: NDArray[np.int8]
    unavoidable: Mask  # correctly rounded
    numbers: Ids  # of the first events of the others, and
    own: Mask  # whether these are in the element's own column
    weights: Counts | None  # how many elements each stands for
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
        alone = avoidable & self.own
        roots = self._count(alone) + len(self._events(avoidable) - self._events(alone))
        return self._count(here), rows, roots, self._count(unavoidable)

    def _count(self, mask: Mask) -> int:
        return count(mask, self.weights)

    def _events(self, among: Mask) -> set[tuple[int, int]]:
        return set(zip(self.rows[among].tolist(), self.numbers[among].tolist(), strict=True))

    def marks(self, classes: int) -> Marks:
        """Return the kinds of all elements of these rows."""
        rows, place = np.unique(self.rows, return_inverse=True)
        kind = np.full((len(rows), classes), NO_KIND, np.int8)
        unavoidable = np.zeros(kind.shape, bool)
        kind[place, self.columns] = self.codes
        unavoidable[place, self.columns] = self.unavoidable
        return Marks(rows, kind, unavoidable)


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
    numbers, own = np.zeros(codes.shape, np.int64), np.zeros(codes.shape, bool)
    if not right.all():
        wrong = ~right
        numbers[wrong], own[wrong] = _events(rows[wrong], columns[wrong], codes[wrong], computation)
    if (numbers == NEVER).any():
        return np.unique(rows[numbers == NEVER])
    kept = codes != NO_KIND
    often = None if weights is None else weights[rows, columns][kept]
    return Scattered(
        rows[kept],
        columns[kept],
        codes[kept],
        right[kept],
        numbers[kept],
        own[kept],
        often,
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
) -> tuple[Ids, Mask]:
    """Return the first event of elements that are wrong, and whether it is in their own column.

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
    return numbers, numbers % tracing.stride == own_columns[:, 0]
