"""Reductions of per-row losses: exact for the wide models, in row order for the others."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.running import running_sums
from softmax_tool.exact_sum import ExactSum
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]


@frozen
class ExactReduction:
    """Numerator and denominator summed exactly, the result rounded once: merges in any order.

    Of losses that have `vanished`, some that counted as 0 are not 0, but below every float64.
    """

    format: FloatFormat
    losses: ExactSum = ExactSum()
    divisors: ExactSum = ExactSum()
    rows: int = 0
    vanished: bool = False

    def __add__(self, other: ExactReduction) -> ExactReduction:
        return ExactReduction(
            self.format,
            self.losses + other.losses,
            self.divisors + other.divisors,
            self.rows + other.rows,
            self.vanished or other.vanished,
        )

    def fold(self, losses: Array, divisors: Array, *, vanished: bool = False) -> ExactReduction:
        rows = ExactSum.of(losses), ExactSum.of(divisors), divisors.size
        return self + ExactReduction(self.format, *rows, vanished)

    def is_tiny(self, reduction: str) -> bool:
        """Tell whether a reduced loss of 0 is not 0, but below every float64."""
        return self.vanished and self.exact(reduction) == 0

    def sum(self) -> float:
        return self._once(self.exact_sum())

    def sums(self) -> tuple[Fraction | float, Fraction | float]:
        return _whole(self.losses), _whole(self.divisors)

    def mean(self) -> float:
        return self._once(self.exact_mean())

    def _once(self, value: Fraction | float) -> float:
        return self.format.round_exactly(value) if isinstance(value, Fraction) else value

    def value(self, reduction: str) -> float:
        """Return the mean or the sum, rounded once."""
        return self._once(self.exact(reduction))

    def exact(self, reduction: str) -> Fraction | float:
        """Return the mean or the sum before it is rounded; a float where it is not finite."""
        return self.exact_mean() if reduction == "mean" else self.exact_sum()

    def exact_sum(self) -> Fraction | float:
        return _whole(self.losses)

    def exact_mean(self) -> Fraction | float:
        numerator, denominator = self.losses.special(), self.divisors.special()
        if denominator is None and not self.divisors.fraction():
            return float("nan")  # by definition, whatever is divided
        if numerator is not None or denominator is not None:
            over = numerator if numerator is not None else float(self.losses.fraction() > 0)
            under = denominator if denominator is not None else _sign(self.divisors.fraction())
            with np.errstate(all="ignore"):
                return float(np.float64(over) / np.float64(under))
        return self.losses.fraction() / self.divisors.fraction()


def _whole(total: ExactSum) -> Fraction | float:
    special = total.special()
    return total.fraction() if special is None else special


def _sign(value: Fraction) -> float:
    return float((value > 0) - (value < 0))


@frozen
class RunningReduction:
    """Both sums left to right in the format, in row order."""

    format: FloatFormat
    losses: float = 0.0
    divisors: float = 0.0
    empty: bool = True

    def fold(self, losses: Array, divisors: Array) -> RunningReduction:
        if not losses.size:
            return self
        return RunningReduction(
            self.format,
            self._run(self.losses, losses),
            self._run(self.divisors, divisors),
            empty=False,
        )

    def _run(self, carry: float, values: Array) -> float:
        # The first value starts the sum; it is not added to a zero.
        chain = np.ravel(values) if self.empty else np.concatenate([[carry], np.ravel(values)])
        return float(running_sums(self.format, chain.astype(self.format.carrier)[None, :])[0, -1])

    def sum(self) -> float:
        return self.losses

    def sums(self) -> tuple[float, float]:
        return self.losses, self.divisors

    def mean(self) -> float:
        return _divide(self.format, *self.sums())


@frozen
class VectorReduction:
    """All row values at once, by NumPy's own reduction in the dtype."""

    format: FloatFormat
    losses: tuple[Array, ...] = ()
    divisors: tuple[Array, ...] = ()

    def fold(self, losses: Array, divisors: Array) -> VectorReduction:
        return VectorReduction(
            self.format, (*self.losses, np.ravel(losses)), (*self.divisors, np.ravel(divisors))
        )

    def sum(self) -> float:
        return self._reduce(self.losses)

    def sums(self) -> tuple[float, float]:
        return self._reduce(self.losses), self._reduce(self.divisors)

    def mean(self) -> float:
        return _divide(self.format, *self.sums())

    def _reduce(self, parts: tuple[Array, ...]) -> float:
        whole = np.concatenate([np.empty(0, self.format.carrier), *parts])
        with np.errstate(all="ignore"):
            return float(np.add.reduce(self.format.stored(whole)))


def _divide(target: FloatFormat, numerator: float, denominator: float) -> float:
    """Return a mean, rounded once; nan of weights that add up to 0, by definition."""
    if denominator == 0:
        return float("nan")
    with np.errstate(all="ignore"):
        quotient = np.asarray([numerator], target.carrier) / np.asarray(denominator, target.carrier)
    return float(target.round(quotient.astype(target.carrier))[0])
