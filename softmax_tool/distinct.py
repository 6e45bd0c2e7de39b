"""The distinct values of each row: where a format of 16 bits is computed and judged.

A row of many classes holds every value of such a format many times over, and whatever belongs to an
element alone, given its row, comes out alike for all that are alike. So it is made once for each
value, at the first column that holds it, and counted as often as the value occurs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Counts = NDArray[np.int64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_CODES = 1 << 16
_HIGHEST = np.iinfo(np.int32).max
_APART = _CODES  # in place of the bits of what is not looked up by them
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


@frozen
class Distinct:
    """Where the distinct values of each row are, in the order of their first columns.

    Some columns stand alone, apart from their equals: that of the first maximum, which `log1p`
    drops from the sum, and that of the label. Rows with fewer values than others repeat one, which
    then counts 0 times.
    """

    codes: NDArray[np.uint16]  # (rows, classes): the bits of each logit
    columns: Indices  # (rows, some): the first column of each value
    counts: Counts  # (rows, some): how many columns hold it
    bits: Indices  # (rows, some): its bits; _APART where it stands alone, or counts 0 times
    apart: Indices  # (rows, 1 or 2): the columns that stand alone

    @classmethod
    def of(
        cls,
        logits: Array,
        target: FloatFormat,
        stored: Array | None = None,
        labels: Array | None = None,
    ) -> Distinct | None:
        """Find those of logits (rows, classes) of a format; None where too little is repeated.

        `stored` has the same logits in NumPy's own type of the format, if there is such an array.
        """
        rows, classes = logits.shape
        if classes < _MANY_CLASSES or not _is_short(target):
            return None
        codes = np.ascontiguousarray(target.stored(logits) if stored is None else stored)
        codes, apart = codes.view(np.uint16), logits.argmax(axis=1)[:, None]
        if labels is not None:
            apart = np.concatenate([apart, labels], axis=1)
        found: list[tuple[Indices, Counts, Indices]] = []
        narrow = np.int32 if classes <= _HIGHEST else np.intp  # of half the memory
        spare = np.empty(classes, np.intp), np.arange(classes - 1, -1, -1, dtype=narrow)
        for row in range(rows):
            found.append(_of_row(codes[row], sorted({*apart[row].tolist()}), spare))
            if len(found[-1][0]) > classes * _LARGEST_SHARE:
                return None
        width = max(len(columns) for columns, *_ in found)
        columns, counts = np.zeros((rows, width), np.intp), np.zeros((rows, width), np.int64)
        bits = np.full((rows, width), _APART)
        for row, (first, often, its_bits) in enumerate(found):
            size = len(first)
            columns[row, :size], counts[row, :size], bits[row, :size] = first, often, its_bits
            bits[row, np.searchsorted(first, apart[row])] = _APART
            columns[row, size:] = first[(first != apart[row, 0]).argmax()]  # log1p drops that one
        return cls(codes, columns, counts, bits, apart)

    def __getitem__(self, rows: Any) -> Distinct:
        return Distinct(
            self.codes[rows],
            self.columns[rows],
            self.counts[rows],
            self.bits[rows],
            self.apart[rows],
        )

    def places(self, columns: Array) -> Indices:
        """Return which of the distinct values has its first column there, (rows, 1)."""
        return np.asarray((self.columns == columns).argmax(axis=1)[:, None])

    def pick(self, values: Array) -> Array:
        """Return what stands at the distinct values of whole rows, (rows, some)."""
        starts = np.arange(0, values.size, values.shape[1])[:, None]
        return np.take(values, self.columns + starts)

    def expand(self, values: Array) -> Array:
        """Return what whole rows hold, (rows, classes), of what is given at distinct values."""
        expanded = np.empty(self.codes.shape, values.dtype)
        for row, whole in enumerate(self.whole_rows(values)):
            expanded[row] = whole[0]
        return expanded

    def whole_rows(self, values: Array) -> Iterator[Array]:
        """Give the same row by row, (1, classes), each to be done with before the next."""
        table = np.zeros(_APART + 1, values.dtype)
        whole = np.empty((1, self.codes.shape[1]), values.dtype)
        alone = [self.places(columns[:, None])[:, 0] for columns in self.apart.T]
        for row, codes in enumerate(self.codes):
            table[self.bits[row]] = values[row]
            np.take(table, codes, out=whole[0], mode="clip")  # unlike "raise" no copy
            for column, place in zip(self.apart[row], alone, strict=True):
                whole[0, column] = values[row, place[row]]
            yield whole


def _of_row(
    codes: NDArray[np.uint16], apart: list[int], spare: tuple[Indices, Indices]
) -> tuple[Indices, Counts, Indices]:
    """Return the first columns of a row's values, how many columns hold each, and its bits."""
    backwards, columns_backwards = spare
    np.copyto(backwards, codes[::-1])
    counts = np.bincount(backwards, minlength=_CODES)
    first = np.empty(_CODES, columns_backwards.dtype)
    # Of several columns that are written in one place the last one stays: here the first.
    first[backwards] = columns_backwards
    for column in apart:
        counts[codes[column]] -= 1
    for code in codes[apart]:
        if counts[code]:
            equals = np.flatnonzero(codes == code)
            first[code] = next(column for column in equals if column not in apart)
    is_first = np.zeros(len(codes), np.bool_)
    is_first[first[np.flatnonzero(counts != 0)].astype(np.intp)] = True
    is_first[apart] = True
    columns = np.flatnonzero(is_first)
    bits = codes[columns].astype(np.intp)
    counts = counts[bits]
    counts[np.searchsorted(columns, apart)] = 1
    return columns, counts, bits
