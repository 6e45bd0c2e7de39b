"""What a loss is taken against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Targets:
    """What a loss is taken against, for one block of rows, already rounded to the format.

    Attributes
    ----------
    labels : array of int64, shape (rows, 1), or None
        Class of each row; 0 where the row is ignored.
    probabilities : array, shape (rows, classes), or None
        Target probabilities, in place of labels.
    weights : array, shape (1, classes), or None
        Weight of each class.
    smoothing : Fraction
        Label smoothing, as given; `kept` is 1 - smoothing, `spread` is smoothing / classes.
    """

    labels: Array | None
    probabilities: Array | None
    weights: Array | None
    smoothing: Fraction
    kept: Fraction
    spread: Fraction

    @property
    def only(self) -> Array | None:
        """The labels, if the loss of a row takes the log-probability of its class alone."""
        return None if self.smoothing else self.labels

    def map(self, function: Callable[[Array], Array]) -> Targets:
        """Apply a function to the probabilities and the weights."""
        probabilities, weights = self.probabilities, self.weights
        return replace(
            self,
            probabilities=None if probabilities is None else function(probabilities),
            weights=None if weights is None else function(weights),
        )

    def __getitem__(self, rows: Any) -> Targets:
        labels, probabilities = self.labels, self.probabilities
        return replace(
            self,
            labels=None if labels is None else labels[rows],
            probabilities=None if probabilities is None else probabilities[rows],
        )
