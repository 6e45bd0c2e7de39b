"""Masks of elements together with masks of rows: NumPy takes forty times as long over the two.

All masks are (rows, classes), or (rows, 1), (1, classes) or (1, 1) where that is the same for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


def both(a: Mask, b: Mask) -> Mask:
    """Return a & b; broadcasts to their shape.

    >>> both(np.array([[True], [False]]), np.array([[True, False], [True, True]])).tolist()
    [[True, False], [False, False]]
    """
    if a.shape[1] == b.shape[1]:
        return a & b
    elements, rows = (a, b) if b.shape[1] == 1 else (b, a)
    if rows.all():
        return elements
    return np.where(rows, elements, False) if len(elements) == 1 else _with(elements, ~rows, False)


def either(a: Mask, b: Mask) -> Mask:
    """Return a | b; broadcasts to their shape.

    >>> either(np.array([[True], [False]]), np.array([[True, False], [True, False]])).tolist()
    [[True, True], [True, False]]
    """
    if a.shape[1] == b.shape[1]:
        return a | b
    elements, rows = (a, b) if b.shape[1] == 1 else (b, a)
    if rows.all():
        return rows
    return np.where(rows, True, elements) if len(elements) == 1 else _with(elements, rows, True)


def _with(elements: Mask, rows: Mask, value: bool) -> Mask:
    if not rows.any():
        return elements
    changed = elements.copy()
    changed[rows[:, 0] if len(rows) > 1 else slice(None)] = value
    return changed
