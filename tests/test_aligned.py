"""Arrays that begin where a cache line does."""

from __future__ import annotations

import numpy as np
import pytest

from softmax_tool import aligned


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "?"])
@pytest.mark.parametrize("shape", [(0,), (1,), (3, 7), (2, 100_003)])
def test_an_array_begins_at_a_cache_line(shape: tuple[int, ...], dtype: str) -> None:
    held = [aligned.empty(shape, dtype) for _ in range(5)]
    for array in held:
        assert array.shape == shape
        assert array.dtype == np.dtype(dtype)
        assert array.ctypes.data % 64 == 0 or not array.size
        assert array.flags.c_contiguous
        assert array.flags.writeable
