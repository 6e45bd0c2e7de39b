"""Which columns of a long row tell most, so that a person need not look at all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from softmax_tool.report import ShownRow

    Array = NDArray[Any]
    Slice = tuple[int | None, int | None]

SHOWN_WHOLE = 24
"""A row of up to so many classes is shown whole."""

LARGEST = 8
"""So many of the largest logits are shown of a longer row."""

ALL = (None, None)
"""Asks for every column."""


def excerpt(row: ShownRow, asked: Slice | None, kinds: Iterable[Any]) -> ShownRow:
    """Return a whole row with the columns asked for, or else those that tell most.

    One that is not whole any more is returned as it is. `kinds` are the names of all kinds.
    """
    if len(row.columns) < row.classes:
        return row
    if asked is None:
        return _at(row, telling(row.logits, row.label, row.kinds, kinds))
    return _at(row, range(row.classes)[slice(*asked)])


def telling(
    logits: Array, label: int | None, found: Iterable[Array], kinds: Iterable[Any]
) -> Sequence[int]:
    """Choose the columns of a row that tell most; all of a short one.

    They are those of the largest logits, the label, and the first of each of the `kinds` in each
    array of them `found`, (classes,).
    """
    classes = len(logits)
    if classes <= SHOWN_WHOLE:
        return range(classes)
    chosen = {*largest(logits, LARGEST)}
    if label is not None and 0 <= label < classes:
        chosen.add(label)
    names = tuple(kinds)
    for each in found:
        chosen |= {*_firsts(each, names)}
    return tuple(sorted(chosen))


def largest(logits: Array, count: int) -> list[int]:
    """Return the columns of the largest of a row of logits, of equal ones the first.

    NaN counts as 0, and an infinity as the float64 of largest magnitude with its sign.
    """
    left = np.nan_to_num(np.asarray(logits, np.float64))
    found: list[int] = []
    for _ in range(min(count, left.size)):
        found.append(int(left.argmax()))
        left[found[-1]] = -np.inf
    return found


def index(columns: Sequence[int]) -> Any:
    """Return columns as what an array takes for an index."""
    if isinstance(columns, range):
        return slice(columns.start, columns.stop)
    return np.array(columns, np.intp)


def _firsts(found: Array, names: tuple[Any, ...]) -> Iterator[int]:
    for name in names:
        where = found == name
        if where.any():
            yield int(where.argmax())


def _at(row: ShownRow, columns: Sequence[int]) -> ShownRow:
    at = index(columns)
    return replace(
        row,
        columns=columns,
        logits=row.logits[at],
        values=tuple(each[at] for each in row.values),
        kinds=tuple(each[at] for each in row.kinds),
    )
