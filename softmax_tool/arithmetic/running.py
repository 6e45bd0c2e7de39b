"""Running sums: left to right, every partial sum rounded to a format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]


def running_sums(target: FloatFormat, x: Array) -> Array:
    """Return all partial sums of each row, left to right, each rounded to the format."""
    with np.errstate(over="ignore", invalid="ignore"):
        if target.is_native:
            # An accumulation stores, and so rounds, every partial sum; it is never reordered.
            partial = np.add.accumulate(target.stored(x), axis=1, dtype=target.storage)
            return partial.astype(target.carrier, copy=False)
        partial = x.astype(target.carrier)
        for column in range(1, x.shape[1]):
            wide = np.add(partial[:, column - 1], x[:, column], dtype=target.carrier)
            partial[:, column] = target.round(wide)
        return partial
