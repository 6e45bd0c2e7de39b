"""Softmax, log-softmax and cross-entropy in low precision, judged against exact values.

>>> import softmax_tool as st
>>> report = st.compare([[12.0, 0.0]], dtypes=["float16"], formulations=["naive", "shifted"])
>>> {case.name.formulation: list(case.kinds) for case in report.cases[:2]}
{'naive': ['overflow'], 'shifted': ['subnormal']}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool.errors import InputError, SoftmaxToolError, UsageError
from softmax_tool.version import VERSION

if TYPE_CHECKING:
    from softmax_tool.api import compare, compute, explain, inspect, limits

__version__ = VERSION

# NumPy is imported with the first function that is used, so that `--version` stays fast.
_FUNCTIONS = ("compare", "compute", "explain", "inspect", "limits")

__all__ = [
    "InputError",
    "SoftmaxToolError",
    "UsageError",
    "__version__",
    "compare",
    "compute",
    "explain",
    "inspect",
    "limits",
]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        from softmax_tool import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS})
