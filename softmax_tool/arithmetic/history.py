"""What a value goes back to: the events of one class on the paths to its elements.

An element may be reached by several events, of which the earliest counts, that of the smallest
number. Hardly any number is an element's own in what is kept: an event was in the element's own
column, or it belongs to the row, or a sum has handed it on to the whole row. So a mask for each of
these tells all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.masks import both, either
from softmax_tool.arithmetic.selection import row_any
from softmax_tool.frozen import frozen_by_identity
from softmax_tool.masking import all_ones

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

NEVER = np.int64(2**62)


@frozen_by_identity
class Reach:
    """Events that reached elements in one way; both arrays broadcast to (rows, classes)."""

    numbers: Ids  # (1, classes): that of each column; (rows, 1) or (1, 1): that of the row
    where: Mask  # (rows, classes) or (rows, 1)

    def pick(self, rows: Indices, columns: Indices) -> Reach:
        """Return that of single elements, (some, 1)."""
        return Reach(pick(self.numbers, rows, columns), pick(self.where, rows, columns))

    @property
    def is_of_columns(self) -> bool:
        """Whether each event is in the element's own column."""
        return bool(self.numbers.shape[1] > 1)

    def within(self, mask: Mask) -> Reach:
        """Return what of it is within a mask."""
        return Reach(self.numbers, both(self.where, mask))

    def by_row(self, mask: Mask | None = None) -> Ids:
        """Return the first event of each row, of those within a mask, (rows, 1)."""
        where = self.where if mask is None else both(self.where, mask)
        if not self.is_of_columns:
            there = row_any(where)
            return np.where(there, self.numbers, NEVER)
        # Numbers ascend from column to column.
        first = where.argmax(axis=1)[:, None]
        there = np.take_along_axis(where, first, axis=1)
        return np.where(there, self.numbers[0, first], NEVER)


History = tuple[Reach, ...]


def pick(array: NDArray[Any], rows: Indices, columns: Indices) -> NDArray[Any]:
    """Return single elements, (some, 1), of an array that broadcasts to all of them."""
    row = rows if len(array) > 1 else 0 * rows
    return array[row, columns if array.shape[1] > 1 else 0 * columns][:, None]


def within(history: History, mask: Mask) -> History:
    """Return what of it is within a mask."""
    if mask.all():
        return history
    some = (reach.within(mask) for reach in history)
    return tuple(reach for reach in some if reach.where.any())


def met(history: History, shape: tuple[int, ...]) -> Mask:
    """Return which elements were reached at all; broadcasts to a shape."""
    reached = np.zeros((shape[0], 1), bool)
    for reach in history:
        reached = either(reached, reach.where)
    return reached


def take_earliest(numbers: Ids, history: History) -> None:
    """Write the number of the first event of each element, if it is before what stands there.

    What stands there is no later than NEVER.
    """
    for reach in history:
        # With that bit set no number is before NEVER.
        without = np.bitwise_and(all_ones(~reach.where), NEVER)
        np.minimum(numbers, np.bitwise_or(without, reach.numbers), out=numbers)
