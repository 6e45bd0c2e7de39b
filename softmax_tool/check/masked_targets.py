"""Masked classes that a loss takes: what is infinite, or nan, whoever computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.check.found import Found, Place, gather
from softmax_tool.formulations import LOSSES
from softmax_tool.renderers.display import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from softmax_tool.plan import Options

    Array = NDArray[Any]


def masked_targets(
    logits: Array, labels: Array, rows: Array, options: Options, ops: Sequence[str]
) -> Found | None:
    """Find the rows whose loss takes the log-probability of a masked class, which is -inf.

    `logits` are those of the rows numbered `rows`, and so are their `labels`, classes (rows,) or
    probabilities (rows, classes). A row that is masked all over is another matter. Where no loss is
    among the `ops`, only classes that the labels themselves give a share are looked at: a class of
    which the target is 0, or smoothing alone, does a gradient no harm.
    """
    masked = logits == -np.inf
    if not masked.any():
        return None
    taken = masked & ~masked.all(axis=1, keepdims=True)
    takes_all = labels.ndim == 2 or bool(options.label_smoothing)
    if not (takes_all and set(ops) & set(LOSSES)):
        taken &= _given(labels, taken.shape)
    first = taken.argmax(axis=1)

    def at(row: int, _: int) -> Place:
        column, target = int(first[row]), _targets(labels[row], logits.shape[1], options)
        loss = _loss(target, taken[row], options)
        text = f"class {column}, of target {number(float(target[column]))}, is masked, logit -inf"
        if labels.ndim == 1 and column == labels[row]:
            text = f"label {column} is a masked class, logit -inf"
        return Place(0.0, int(rows[row]), column, f"{text}: the loss is {number(loss)}")

    hit = taken.any(axis=1, keepdims=True)
    return gather(hit, np.zeros(hit.shape), options.top, at)


def _given(labels: Array, shape: tuple[int, ...]) -> Array:
    """Tell which classes the labels give a share, (rows, classes)."""
    if labels.ndim == 2:
        return np.asarray(labels != 0)
    own = np.zeros(shape, bool)
    np.put_along_axis(own, labels[:, None], True, axis=1)
    return own


def _targets(label: Array, classes: int, options: Options) -> Array:
    """Return the target of each class of a row, as label smoothing leaves it."""
    targets = np.zeros(classes) if label.ndim == 0 else label.astype(np.float64)
    if label.ndim == 0:
        targets[label] = 1.0
    smoothing = options.label_smoothing
    return targets * (1 - smoothing) + smoothing / classes


def _loss(targets: Array, taken: Array, options: Options) -> float:
    """Return what the masked classes that a loss takes make of it: nan where one counts for 0."""
    weights = np.ones(len(targets)) if options.weights is None else options.weights
    with np.errstate(invalid="ignore"):
        return float((weights * targets * np.inf)[taken].sum())
