"""Softmax, log-softmax and cross-entropy in low precision, judged against exact values.

>>> import softmax_tool as st
>>> report = st.compare([[12.0, 0.0]], dtypes=["float16"], formulations=["naive", "shifted"])
>>> {case.name.formulation: list(case.kinds) for case in report.cases[:2]}
{'naive': ['overflow'], 'shifted': ['subnormal']}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from softmax_tool.errors import InputError, SoftmaxToolError, UsageError
from softmax_tool.version import VERSION

if TYPE_CHECKING:
    from softmax_tool.api import compare, compute, explain, inspect, limits
    from softmax_tool.check.assertion import assert_accurate

__version__ = VERSION

# NumPy is imported with the first function that is used, so that `--version` stays fast.
_FUNCTIONS = {
    "assert_accurate": "softmax_tool.check.assertion",
    "compare": "softmax_tool.api",
    "compute": "softmax_tool.api",
    "explain": "softmax_tool.api",
    "inspect": "softmax_tool.api",
    "limits": "softmax_tool.api",
}

__all__ = [
    "InputError",
    "SoftmaxToolError",
    "UsageError",
    "__version__",
    "assert_accurate",
    "compare",
    "compute",
    "explain",
    "inspect",
    "limits",
]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS})
