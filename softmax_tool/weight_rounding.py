"""What rounding class weights to a format does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.formulations import NEED_LABELS
from softmax_tool.renderers.display import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat


def remarks(
    weights: NDArray[Any] | None, formats: Sequence[FloatFormat], ops: Sequence[str]
) -> Iterator[str]:
    """Say where weights become infinite or 0: the exact losses are those of the rounded ones.

    `weights` has shape (classes,); nothing is said where no op weighs.
    """
    if weights is None or not set(ops) & set(NEED_LABELS):
        return
    for target in formats:
        rounded = target.round(np.asarray(weights))
        lost = []
        if np.isinf(rounded).any():
            lost.append(f"infinite, the largest {target.name} being {number(target.max_finite)}")
        if (rounded[weights != 0] == 0).any():
            lost.append("0")
        if lost:
            yield (
                f"Rounding the weights to {target.name} makes some of them "
                f"{' and some '.join(lost)}: losses are those of the rounded weights. Scale the "
                "weights, or use a wider dtype."
            )
