"""Which classes are largest before softmax and after it, and whether they are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.explanation.report import Argmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

_NAMED = 8  # so many classes of equal value are named


def argmax(read: Array, rounded: Array, after: Mapping[str, Array]) -> Argmax:
    """Compare the largest classes of a row, all of those that tie.

    Parameters
    ----------
    read, rounded : array, shape (classes,)
        The logits, as read and in the format.
    after : mapping of arrays, shape (classes,)
        Softmax, by formulation.
    """
    values = {"read": read, "rounded": rounded, **after}
    places = {name: _largest(found) for name, found in values.items()}
    named = {name: tuple(found[:_NAMED].tolist()) for name, found in places.items()}
    return Argmax(
        named["read"],
        named["rounded"],
        {name: named[name] for name in after},
        {name: len(found) for name, found in places.items()},
        kept=all(np.array_equal(places["read"], found) for found in places.values()),
    )


def _largest(values: Array) -> Array:
    """Return the classes of the largest value; none where a NaN leaves none."""
    if np.isnan(values).any():
        return np.empty(0, np.int64)
    return np.flatnonzero(values == values.max())
