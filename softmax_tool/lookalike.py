"""What rows look like: logits, probabilities or log-probabilities.

Probabilities fed into a softmax are the classic mistake, and no error ever tells: any row of
numbers is a row of logits. All that can be asked is whether rows sum to 1, and whether they do once
exponentiated. A row that does by accident is possible, a table of them is not.
"""

from __future__ import annotations

from math import log, log1p
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.tree import tree_sum
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

LOGITS, PROBABILITIES, LOG_PROBABILITIES = "logits", "probabilities", "log-probabilities"
KINDS = (LOGITS, PROBABILITIES, LOG_PROBABILITIES)

# Half precision and tables printed with two digits miss a sum of 1 by less.
TOLERANCE = 1 / 64
# Of rows that look alike, in a table that is said to: some may be what a broken kernel wrote.
_NEARLY_ALL = 0.9


@frozen
class Likeness:
    """How many rows look like what; adds over blocks, to the same in any order.

    `undecided` rows hold a NaN or +inf and look like nothing. Of one class, 1 is a probability and
    0 a log-probability, whatever they were meant to be.
    """

    rows: int = 0
    probabilities: int = 0
    log_probabilities: int = 0
    undecided: int = 0

    def __add__(self, other: Likeness) -> Likeness:
        return Likeness(
            self.rows + other.rows,
            self.probabilities + other.probabilities,
            self.log_probabilities + other.log_probabilities,
            self.undecided + other.undecided,
        )

    @classmethod
    def of(cls, values: Array) -> Likeness:
        """Count what the rows of a block, (rows, classes) of any real dtype, look like.

        >>> Likeness.of(np.array([[0.25, 0.75], [-0.25, 0.75], [np.nan, 1.0]]))
        Likeness(rows=3, probabilities=1, log_probabilities=0, undecided=1)
        >>> Likeness.of(np.log([[0.25, 0.75], [0.5, 0.4]])).log_probabilities
        1
        """
        largest = _largest(values)
        return cls(
            len(values),
            int(np.count_nonzero(_sum_to_one(values, largest))),
            int(np.count_nonzero(_exponentials_sum_to_one(values, largest))),
            int(np.count_nonzero(np.isnan(largest) | (largest == np.inf))),
        )

    @property
    def kind(self) -> str:
        """What the table looks like: one of `KINDS`, logits unless nearly every row tells."""
        decided = self.rows - self.undecided
        if decided and self.probabilities >= _NEARLY_ALL * decided:
            return PROBABILITIES
        if decided and self.log_probabilities >= _NEARLY_ALL * decided:
            return LOG_PROBABILITIES
        return LOGITS

    def count(self, kind: str) -> int:
        """Return how many rows look like a kind; a row of logits is one that looks like no other.

        >>> Likeness(rows=5, probabilities=1, log_probabilities=2, undecided=1).count("logits")
        1
        """
        counts = {PROBABILITIES: self.probabilities, LOG_PROBABILITIES: self.log_probabilities}
        return counts.get(kind, self.rows - self.undecided - sum(counts.values()))


def sum_to_1(values: Array) -> Mask:
    """Tell which rows of (rows, classes) look like probabilities."""
    return _sum_to_one(values, _largest(values))


def exponentials_sum_to_1(values: Array) -> Mask:
    """Tell which rows of (rows, classes) look like log-probabilities."""
    return _exponentials_sum_to_one(values, _largest(values))


def _largest(values: Array) -> NDArray[np.float64]:
    return np.asarray(values.max(axis=1).astype(np.float64))


def _sum_to_one(values: Array, largest: NDArray[np.float64]) -> Mask:
    """Tell which rows are not negative and sum to 1, within `TOLERANCE`."""
    possible = np.asarray((largest > 0) & (largest <= 1 + TOLERANCE))
    rows = np.flatnonzero(possible)
    if rows.size:
        some = values[rows].astype(np.float64)
        total = tree_sum(some)[:, 0]
        possible[rows] = (some.min(axis=1) >= 0) & (np.abs(total - 1) <= TOLERANCE)
    return possible


def _exponentials_sum_to_one(values: Array, largest: NDArray[np.float64]) -> Mask:
    """Tell which rows sum to 1 once exponentiated, within `TOLERANCE`."""
    # The largest of `classes` numbers that sum to 1 is at least their mean.
    least = log((1 - TOLERANCE) / values.shape[1])
    possible = np.asarray((largest >= least) & (largest <= log1p(TOLERANCE)))
    rows = np.flatnonzero(possible)
    if rows.size:
        total = tree_sum(np.exp(values[rows].astype(np.float64)))[:, 0]
        possible[rows] = np.abs(total - 1) <= TOLERANCE
    return possible
