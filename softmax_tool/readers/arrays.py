"""What the caller, or another library, calls an array, as one of NumPy's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_array(values: Any, name: str, filling: str = "") -> NDArray[Any]:
    """Return an array of NumPy's for whatever has `__array__` or speaks DLPack, and for lists.

    Parameters
    ----------
    values : array_like
    name : str
        What messages call it.
    filling : str
        What a masked array may be filled with, said after "fill it first".

    Raises
    ------
    InputError
        It is none, or masked: NumPy would take what is under the mask.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(f"{name}: is a masked array; fill it first{filling}")
    has_array = hasattr(values, "__array__") or not hasattr(values, "__dlpack__")
    try:
        return np.asarray(values if has_array else np.from_dlpack(values))
    except Exception as error:  # another library's own exceptions
        reason = " ".join(str(error).split()) or type(error).__name__
        advice = "; this version does not judge bfloat16" if "bfloat16" in reason.lower() else ""
        raise InputError(f"{name}: is not an array ({reason}){advice}") from None


def as_weights(values: Any, name: str) -> NDArray[np.float64]:
    """Return weights of classes as float64; whether there is one for each class is not asked.

    0 and negative weights are fine. An integer beyond 2**53 is rounded.

    Raises
    ------
    InputError
        It is no array of real numbers, masked, or one is nan or infinite.
    """
    array = as_array(values, name, " with the weights that are meant")
    if array.dtype.name not in _WEIGHTS:
        raise InputError(
            f"{name}: holds {array.dtype.name}; weights are real numbers, one for each class, in "
            "float16, float32, float64 or integers: convert them first"
        )
    weights = array.astype(np.float64)
    finite = np.isfinite(weights)
    if not finite.all():
        place = int(np.argmin(finite))
        raise InputError(
            f"{name}: element {place}: weights must be finite, not {weights.flat[place]}"
        )
    return weights


_INTEGERS = ("int8", "int16", "int32", "int64")
_WEIGHTS = ("float16", "float32", "float64", *_INTEGERS, *(f"u{each}" for each in _INTEGERS))
