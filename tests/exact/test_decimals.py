"""True values one at a time, as decimals, against mpmath."""

from __future__ import annotations

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

from softmax_tool.exact import decimals


@pytest.mark.parametrize("distance", [3, 8, 20, 30, 33, 36, 40, 100, 800])
def test_log_softmax_keeps_its_digits_near_0(distance: int) -> None:
    """Of a row [d, 0]: −log1p(e^−d), and −d less than that."""
    row = np.array([distance, 0.0])
    with mpmath.workdps(400):  # 1 + e^−800 takes as many
        near = mpmath.log(1 + mpmath.exp(-distance))
    with mpmath.workdps(50):
        for column, true in ((0, -near), (1, -distance - near)):
            found = mpmath.mpf(str(decimals.log_softmax(row, column)))
            assert abs(found - true) < abs(true) * mpmath.mpf("1e-14")
