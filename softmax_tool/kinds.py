"""The kinds of what goes wrong with a result."""

from __future__ import annotations

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
