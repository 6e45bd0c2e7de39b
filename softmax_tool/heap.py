"""Memory that is kept by the process when an array has gone, for the next one."""

from __future__ import annotations

import numpy as np

# glibc takes blocks of more than its threshold from the system and gives them back at once, page
# by page, which costs as much as a fifth of the work here. Each such block that is freed raises the
# threshold to its size, up to 32 MB (mallopt(3), M_MMAP_THRESHOLD).
_BYTES = 31 << 20


def keep_freed_memory() -> None:
    """Let the C library keep the memory of arrays that are freed, where it can learn that.

    Nothing is written to the block that teaches it, so that it never takes up memory.
    """
    np.empty(_BYTES, np.uint8)
