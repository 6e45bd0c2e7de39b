"""What the labels of a block say: which rows count, and what their targets are."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.plan import Options
    from softmax_tool.readers import Block

    Mask = NDArray[np.bool_]


def kept_rows(block: Block, options: Options) -> Mask:
    """Return which rows losses count, (rows,): all but those whose label is the ignored one."""
    if block.labels is None or block.labels.ndim > 1:
        return np.ones(len(block.logits), bool)
    return np.asarray(block.labels != options.ignore_index)


def targets_of(
    labels: NDArray[Any] | None,
    classes: int,
    target: FloatFormat,
    options: Options,
    *,
    gradient: bool,
) -> Targets | None:
    """Return the targets of rows in a format; with what a `gradient` takes where there is one."""
    if labels is None:
        return None
    targets = Targets.of(
        labels,
        target,
        classes,
        ignore_index=options.ignore_index,
        smoothing=Fraction(options.label_smoothing),
        weights=options.weights,
    )
    if gradient:
        return targets.for_gradient(options.label_counts, (len(labels), classes))
    return targets
