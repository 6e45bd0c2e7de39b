"""Results as an array of a dtype that is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool.errors import InputError
from softmax_tool.formats import FORMATS
from softmax_tool.readers.arrays import as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_floating(values: Any, name: str) -> NDArray[Any]:
    """Return results as an array of float16, float32 or float64.

    Takes whatever has `__array__` or speaks DLPack, and lists of numbers.

    Raises
    ------
    InputError
        It is no array, masked, or holds anything else.
    """
    array = as_array(values, name)
    if array.dtype.name not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"{name}: holds {array.dtype.name}; {known} are judged: convert it first")
    return array
