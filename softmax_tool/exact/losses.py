"""The true loss of each row, from the true log-softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.exact.values import Exact

if TYPE_CHECKING:
    from softmax_tool.exact.values import Array, Mask, Reference
    from softmax_tool.targets import Targets


def losses(reference: Reference, targets: Targets) -> Exact:
    """Return the true loss of each row, (rows, 1), with PyTorch's semantics.

    Hard labels: -w_y y_y; smoothed: (1 - s) of that and s/C Σ -w_c y_c; probabilities:
    Σ -w_c t'_c y_c with t' = t (1 - s) + s/C. Terms are never skipped: 0 · inf is NaN.
    Weights and probabilities are those of the format; the smoothing is not rounded.
    """
    coefficients = coefficients_of(reference, targets)
    y = reference.log_softmax
    with np.errstate(all="ignore"):
        if targets.labels is not None and not targets.smoothing:
            y = _take(y, targets.labels)
        terms = -coefficients * y.hi
        hi = terms.sum(axis=1, keepdims=True)
    contributing = (coefficients != 0) & y.nonzero
    infinite = (contributing & y.infinite).any(axis=1, keepdims=True)
    return Exact(hi, None, contributing.any(axis=1, keepdims=True), infinite)


def _take(values: Exact, labels: Array) -> Exact:
    rows = np.arange(len(labels))[:, None]
    return values[rows, labels]


def coefficients_of(reference: Reference, targets: Targets) -> Array:
    """Return what each log-probability is multiplied by: (rows, 1) or (rows, classes)."""
    weights = 1.0 if targets.weights is None else targets.weights.astype(np.float64)
    if targets.probabilities is not None:
        t = targets.probabilities.astype(np.float64)
        return weights * (t * float(targets.kept) + float(targets.spread))
    assert targets.labels is not None  # noqa: S101  (hard targets have labels)
    if not targets.smoothing:
        if targets.weights is None:
            return np.ones(targets.labels.shape)
        return np.asarray(weights)[0, targets.labels]
    shape = (len(targets.labels), reference.classes)
    spread = np.full(shape, float(targets.spread))
    np.put_along_axis(spread, targets.labels, float(targets.kept + targets.spread), axis=1)
    return spread * weights


def mask_of(reference: Reference, targets: Targets) -> Mask:
    """Return which rows have a masked class as their only target, (rows, 1)."""
    if targets.labels is None or targets.smoothing:
        return np.zeros((len(reference.invalid), 1), dtype=bool)
    return np.take_along_axis(reference.masked, targets.labels, axis=1)
