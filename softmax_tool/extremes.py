"""Where rows of logits are largest and smallest: looked for once, for all who ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max, row_min
from softmax_tool.frozen import frozen_with_memory
from softmax_tool.once import once
from softmax_tool.tiling import TILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Indices = NDArray[np.intp]

_SHORT = 32  # rows of so many are quicker gone through column by column
_WIDE = 2 * TILE


@frozen_with_memory
class Extremes:
    """The largest and the smallest logits of each row; a NaN is both."""

    logits: Array  # (rows, classes)

    @once
    def highest(self) -> Indices:
        """The column of the first maximum of each row, (rows,)."""
        return self._of_parts[0] if self._is_wide else np.asarray(self.logits.argmax(axis=1))

    @once
    def lowest(self) -> Indices:
        """The column of the first minimum of each row, (rows,)."""
        return self._of_parts[1] if self._is_wide else np.asarray(self.logits.argmin(axis=1))

    @once
    def maximum(self) -> Array:
        """The maximum of each row, (rows, 1), as `row_max` gives it."""
        maximum = self.at(self.highest)
        # Of two zeros the first need not be the one that it chooses.
        return row_max(self.logits) if (maximum == 0).any() else maximum

    @once
    def minimum(self) -> Array:
        """The minimum of each row, (rows, 1)."""
        if self.logits.shape[1] <= _SHORT:
            return row_min(self.logits)
        return self.at(self.lowest)

    def at(self, columns: Indices) -> Array:
        """Return the logit in one column of each row, (rows, 1)."""
        return np.asarray(self.logits[np.arange(len(columns)), columns][:, None])

    def not_below(self, least: Array) -> Indices:
        """Return where logits are not below `least` of their row, (rows, 1).

        Places are counted through the rows, and in order.
        """
        if not self._is_wide:
            return np.flatnonzero(self.logits >= least)
        classes = self.logits.shape[1]
        places = []
        for row, part in zip(*np.nonzero(self._of_parts[2] >= least), strict=True):
            columns = slice(part * TILE, (part + 1) * TILE)
            here = (self.logits[row, columns] >= least[row, 0]).nonzero()[0]
            places.append(here + (row * classes + columns.start))
        return np.concatenate(places) if places else np.empty(0, np.intp)

    @property
    def _is_wide(self) -> bool:
        return bool(self.logits.shape[1] >= _WIDE)

    @once
    def _of_parts(self) -> tuple[Indices, Indices, Array]:
        """Both columns, and the maxima of the parts that rows are gone through in, (rows, parts).

        Of wide rows: a row is still in the cache when its minimum is looked for.
        """
        rows, classes = self.logits.shape
        starts = np.arange(0, classes, TILE)
        columns = np.empty((rows, len(starts)), np.intp)
        lowest = np.empty(rows, np.intp)
        for row, logits in enumerate(self.logits):
            for part, start in enumerate(starts.tolist()):
                columns[row, part] = logits[start : start + TILE].argmax()
            lowest[row] = logits.argmin()
        columns += starts
        numbers = np.arange(rows)
        maxima = self.logits[numbers[:, None], columns]
        return columns[numbers, maxima.argmax(axis=1)], lowest, maxima
