"""What a formulation may do with numbers: the operations that every arithmetic model offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]


class Arithmetic(Protocol):
    """Operations on blocks of rows, each rounded as the model says.

    Blocks have shape (rows, classes); what belongs to a row has shape (rows, 1), what belongs to a
    class (1, classes). Formulations are written with these alone, so that every rounding shows.
    """

    def max(self, x: Array) -> Array:
        """Largest value of each row."""

    def exp(self, x: Array) -> Array:
        """Exponential."""

    def log(self, x: Array) -> Array:
        """Natural logarithm."""

    def log1p(self, x: Array) -> Array:
        """Natural logarithm of 1 + x."""

    def negate(self, x: Array) -> Array:
        """Change of sign, always exact."""

    def add(self, x: Array, y: Array) -> Array:
        """Sum of two."""

    def subtract(self, x: Array, y: Array) -> Array:
        """Difference."""

    def multiply(self, x: Array, y: Array) -> Array:
        """Product."""

    def divide(self, x: Array, y: Array) -> Array:
        """Quotient."""

    def maximum(self, x: Array, y: Array) -> Array:
        """The larger of two, NaN if either is."""

    def where_not_below(self, g: Array, x: Array, limit: Array) -> Array:
        """The values g where x is not below a limit, +0 elsewhere."""

    def sum(self, x: Array) -> Array:
        """Sum over the classes of each row."""

    def online_sum(self, x: Array) -> Array:
        """Sum of exp(x - max x) in one pass over the classes (Milakov and Gimelshein 2018)."""

    def drop_first_max(self, e: Array, x: Array) -> Array:
        """The values e with +0 where x has its first maximum."""

    def pick(self, x: Array, columns: Array) -> Array:
        """One value of each row."""

    def constant(self, value: Fraction) -> Array:
        """A constant, rounded once."""

    def store(self, x: Array) -> Array:
        """The end of a kernel: the result rounded to the format, if it is not there yet."""


class Reduction(Protocol):
    """A sum over rows in the making: of weighted losses, and of what a mean divides by."""

    def fold(self, losses: Array, divisors: Array) -> Reduction:
        """Return the reduction with further rows, taken in row order, added."""

    def sum(self) -> float:
        """The sum of the losses, rounded to the format."""

    def sums(self) -> tuple[Fraction | float, Fraction | float]:
        """Both sums as they are kept: of the losses and of the divisors."""

    def mean(self) -> float:
        """The sum of the losses over the sum of the divisors, rounded to the format."""


@frozen
class Model:
    """A named arithmetic model.

    `sums_are_wide` promises that a sum misses the exact sum of its addends by no more than a wide
    accumulator does, so that it cannot stall. `sum_constant(classes, format)` is the constant a of
    the a-priori bound of a sum, error <= a u, the final rounding included; None where there is no
    bound. `in_storage` asks for values in NumPy's own type of the format, not in the carrier.
    `reduction` starts the reduction of a loss over rows.
    """

    name: str
    summary: str
    build: Callable[[FloatFormat], Arithmetic]
    sums_are_wide: bool
    in_storage: bool
    same_as_wide_sum: Callable[[FloatFormat], bool]
    supports: Callable[[FloatFormat], bool]
    sum_constant: Callable[[int, FloatFormat], float] | None
    reduction: Callable[[FloatFormat], Reduction]
