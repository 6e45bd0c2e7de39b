"""Files and arrays in, blocks of rows out."""

from softmax_tool.readers.column import open_column
from softmax_tool.readers.memory import from_arrays
from softmax_tool.readers.opening import open_logits
from softmax_tool.readers.source import Block, InputOverflow, Source
from softmax_tool.readers.vector import read_vector

__all__ = [
    "Block",
    "InputOverflow",
    "Source",
    "from_arrays",
    "open_column",
    "open_logits",
    "read_vector",
]
