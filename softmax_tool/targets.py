"""What a loss is taken against."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import UsageError
from softmax_tool.exact_sum import ExactSum
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]


@frozen
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
    divisor : Fraction or float
        What the gradient of a mean is divided by, ±inf where weights are infinite once rounded; 1
        where it is of each row's own loss.
    own_weights : array, shape (rows, classes), or None
        Weight of the label, 1 without weights, at each label and 0 elsewhere; there where a
        gradient is taken. Chosen, not multiplied: 0 times an infinite weight would be nan.
    """

    labels: Array | None
    probabilities: Array | None
    weights: Array | None
    smoothing: Fraction
    kept: Fraction
    spread: Fraction
    divisor: Fraction | float = Fraction(1)
    own_weights: Array | None = None

    @property
    def share(self) -> Fraction:
        """What a row's own loss counts for in the loss that a gradient is of."""
        return 1 / self.divisor if isinstance(self.divisor, Fraction) else Fraction(0)

    @classmethod
    def of(
        cls,
        labels: Array,
        target: FloatFormat,
        classes: int,
        *,
        ignore_index: int,
        smoothing: Fraction,
        weights: Array | None,
    ) -> Targets:
        """Take class indices (rows,) or probabilities (rows, classes), and round to a format."""
        hard = labels.ndim == 1
        return cls(
            labels=np.where(labels == ignore_index, 0, labels)[:, None] if hard else None,
            probabilities=None if hard else target.round(labels),
            weights=None if weights is None else target.round(np.asarray(weights))[None, :],
            smoothing=smoothing,
            kept=1 - smoothing,
            spread=smoothing / classes,
        )

    @property
    def only(self) -> Array | None:
        """The labels, if the loss of a row takes the log-probability of its class alone."""
        return None if self.smoothing else self.labels

    def for_gradient(self, counts: Array | None, shape: tuple[int, ...]) -> Targets:
        """Add what the way back from a loss needs, for logits of that shape.

        `counts` says how many rows of each class a mean is over; None where there is no mean.

        Raises
        ------
        UsageError
            The mean divides by 0, or by nan: infinities of both signs.
        """
        divisor = Fraction(1) if counts is None else self._total_weight(counts)
        if not divisor or isnan(divisor):
            raise UsageError(
                f"the weights of the labels add up to {float(divisor):.0f}, by which a mean would "
                "divide its gradient; use --reduction sum"
            )
        own_weights = None
        if self.labels is not None:
            own = np.ones(1, np.float32) if self.weights is None else self.weights[0, self.labels]
            own_weights = np.zeros(shape, own.dtype)
            np.put_along_axis(own_weights, self.labels, own, axis=1)
        return replace(self, divisor=divisor, own_weights=own_weights)

    def _total_weight(self, counts: NDArray[np.int64]) -> Fraction | float:
        """Return the sum of the labels' weights, of so many rows of each class."""
        if self.weights is None or self.labels is None:
            return Fraction(int(counts.sum()))
        total = ExactSum.of(np.repeat(self.weights[0], counts))
        special = total.special()
        return total.fraction() if special is None else special

    def divisors(self, rows: int, target: FloatFormat) -> Array:
        """Return what so many rows add to what a mean divides by: their labels' weights, or 1."""
        if self.labels is None or self.weights is None:
            return np.ones(rows, target.carrier)
        return np.asarray(self.weights[0, self.labels[:, 0]])

    def map(self, function: Callable[[Array], Array]) -> Targets:
        """Apply a function to the probabilities and the weights."""
        probabilities, weights = self.probabilities, self.weights
        return replace(
            self,
            probabilities=None if probabilities is None else function(probabilities),
            weights=None if weights is None else function(weights),
            own_weights=None if self.own_weights is None else function(self.own_weights),
        )

    def __getitem__(self, rows: Any) -> Targets:
        labels, probabilities = self.labels, self.probabilities
        return replace(
            self,
            labels=None if labels is None else labels[rows],
            probabilities=None if probabilities is None else probabilities[rows],
            own_weights=None if self.own_weights is None else self.own_weights[rows],
        )
