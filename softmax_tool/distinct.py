"""The distinct values of each row: where a format of 16 bits is computed and judged.

A row of many classes holds every value of such a format many times over, and whatever belongs to an
element alone, given its row, comes out alike for all that are alike. So it is made once for each
value, at the first column that holds it, and counted as often as the value occurs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Counts = NDArray[np.int64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_CODES = 1 << 16
_MANY_CLASSES = 1 << 13  # shorter rows repeat little, and there are many of them
_LARGEST_SHARE = 0.5  # of a row's classes: with more distinct values there is little to gain


def count(mask: Mask, weights: Counts | None = None) -> int:
    """Return how many elements a mask picks, each counted as often as its weight says."""
    if weights is None:
        return int(np.count_nonzero(mask))
    return int(np.multiply(mask, weights).sum())


def count_by_row(mask: Mask, weights: Counts | None = None) -> Counts:
    """Return how many elements of each row a mask picks, (rows, 1)."""
    if weights is None:
        return np.asarray(np.count_nonzero(mask, axis=1, keepdims=True), np.int64)
    return np.asarray(np.multiply(mask, weights).sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Distinct:
    """Where the distinct values of each row are, in the order of their first columns.

    The first of a row's largest values stands alone, apart from its equals: `log1p` drops it from
    the sum. Rows with fewer values than others repeat one, which then counts 0 times.
    """

    columns: Indices  # (rows, some): the first column of each value
    counts: Counts  # (rows, some): how many columns hold it
    places: Indices  # (rows, classes): which of these values each column holds

    @classmethod
    def of(cls, logits: Array, target: FloatFormat) -> Distinct | None:
        """Find those of logits (rows, classes) of a format; None where too little is repeated."""
        rows, classes = logits.shape
        if classes < _MANY_CLASSES or not (target.is_native and target.storage.itemsize == 2):
            return None
        codes = np.ascontiguousarray(target.stored(logits)).view(np.uint16)
        largest = logits.argmax(axis=1)
        found, places = [], np.empty((rows, classes), np.intp)
        for row in range(rows):
            found.append(_of_row(codes[row], int(largest[row]), places[row]))
            if len(found[-1][0]) > classes * _LARGEST_SHARE:
                return None
        width = max(len(columns) for columns, _ in found)
        columns = np.empty((rows, width), np.intp)
        counts = np.zeros((rows, width), np.int64)
        columns[:] = (largest == 0)[:, None]  # any column but that of the first maximum
        for row, (first, often) in enumerate(found):
            columns[row, : len(first)] = first
            counts[row, : len(often)] = often
        return cls(columns, counts, places)

    def __getitem__(self, rows: Any) -> Distinct:
        return Distinct(self.columns[rows], self.counts[rows], self.places[rows])

    def expand(self, values: Array) -> Array:
        """Return what whole rows hold, (rows, classes), of what is given at distinct values."""
        expanded = np.empty(self.places.shape, values.dtype)
        for row, places in enumerate(self.places):
            np.take(values[row], places, out=expanded[row], mode="clip")  # unlike "raise" no copy
        return expanded


def _of_row(codes: Array, largest: int, places: Indices) -> tuple[Indices, Counts]:
    """Return first columns and counts of a row's values, and write which each column holds."""
    table = np.empty(_CODES, np.intp)
    # Of several columns that are written in one place the last one stays: here the first.
    table[codes[::-1]] = np.arange(len(codes))[::-1]
    occurrences = np.bincount(codes, minlength=_CODES)
    is_first = np.zeros(len(codes), bool)
    is_first[table[np.flatnonzero(occurrences)]] = True
    equals = occurrences[codes[largest]] > 1
    if equals:
        is_first[np.flatnonzero(codes == codes[largest])[1]] = True
    columns = np.flatnonzero(is_first)
    counts = occurrences[codes[columns]]
    table[codes[columns]] = np.arange(len(columns))
    np.take(table, codes, out=places, mode="clip")
    if equals:
        alone = np.searchsorted(columns, largest)
        counts[places[largest]] -= 1
        counts[alone] = 1
        places[largest] = alone
    return columns, counts
