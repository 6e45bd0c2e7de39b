"""The fixed summation tree: a sum that depends on the row alone.

Classes are cut into leaves of 1024, aligned to class 0. A leaf is NumPy's pairwise sum over
contiguous values; neighbouring leaf sums are added level by level, an odd one passing up. Neither
the number of rows in a block nor memory layout nor threads can change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAF = 1024


def tree_sum(values: NDArray[Any]) -> NDArray[Any]:
    """Sum each row of (rows, classes) values in their own type; returns (rows, 1)."""
    values = np.ascontiguousarray(values)
    with np.errstate(over="ignore", invalid="ignore"):
        return combine_leaves(leaf_sums(values))


def leaf_sums(values: NDArray[Any]) -> NDArray[Any]:
    """Sum the leaves of each C-contiguous row; returns (rows, leaves)."""
    rows, classes = values.shape
    full = classes // LEAF
    sums = np.empty((rows, -(-classes // LEAF)), values.dtype)
    if full:
        leaves = values[:, : full * LEAF].reshape(rows, full, LEAF)
        np.add.reduce(leaves, axis=2, out=sums[:, :full])
    if classes > full * LEAF:
        # A contiguous copy: what NumPy's reduction does may depend on strides.
        rest = np.ascontiguousarray(values[:, full * LEAF :])
        np.add.reduce(rest, axis=1, out=sums[:, full])
    return sums


def combine_leaves(sums: NDArray[Any]) -> NDArray[Any]:
    """Add neighbours until one sum a row is left; returns (rows, 1)."""
    while sums.shape[1] > 1:
        even = sums.shape[1] // 2 * 2
        added = sums[:, 0:even:2] + sums[:, 1:even:2]
        sums = np.concatenate([added, sums[:, even:]], axis=1)
    return sums
