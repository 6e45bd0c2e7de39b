"""An arithmetic that computes elementwise results only in the columns that are picked in the end.

A loss of class labels needs one class of each row; all classes are needed only under a maximum or a
sum. Every elementwise operation gives a column the same bits whether or not it has neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.arithmetic.protocol import Arithmetic

    Array = NDArray[Any]


@dataclass(slots=True, eq=False)
class Later:
    """An operation still to be carried out, on all classes, or on the picked ones."""

    operation: str
    operands: tuple[Any, ...]
    whole: Array | None = field(default=None)
    picked: Array | None = field(default=None)


@frozen
class Deferred:
    """Carries out operations with `inner`, as late and on as few classes as possible."""

    inner: Arithmetic
    columns: Array  # (rows, 1)

    def logits(self, x: Array) -> Any:
        """Return logits (rows, classes) to compute with."""
        return Later("pick", (), whole=x)

    def max(self, x: Any) -> Any:
        return self.inner.max(self._whole(x))

    def exp(self, x: Any) -> Any:
        return self._elementwise("exp", x)

    def log(self, x: Any) -> Any:
        return self._elementwise("log", x)

    def log1p(self, x: Any) -> Any:
        return self._elementwise("log1p", x)

    def negate(self, x: Any) -> Any:
        return self._elementwise("negate", x)

    def add(self, x: Any, y: Any) -> Any:
        return self._elementwise("add", x, y)

    def subtract(self, x: Any, y: Any) -> Any:
        return self._elementwise("subtract", x, y)

    def multiply(self, x: Any, y: Any) -> Any:
        return self._elementwise("multiply", x, y)

    def divide(self, x: Any, y: Any) -> Any:
        return self._elementwise("divide", x, y)

    def maximum(self, x: Any, y: Any) -> Any:
        return self._elementwise("maximum", x, y)

    def where_not_below(self, g: Any, x: Any, limit: Any) -> Any:
        return self._elementwise("where_not_below", g, x, limit)

    def sum(self, x: Any) -> Any:
        return self.inner.sum(self._whole(x))

    def online_sum(self, x: Any) -> Any:
        return self.inner.online_sum(self._whole(x))

    def drop_first_max(self, e: Any, x: Any) -> Any:
        return self.inner.drop_first_max(self._whole(e), self._whole(x))

    def pick(self, x: Any, columns: Array) -> Any:
        if isinstance(x, Later) and columns is self.columns:
            return self._picked(x)
        return self.inner.pick(self._whole(x), columns)

    def constant(self, value: Fraction) -> Any:
        return self.inner.constant(value)

    def store(self, x: Any) -> Any:
        return self._elementwise("store", x)

    def _elementwise(self, operation: str, *operands: Any) -> Any:
        if any(isinstance(operand, Later) for operand in operands):
            return Later(operation, operands)
        return getattr(self.inner, operation)(*operands)

    def _whole(self, x: Any) -> Array:
        if not isinstance(x, Later):
            return np.asarray(x)
        if x.whole is None:
            operands = [self._whole(operand) for operand in x.operands]
            x.whole = getattr(self.inner, x.operation)(*operands)
        assert x.whole is not None  # noqa: S101  (just made)
        return x.whole

    def _picked(self, x: Any) -> Array:
        if not isinstance(x, Later):
            return np.asarray(x)  # belongs to the row
        if x.picked is None:
            if x.operands:
                operands = [self._picked(operand) for operand in x.operands]
                x.picked = getattr(self.inner, x.operation)(*operands)
            else:
                x.picked = self.inner.pick(self._whole(x), self.columns)
        assert x.picked is not None  # noqa: S101  (just made)
        return x.picked
