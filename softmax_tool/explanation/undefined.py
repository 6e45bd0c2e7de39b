"""Why a row is nan by definition: as it was read, or once its logits were rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.renderers import display

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]


def undefined(read: Array, rounded: Array, target: FloatFormat) -> str:
    """Tell why a row has no softmax, and what to do about it.

    Parameters
    ----------
    read, rounded : array, shape (classes,)
        The logits as read and in the format; the latter hold a nan or +inf, or nothing but -inf.
    """
    wide = read.astype(np.float64)
    if np.isnan(wide).any() or not np.isfinite(wide.max()):
        return (
            f"The row is nan by definition: it holds {_what(wide)}. No formulation is to blame; "
            f"look at where the logits come from.{_steps_of(rounded)}"
        )
    beyond = np.flatnonzero(np.isfinite(wide) & ~np.isfinite(rounded))
    # What became +inf, or nan where the format has no infinity, is to blame before -inf.
    spoiling = beyond[rounded[beyond] != -np.inf]
    column = int(spoiling[0] if spoiling.size else beyond[0])
    limit = target.max_finite if wide[column] > 0 else -target.max_finite
    alike = int((rounded[beyond] == rounded[column]).sum())
    among = f", one of {display.count(alike)} that do" if alike > 1 else ""
    return (
        f"The row is nan by definition once it is rounded to {target.name}: the logit "
        f"{display.full(wide[column])} of class {column} is beyond {display.full(limit)}, the "
        f"last finite number of {target.name}, and becomes {float(rounded[column])}{among}. As "
        "read, the row is in order: compute in a wider format, or subtract the largest logit "
        f"before rounding, which leaves softmax as it is.{_steps_of(rounded)}"
    )


def _steps_of(rounded: Array) -> str:
    """Say why steps show numbers where the results are nan; nothing where they show none."""
    infinite = rounded == np.inf
    if np.isnan(rounded).any() or not infinite.any() or infinite.all():
        return ""
    return (
        " The steps show plain arithmetic, in which a number over inf is 0; as results all classes "
        "are nan."
    )


def _what(row: Array) -> str:
    """Name what makes a row of logits nan, and the class that holds it."""
    nan = np.flatnonzero(np.isnan(row))
    if nan.size:
        return f"a nan in class {nan[0]}"
    infinite = np.flatnonzero(row == np.inf)
    return f"an inf in class {infinite[0]}" if infinite.size else "nothing but -inf"
