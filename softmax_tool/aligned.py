"""Memory that begins where a cache line does.

What NumPy is given for a large array begins 16 bytes beside: every second load and store of a wide
register then touches two lines, and a sum or a product of two arrays takes twice as long.
"""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_LINE = 64  # bytes
_Byte = ctypes.c_char


def empty(shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array like `numpy.empty`, C-contiguous, that begins at a multiple of 64 bytes."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    memory = np.empty(size + _LINE, np.uint8)
    # The array's own `ctypes` takes three times as long to say where it begins.
    start = -ctypes.addressof(_Byte.from_buffer(memory.data)) % _LINE
    return np.ndarray(shape, kind, memory, start)
