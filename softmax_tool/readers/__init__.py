"""Files and arrays in, blocks of rows out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softmax_tool.readers.arrays import as_weights
    from softmax_tool.readers.column import open_column
    from softmax_tool.readers.memory import from_arrays
    from softmax_tool.readers.opening import open_logits
    from softmax_tool.readers.source import Block, InputOverflow, Source
    from softmax_tool.readers.vector import read_vector

__all__ = [
    "Block",
    "InputOverflow",
    "Source",
    "as_weights",
    "from_arrays",
    "open_column",
    "open_logits",
    "read_vector",
]

# Imported when asked for, so that a process that only parses starts fast.
_HOMES = {
    "Block": "source",
    "InputOverflow": "source",
    "Source": "source",
    "as_weights": "arrays",
    "from_arrays": "memory",
    "open_column": "column",
    "open_logits": "opening",
    "read_vector": "vector",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
