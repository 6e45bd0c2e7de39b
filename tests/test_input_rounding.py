"""Rows whose logits are further apart than a format reaches, counted in rational numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.formats import find_format

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = np.finfo(np.float64).max
ULP = 2.0**971


def far_apart(rows: NDArray[Any], dtype: str) -> int:
    """Count them: a row with nan or +inf is nan by definition, -inf masks a class."""
    target = find_format(dtype)
    found = 0
    for row in target.round(rows):
        finite = [Fraction(float(logit)) for logit in row if np.isfinite(logit)]
        is_nan = bool(np.isnan(row).any() or (row == np.inf).any())
        if finite and not is_nan:
            found += max(finite) - min(finite) >= target.overflow_threshold
    return found


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_at_and_around_the_edge(dtype: str) -> None:
    most = find_format(dtype).max_finite
    rng = np.random.default_rng(4)
    rows = rng.choice([-1, -0.5, 0, 0.25, 0.5, 1], (200, 3)) * most
    rows *= 1 - rng.integers(0, 3, rows.shape) * find_format(dtype).unit_roundoff
    rows[:20, 0], rows[10:30, 1], rows[25:40, 2] = -np.inf, np.nan, np.inf
    rows[40] = -np.inf
    report = st.compare(rows, dtypes=[dtype], ops=["log-softmax"], formulations=["shifted"])
    [rounding] = report.input_rounding
    assert rounding.far_apart == far_apart(rows, dtype) > 20


@pytest.mark.parametrize(
    ("row", "count"),
    [
        ([LARGEST, -ULP / 2], 1),  # half an ULP further is infinite
        ([LARGEST, -ULP / 4], 0),
        ([LARGEST / 2, -LARGEST / 2 - ULP / 2], 1),
        ([LARGEST / 2, -LARGEST / 2], 0),
    ],
)
def test_differences_at_the_edge_of_float64(row: list[float], count: int) -> None:
    assert far_apart(np.array([row]), "float64") == count
    report = st.compare([row], dtypes=["float64"], ops=["log-softmax"], formulations=["shifted"])
    assert report.input_rounding[0].far_apart == count
