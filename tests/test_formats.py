"""A format whose values are stored in a wider type is rounded into like any other."""

from __future__ import annotations

import numpy as np
import pytest

from softmax_tool.formats import FloatFormat

FLOAT32 = np.dtype(np.float32)
BFLOAT16 = FloatFormat("bfloat16", 8, -126, 127, float.fromhex("0x1.fep127"), True, FLOAT32)
E4M3FN = FloatFormat("float8_e4m3fn", 4, -6, 8, 448.0, False, FLOAT32)
E5M2 = FloatFormat("float8_e5m2", 3, -14, 15, 57344.0, True, FLOAT32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_of_the_storage_type_are_rounded_too(dtype: type[np.floating]) -> None:
    rounded = BFLOAT16.round(np.array([0.6593, 1 + 2**-8, 1 + 3 * 2**-8, -0.0], dtype))
    np.testing.assert_array_equal(rounded, [0.66015625, 1, 1 + 2**-6, 0])
    assert rounded.dtype == FLOAT32


def test_bits() -> None:
    assert [f.bits for f in (BFLOAT16, E4M3FN, E5M2)] == [16, 8, 8]
