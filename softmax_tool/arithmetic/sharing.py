"""An arithmetic that remembers: formulations that begin alike share the work, not the code."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.arithmetic.protocol import Arithmetic

    Array = NDArray[Any]


@frozen
class Sharing:
    """Carries out each operation on the same arrays once; results must not be written to.

    Meant for one block of rows: it keeps every intermediate result alive.
    """

    inner: Arithmetic
    # Operands are kept beside the result, so that their identities stay theirs.
    results: dict[tuple[Any, ...], tuple[tuple[Any, ...], Array]] = field(default_factory=dict)

    def know(self, name: str, operands: tuple[Array, ...], result: Array) -> None:
        """Take in what an operation gives, so that it need not be carried out."""
        self.results[(name, *map(id, operands))] = (operands, result)

    def max(self, x: Array) -> Array:
        return self._shared("max", x)

    def exp(self, x: Array) -> Array:
        return self._shared("exp", x)

    def log(self, x: Array) -> Array:
        return self._shared("log", x)

    def log1p(self, x: Array) -> Array:
        return self._shared("log1p", x)

    def negate(self, x: Array) -> Array:
        return self._shared("negate", x)

    def add(self, x: Array, y: Array) -> Array:
        return self._shared("add", x, y)

    def subtract(self, x: Array, y: Array) -> Array:
        return self._shared("subtract", x, y)

    def multiply(self, x: Array, y: Array) -> Array:
        return self._shared("multiply", x, y)

    def divide(self, x: Array, y: Array) -> Array:
        return self._shared("divide", x, y)

    def maximum(self, x: Array, y: Array) -> Array:
        return self._shared("maximum", x, y)

    def where_not_below(self, g: Array, x: Array, limit: Array) -> Array:
        return self._shared("where_not_below", g, x, limit)

    def sum(self, x: Array) -> Array:
        return self._shared("sum", x)

    def online_sum(self, x: Array) -> Array:
        return self._shared("online_sum", x)

    def drop_first_max(self, e: Array, x: Array) -> Array:
        return self._shared("drop_first_max", e, x)

    def pick(self, x: Array, columns: Array) -> Array:
        return self._shared("pick", x, columns)

    def constant(self, value: Fraction) -> Array:
        key = ("constant", value)
        if key not in self.results:
            self.results[key] = ((), self.inner.constant(value))
        return self.results[key][1]

    def store(self, x: Array) -> Array:
        return self._shared("store", x)

    def _shared(self, name: str, *operands: Array) -> Array:
        key = (name, *map(id, operands))
        if key not in self.results:
            self.results[key] = (operands, getattr(self.inner, name)(*operands))
        return self.results[key][1]
