"""What other libraries call an array, as one of NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import InputError
from softmax_tool.formats import FORMATS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_floating(values: Any, name: str) -> NDArray[Any]:
    """Return results as an array of float16, float32 or float64.

    Takes whatever has `__array__` or speaks DLPack, and lists of numbers.

    Raises
    ------
    InputError
        It is no array, or holds anything else.
    """
    array = as_array(values, name)
    if array.dtype.name not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"{name}: holds {array.dtype.name}; {known} are judged: convert it first")
    return array


def as_array(values: Any, name: str) -> NDArray[Any]:
    """Return an array of NumPy's for whatever has `__array__` or speaks DLPack, and for lists.

    Raises
    ------
    InputError
        It is none.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(f"{name}: is a masked array; fill it first")
    has_array = hasattr(values, "__array__") or not hasattr(values, "__dlpack__")
    try:
        return np.asarray(values if has_array else np.from_dlpack(values))
    except Exception as error:  # another library's own exceptions
        reason = " ".join(str(error).split()) or type(error).__name__
        advice = "; this version does not judge bfloat16" if "bfloat16" in reason.lower() else ""
        raise InputError(
            f"{name}: {type(values).__name__} is no array of NumPy's ({reason}){advice}"
        ) from None
