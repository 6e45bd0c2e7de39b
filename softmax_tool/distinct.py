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
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Counts = NDArray[np.int64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_CODES = 1 << 16
_MANY_CLASSES = 1 << 13  # shorter rows repeat little, and there are many of them
_LARGEST_SHARE = 0.5  # of a row's classes: with more distinct values there is little to gain


def repeat_surely(target: FloatFormat, classes: int) -> bool:
    """Tell whether rows of so many classes can be counted on to repeat the values of a format."""
    return _is_short(target) and classes >= _CODES


def _is_short(target: FloatFormat) -> bool:
    return target.is_native and target.storage.itemsize == 2


def count(mask: Mask, weights: Counts | None = None) -> int:
    """Return how many elements a mask picks, each counted as often as its weight says."""
    if weights is None:
        return int(np.count_nonzero(mask))
    if mask.all():
        return int(weights.sum())
    return int(np.multiply(mask, weights).sum()) if mask.any() else 0


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

    codes: NDArray[np.uint16]  # (rows, classes): the bits of each logit
    largest: Indices  # (rows,): the column of the first maximum
    alone: Indices  # (rows,): which of the distinct values that is
    columns: Indices  # (rows, some): the first column of each value
    counts: Counts  # (rows, some): how many columns hold it
    values: Indices  # (rows, some): the bits of each

    @classmethod
    def of(cls, logits: Array, target: FloatFormat, stored: Array | None = None) -> Distinct | None:
        """Find those of logits (rows, classes) of a format; None where too little is repeated.

        `stored` has the same logits in NumPy's own type of the format, if there is such an array.
        """
        rows, classes = logits.shape
        if classes < _MANY_CLASSES or not _is_short(target):
            return None
        codes = np.ascontiguousarray(target.stored(logits) if stored is None else stored)
        codes, largest = codes.view(np.uint16), logits.argmax(axis=1)
        found: list[tuple[Indices, Counts]] = []
        spare = np.empty(classes, np.intp), np.arange(classes - 1, -1, -1)
        for row in range(rows):
            found.append(_of_row(codes[row], int(largest[row]), spare))
            if len(found[-1][0]) > classes * _LARGEST_SHARE:
                return None
        width = max(len(columns) for columns, _ in found)
        columns = np.empty((rows, width), np.intp)
        counts = np.zeros((rows, width), np.int64)
        columns[:] = (largest == 0)[:, None]  # any column but that of the first maximum
        for row, (first, often) in enumerate(found):
            columns[row, : len(first)] = first
            counts[row, : len(often)] = often
        alone = (columns == largest[:, None]).argmax(axis=1)
        values = np.take_along_axis(codes, columns, axis=1).astype(np.intp)
        return cls(codes, largest, alone, columns, counts, values)

    def __getitem__(self, rows: Any) -> Distinct:
        return Distinct(
            self.codes[rows],
            self.largest[rows],
            self.alone[rows],
            self.columns[rows],
            self.counts[rows],
            self.values[rows],
        )

    def pick(self, values: Array) -> Array:
        """Return what stands at the distinct values of whole rows, (rows, some)."""
        return np.stack([row[columns] for row, columns in zip(values, self.columns, strict=True)])

    def expand(self, values: Array) -> Array:
        """Return what whole rows hold, (rows, classes), of what is given at distinct values."""
        expanded = np.empty(self.codes.shape, values.dtype)
        for row, whole in enumerate(self.whole_rows(values)):
            expanded[row] = whole[0]
        return expanded

    def whole_rows(self, values: Array) -> Iterator[Array]:
        """Give the same row by row, (1, classes), each to be done with before the next."""
        table = np.empty(_CODES, values.dtype)
        whole = np.empty((1, self.codes.shape[1]), values.dtype)
        for row, codes in enumerate(self.codes):
            table[self.values[row]] = values[row]  # the equals of the largest come last
            np.take(table, codes, out=whole[0], mode="clip")  # unlike "raise" no copy
            whole[0, self.largest[row]] = values[row, self.alone[row]]
            yield whole


def _of_row(
    codes: NDArray[np.uint16], largest: int, spare: tuple[Indices, Counts]
) -> tuple[Indices, Counts]:
    """Return the first columns of a row's values, and how many columns hold each."""
    backwards, columns_backwards = spare
    np.copyto(backwards, codes[::-1])
    occurrences = np.bincount(backwards, minlength=_CODES)
    first = np.empty(_CODES, np.intp)
    # Of several columns that are written in one place the last one stays: here the first.
    first[backwards] = columns_backwards
    columns = first[np.flatnonzero(occurrences != 0)]
    equals = int(occurrences[codes[largest]]) - 1
    if equals:
        second = np.flatnonzero(codes == codes[largest])[1]
        columns = np.append(columns, second)
    columns.sort()
    counts = occurrences[codes[columns]]
    if equals:
        counts[np.searchsorted(columns, [largest, second])] = 1, equals
    return columns, counts
