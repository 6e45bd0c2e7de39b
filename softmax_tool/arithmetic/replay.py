"""An arithmetic that changes hands: the first operations by one model, all later ones wide."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.arithmetic.protocol import Arithmetic

    Array = NDArray[Any]


@frozen
class Constant:
    """A constant that no operation has taken yet: the one that takes it rounds it."""

    value: Fraction
    stored: bool = False


class Sum(NamedTuple):
    """A sum that hardly rounded: what it took and what it gave."""

    addends: Any
    total: Any


@dataclass(slots=True)
class Replay:
    """Carries out operations 0 … last by `inner`, the rest by `wide`, which hardly rounds.

    Comparing its results for last = 0, 1, 2, … with the exact ones tells at which operation a
    result went wrong. Operations are numbered as a trace numbers them. `given` are totals that the
    wide sums are to give, in place of their own.
    """

    inner: Arithmetic
    wide: Arithmetic
    last: int
    given: Sequence[Any] | None = None
    count: int = field(default=0)
    sums: list[Sum] = field(default_factory=list)  # of `wide`
    rounded: Any = None  # the result of the last operation that is rounded, and the same unrounded
    unrounded: Any = None

    def max(self, x: Any) -> Any:
        return self.inner.max(x)

    def exp(self, x: Any) -> Any:
        return self._elementwise("exp", x)

    def log(self, x: Any) -> Any:
        return self._elementwise("log", x)

    def log1p(self, x: Any) -> Any:
        return self._elementwise("log1p", x)

    def negate(self, x: Any) -> Any:
        return self._owner(x).negate(x)

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
        return self._summed(self._next(), "sum", x, x)

    def online_sum(self, x: Any) -> Any:
        return self._summed(self._next(operations=3), "online_sum", x, None)  # all in one pass

    def drop_first_max(self, e: Any, x: Any) -> Any:
        return self._owner(e).drop_first_max(e, x)

    def pick(self, x: Any, columns: Array) -> Any:
        return self._owner(x).pick(x, columns)

    def constant(self, value: Fraction) -> Any:
        return Constant(value)

    def store(self, x: Any) -> Any:
        if isinstance(x, Constant):
            return replace(x, stored=True)
        if self.count - 1 > self.last:
            return self.wide.store(x)
        stored = self.inner.store(x)
        if x is self.rounded:
            self.rounded = stored
        return stored

    def _elementwise(self, name: str, *operands: Any) -> Any:
        if self._next() is self.wide:
            return self._in_wide(name, operands)
        result = getattr(self.inner, name)(*(_taken(self.inner, x) for x in operands))
        if self.count - 1 == self.last:
            self.rounded, self.unrounded = result, self._in_wide(name, operands)
        return result

    def _in_wide(self, name: str, operands: Sequence[Any]) -> Any:
        # Without rounding there is nothing to clamp, nor a clamp to be back through.
        if name in {"maximum", "where_not_below"}:
            return operands[0]
        return getattr(self.wide, name)(*(_taken(self.wide, x) for x in operands))

    def _summed(self, owner: Arithmetic, name: str, x: Any, addends: Any) -> Any:
        if owner is self.inner:
            total = getattr(owner, name)(x)
            if self.count - 1 == self.last:
                self.rounded, self.unrounded = total, getattr(self.wide, name)(x)
            return total
        given, place = self.given, len(self.sums)
        total = getattr(owner, name)(x) if given is None else given[place]
        self.sums.append(Sum(addends, total))
        return total

    def _next(self, operations: int = 1) -> Arithmetic:
        self.count += operations
        return self.inner if self.count - 1 <= self.last else self.wide

    def _owner(self, x: Any) -> Arithmetic:
        """Return whose values these are: the wide arithmetic may have a type of its own."""
        return self.inner if isinstance(x, np.ndarray) else self.wide


def _taken(owner: Arithmetic, x: Any) -> Any:
    """Return an operand, which may be a constant, as an operation takes it."""
    if not isinstance(x, Constant):
        return x
    constant = owner.constant(x.value)
    return owner.store(constant) if x.stored else constant
