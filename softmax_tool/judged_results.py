"""Results of one case on one block, judged: with a computation, traced to where they went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.diagnose import judge
from softmax_tool.tally import Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.computation import Computation
    from softmax_tool.infinities import Infinities
    from softmax_tool.rows import Yardsticks

    Mask = NDArray[np.bool_]

EVERY = np.ones((1, 1), bool)
"""The list of worst cases may name every element."""


def judged_results(
    yardsticks: Yardsticks,
    numbers: NDArray[np.int64],
    quantity: str,
    got: NDArray[Any],
    computation: Computation | None,
    *,
    listed: Mask = EVERY,
    infinities: Infinities | None = None,
) -> Results:
    """Judge what was computed of a quantity.

    Parameters
    ----------
    yardsticks : Yardsticks
        What it is measured by, of the same rows.
    numbers : array of int64, shape (rows,)
        The rows' numbers among all.
    quantity : str
        softmax, log-softmax, a loss, or gradient.
    got : array, shape (rows, classes), or (rows, 1) for a loss
        What was computed.
    computation : Computation or None
        How, where that is known.
    listed : array of bool, broadcasts to `got`
        The elements that the list of worst cases may name.
    infinities : Infinities or None
        What is known where no result is finite.
    """
    invalid = yardsticks.rows.reference.invalid
    masked = yardsticks.masked(quantity)
    judged = judge(got, yardsticks.ruler(quantity), invalid, masked, computation, infinities)
    return Results(
        target=yardsticks.target,
        quantity=quantity,
        got=got,
        judged=judged,
        invalid=invalid,
        rows=yardsticks.rows,
        row_numbers=numbers,
        columns=yardsticks.labels(quantity),
        listed=listed,
        coefficients=yardsticks.coefficients(quantity),
    )
