"""What a formulation is: a formula in the operations of an arithmetic, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.bounds import Bound

    Array = NDArray[Any]


@frozen
class Formulation:
    """One way to compute one quantity.

    `compute(xp, x)` takes logits (rows, classes) and returns probabilities or log-probabilities of
    the same shape; a loss goes on from there with `losses.per_row`. A gradient takes the arithmetic
    of the way back and the targets as well. `error_bound` is the a-priori
    bound on the absolute error of each element, None where none is derived.
    """

    name: str
    quantity: str
    compute: Callable[..., Array]
    formula: str
    source: str
    error_bound: Bound | None = None
