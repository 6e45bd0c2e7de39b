"""Arguments of the library's functions, looked at before any work is done.

What is refused is told in one line, and by the name of the argument. A list of names may be a
single one; NumPy's integers are whole numbers, and its floats numbers with the value they have.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from operator import index
from reprlib import Repr
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.ahead import thread_count
from softmax_tool.errors import SoftmaxToolError, UsageError
from softmax_tool.renderers.display import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 40

# The options of the commands, as messages name them, that are not arguments of the same name.
_OTHERWISE = {
    "with --labels or --label-column": "as the argument labels",
    "--list-rules": "softmax-tool check --list-rules",
    "--input": "input_kind",
}
_OPTION = re.compile("|".join([*_OTHERWISE, r"(?<![\w-])--[a-z]+(?:-[a-z]+)*"]))


def name(argument: str, value: Any) -> str:
    """Return one name, such as that of an op.

    Raises
    ------
    UsageError
        It is no string.
    """
    if not isinstance(value, str):
        raise UsageError(f"{argument}={_shown(value)}: is no name; give a string")
    return str(value)


def any_names(argument: str, values: Any) -> tuple[str, ...]:
    """Return names, as many as there are; a string is one.

    Raises
    ------
    UsageError
        One is no string.
    """
    return tuple(name(argument, each) for each in _each(values))


def names(argument: str, values: Any) -> tuple[str, ...]:
    """Return one name or more; a string is one.

    Raises
    ------
    UsageError
        There is none, or one is no string.
    """
    return any_names(argument, _some(argument, values))


def optional_names(argument: str, values: Any) -> tuple[str, ...] | None:
    """Return names, or None for None."""
    return None if values is None else names(argument, values)


def dtype_name(dtype: Any) -> str:
    """Return the name of a dtype: of NumPy's, of another library's, of a type, or a name already.

    The type `float` of Python is float64, whereas the name "float" stands for float32.

    Raises
    ------
    UsageError
        It cannot be named.
    """
    if isinstance(dtype, str):
        return str(dtype)
    if isinstance(dtype, type | np.dtype):
        return np.dtype(dtype).name
    try:
        return str(getattr(dtype, "name", None) or dtype).removeprefix("torch.")
    except Exception:  # a whole number of thousands of digits; an object of another library
        raise UsageError(f"dtype {_shown(dtype)}: has no name; give one") from None


def optional_dtype_name(dtype: Any) -> str | None:
    """Return the name of a dtype, or None for None."""
    return None if dtype is None else dtype_name(dtype)


def optional_dtype_names(argument: str, dtypes: Any) -> tuple[str, ...] | None:
    """Return the names of one dtype or more, or None for None.

    Raises
    ------
    UsageError
        There is none.
    """
    if dtypes is None:
        return None
    return tuple(dtype_name(each) for each in _some(argument, dtypes))


def whole_number(argument: str, value: Any) -> int:
    """Return an integer of Python's, NumPy's, or whatever may be an index.

    Raises
    ------
    UsageError
        It is none, or beyond 64 bits; a float is none, nor is a bool.
    """
    try:
        number_ = None if isinstance(value, bool) else index(value)
    except TypeError:
        number_ = None
    if number_ is None:
        raise UsageError(f"{argument}={_shown(value)}: is no whole number")
    if not -(2**63) <= number_ < 2**63:
        raise UsageError(f"{argument}={_shown(value)}: is beyond 64 bits")
    return number_


def optional_whole_number(argument: str, value: Any) -> int | None:
    """Return an integer, or None for None."""
    return None if value is None else whole_number(argument, value)


def number(argument: str, value: Any) -> float:
    """Return a real number as a float; one of NumPy's, such as float32(0.1), has its own value.

    nan and inf are numbers here.

    Raises
    ------
    UsageError
        It is none, or beyond float64; strings, bools, complex numbers and arrays are none.
    """
    try:
        if _may_be_number(value):
            return float(value)
    except OverflowError:
        raise UsageError(f"{argument}={_shown(value)}: is beyond float64") from None
    except (TypeError, ValueError):
        pass
    raise UsageError(f"{argument}={_shown(value)}: is not a number")


def optional_number(argument: str, value: Any) -> float | None:
    """Return a real number as a float, or None for None."""
    return None if value is None else number(argument, value)


def flag(argument: str, value: Any) -> bool:
    """Return what is True or False.

    Raises
    ------
    UsageError
        It is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise UsageError(f"{argument}={_shown(value)}: is neither True nor False")
    return bool(value)


def threads_of(value: Any) -> int:
    """Return how many threads to use; all processors for None.

    Raises
    ------
    UsageError
        It is no whole number, or below 1.
    """
    return thread_count(optional_whole_number("threads", value))


@contextmanager
def named_as_arguments() -> Iterator[None]:
    """Have errors name arguments where they name options of the commands, in one line."""
    try:
        yield
    except SoftmaxToolError as error:
        error.args = (visible(with_arguments(str(error))),)
        raise


def with_arguments(message: str) -> str:
    """Return a message that names arguments in place of options.

    >>> with_arguments("is no float16: use --logits-dtype float32")
    'is no float16: use logits_dtype float32'
    """

    def argument(option: re.Match[str]) -> str:
        found = option[0]
        return _OTHERWISE.get(found, found.removeprefix("--").replace("-", "_"))

    return _OPTION.sub(argument, message)


def _each(values: Any) -> tuple[Any, ...]:
    """Return what is given, one or several or none."""
    if isinstance(values, str | np.dtype):  # which can be gone through as sequences
        return (values,)
    try:
        return tuple(values)
    except TypeError:
        return (values,)


def _some(argument: str, values: Any) -> tuple[Any, ...]:
    several = _each(values)
    if not several:
        raise UsageError(f"{argument}={_shown(values)}: names none; give one at least")
    return several


def _may_be_number(value: Any) -> bool:
    """Tell whether a value is of a kind that is a number; NumPy makes floats of strings, too."""
    if isinstance(value, bool) or getattr(value, "ndim", None):
        return False
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype.kind in "iuf"
    return hasattr(value, "__float__") or hasattr(value, "__index__")


def _shown(value: Any) -> str:
    """Return a value as it stands in a message: one line, and not long."""
    try:
        return " ".join(_SHORT.repr(value).split())
    except Exception:  # a whole number of thousands of digits; an array of another library
        return f"<{type(value).__name__}>"
