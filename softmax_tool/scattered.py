"""Single elements of otherwise plain rows: their kinds, and how many events these go back to.

Their results are finite and their true values normal numbers. So one that is 0 was absorbed, and
one that is subnormal is of that kind, unless a sum stalled or what overflowed came back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.history import NEVER, met, pick
from softmax_tool.causes import first_events, prefer_own_column
from softmax_tool.distinct import count
from softmax_tool.kinds import CODE, KINDS
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
    """Elements of a block by place, their kinds and first events; arrays are (some,)."""

    rows: Indices
    columns: Indices
    codes: NDArray[np.int8]
    numbers: Ids  # of the events
    own: Mask  # whether an event is in the element's own column
    weights: Counts | None  # how many elements each stands for

    def of_rows(self) -> Indices:
        """Return the rows that hold any, each once."""
        return np.unique(self.rows)

    def kinds(self) -> tuple[tuple[int, int, int, int], ...]:
        """Return for each kind: elements, rows, events that they go back to, unavoidable ones."""
        return tuple(self._counts(self.codes == code) for code in range(len(KINDS)))

    def _counts(self, here: Mask) -> tuple[int, int, int, int]:
        if not here.any():
            return (0, 0, 0, 0)
        alone = here & self.own
        roots = count(alone, self.weights) + len(self._events(here) - self._events(alone))
        return count(here, self.weights), np.unique(self.rows[here]).size, roots, 0

    def _events(self, among: Mask) -> set[tuple[int, int]]:
        return set(zip(self.rows[among].tolist(), self.numbers[among].tolist(), strict=True))

    def marks(self, classes: int) -> Marks:
        """Return the kinds of all elements of these rows."""
        rows, place = np.unique(self.rows, return_inverse=True)
        kind = np.full((len(rows), classes), -1, np.int8)
        kind[place, self.columns] = self.codes
        return Marks(rows, kind, np.zeros(kind.shape, bool))


def judge_scattered(
    got: Array,
    rows: Indices,
    columns: Indices,
    target: FloatFormat,
    weights: Counts | None,
    computation: Computation,
) -> Scattered | None:
    """Judge single results of a block, (rows, classes); None where that takes the whole rows."""
    results = got[rows, columns][:, None]
    codes = np.where(results == 0, CODE["absorbed"], CODE["subnormal"]).astype(np.int8)
    if not (np.abs(results) < target.smallest_normal).all():
        return None  # one is a silent error
    traced_rows, place = np.unique(rows, return_inverse=True)
    tracing, traced = computation.trace(traced_rows)
    history = {
        name: tuple(reach.pick(place, columns) for reach in reaches)
        for name, reaches in traced.history.items()
    }
    if any(met(history.get(name, ()), results.shape).any() for name in ("overflow", "stalled")):
        return None
    events = first_events(codes, history)
    if (events.numbers == NEVER).any():
        return None
    own_columns = pick(traced.columns, place, columns)
    own = {
        key: pick(mask, place, columns)
        for key, mask in tracing.happened.items()
        if mask.shape[1] > 1
    }
    prefer_own_column(events, own_columns, own, tracing.stride)
    numbers = events.numbers[:, 0]
    alone = numbers % tracing.stride == own_columns[:, 0]
    often = None if weights is None else weights[rows, columns]
    return Scattered(rows, columns, codes[:, 0], numbers, alone, often)
