"""What is kept of a block has a limit, whatever the shape of the file."""

from __future__ import annotations

import tracemalloc

import numpy as np

import softmax_tool as st


def peak(rows: int) -> int:
    """Return the most memory that comparing so many rows of two classes takes, in bytes."""
    x = np.random.default_rng(0).standard_normal((rows, 2)).astype(np.float32)
    tracemalloc.start()
    try:
        st.compare(x, dtypes=["float32"], ops=["log-softmax"], threads=1)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_short_rows() -> None:
    peak(1000)  # what is made once, and kept
    assert peak(240_000) < 1.2 * peak(80_000)
