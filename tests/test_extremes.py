"""Where rows of logits are largest and smallest, as NumPy finds it row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.arithmetic.selection import row_max
from softmax_tool.extremes import Extremes
from softmax_tool.tiling import TILE

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [1, 10, 33, 2 * TILE - 1, 2 * TILE, 3 * TILE + 5])
def test_extremes(classes: int, dtype: type) -> None:
    rng = np.random.default_rng(classes)
    # Whole numbers: most rows have several maxima and minima, in several parts.
    logits: NDArray[Any] = np.round(rng.standard_normal((9, classes)) * 1.5).astype(dtype)
    logits[1] = -0.0
    logits[1, ::2] = 0.0
    logits[2, classes // 2 :] = np.nan
    logits[3, classes // 3] = -np.inf
    logits[4, -1] = np.inf
    logits[5, 0] = 9.0
    found = Extremes(logits)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found.highest, logits.argmax(axis=1))
        np.testing.assert_array_equal(found.lowest, logits.argmin(axis=1))
        maximum = row_max(logits)
        np.testing.assert_array_equal(found.maximum, maximum)
        np.testing.assert_array_equal(np.signbit(found.maximum), np.signbit(maximum))
        np.testing.assert_array_equal(found.minimum, logits.min(axis=1, keepdims=True))
        for least in (maximum, maximum - 1, np.full((9, 1), 9.0, dtype)):
            places = found.not_below(least)
            np.testing.assert_array_equal(places, np.flatnonzero(logits >= least))
