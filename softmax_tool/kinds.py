"""The kinds of what goes wrong with a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# In the order in which they are asked: an element has the first kind that fits it.
KINDS = (
    "overflow",
    "zero-denominator",
    "log-of-zero",
    "absorbed",
    "underflow",
    "nan",
    "inf",
    "stalled-sum",
    "silent-error",
    "subnormal",
)
NO_KIND = -1
CODE = {kind: code for code, kind in enumerate(KINDS)}


def mark(codes: NDArray[np.int8], here: NDArray[np.bool_], code: int) -> None:
    """Write a code where there is none yet, `NO_KIND`.

    By a sum, as NumPy takes many times as long to write where a mask is set.
    """
    codes += here.view(np.int8) * np.int8(code - NO_KIND)


def occurring(codes: NDArray[np.int8]) -> list[int]:
    """Return which kinds occur among codes, `NO_KIND` for none."""
    least, most = int(codes.min(initial=len(KINDS))), int(codes.max(initial=NO_KIND))
    if least == most:
        return [most] if most != NO_KIND else []
    return [code for code in range(max(least, 0), most + 1) if (codes == code).any()]
