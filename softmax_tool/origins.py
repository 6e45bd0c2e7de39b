"""From the number of an event to what a person reads: step, operand and the limit it crossed.

Works on one event at a time, in rational numbers, since only the listed cases need it.
"""

from __future__ import annotations

from decimal import MIN_EMIN, Context, Decimal
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from softmax_tool import sentences
from softmax_tool.arithmetic.running import running_sums
from softmax_tool.arithmetic.tracing import EVENTS, stall_tolerance
from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import exp_edges
from softmax_tool.formulations.losses import CLAMP
from softmax_tool.report import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.arithmetic.tracing import Operation, Tracing
    from softmax_tool.formats import ExpEdges, FloatFormat
    from softmax_tool.report import Number

    Array = NDArray[Any]

_DIGITS = Context(prec=17)
_Crossing = tuple[Fraction | float, Fraction | float]  # operand and limit


class Cause(NamedTuple):
    """Why one element is wrong: where that began, which of `EVENTS` it was, in which operation.

    `rounded_to` is the format whose rounding made it so, and whose limit was crossed.
    """

    origin: Origin | None = None
    event: str = sentences.ROUNDING
    operation: str = ""
    rounded_to: FloatFormat | None = None

    @classmethod
    def of(cls, tracing: Tracing, event: int, event_class: int, place: int, row: int) -> Cause:
        """Return it for the event of a number.

        `place` is the row within the trace, `row` its global number; `event_class` indexes
        `EVENTS`, -1 stands for an error of rounding.
        """
        index, column = tracing.locate(event)
        operation = tracing.tape[index]
        name = EVENTS[event_class] if event_class >= 0 else sentences.ROUNDING
        at = _Place(operation, place, column, tracing, name)
        return cls(_describe(at, row), name, operation.name, at.rounded_to)


def _describe(at: _Place, row: int) -> Origin:
    """Return where an event began, and what crossed which limit there."""
    if at.event == "stalled":
        return _stalled(at, row)
    operand, limit = _CROSSED[at.event](at)
    column = at.column if at.column is None else at.tracing.column(at.place, at.column)
    return Origin(row, column, at.operation.step, _number(operand), _number(limit))


class _Place:
    """One entry of one operation."""

    __slots__ = ("column", "event", "operation", "place", "tracing")

    def __init__(
        self, operation: Operation, place: int, column: int | None, tracing: Tracing, event: str
    ) -> None:
        self.operation, self.place, self.column = operation, place, column
        self.tracing, self.event = tracing, event

    @property
    def working(self) -> FloatFormat:
        return self.tracing.working

    @property
    def written_to(self) -> FloatFormat:
        """The format that the operation's result was rounded to last."""
        return self.working if self.operation.stored is None else self.tracing.result

    @property
    def rounded_to(self) -> FloatFormat:
        """The format whose rounding made the event."""
        return self.tracing.result if self.at_the_store else self.working

    def entry(self, values: Array) -> float:
        column = self.column if self.column is not None and values.shape[1] > 1 else 0
        row = self.place if values.shape[0] > 1 else 0
        return float(values[row, column])

    def operand(self, number: int) -> float:
        return self.entry(self.operation.operands[number])

    def exactly(self, number: int) -> Fraction:
        """An operand, a constant as it was before it was rounded."""
        constant = self.operation.constants[number]
        return Fraction(self.operand(number)) if constant is None else constant

    @property
    def addends(self) -> Array:
        return self.tracing.addends(self.operation, self.place)

    @property
    def at_the_store(self) -> bool:
        """Whether it was the rounding at the end of the kernel that made the event."""
        stored, result = self.operation.stored, self.entry(self.operation.result)
        if stored is None:
            return False
        happened_before = {
            "overflow": not isfinite(result),
            "zero": result == 0,
            "subnormal": _is_subnormal(result, self.working),
        }
        return not happened_before.get(self.event, False)

    def unrounded(self) -> Fraction | float:
        """The result of the operation on its operands, without rounding (exp: to 40 digits)."""
        name = self.operation.name
        if name in _FUNCTIONS:
            return Fraction(_FUNCTIONS[name](Decimal(self.operand(0))))
        if name == "sum":
            return ExactSum.of(self.addends).fraction()
        operands = self.operand(0), self.operand(1)
        if not (isfinite(operands[0]) and isfinite(operands[1])):
            return self.entry(self.operation.result)  # 0 · inf, inf − inf: there is no other
        x, y = (self.exactly(number) for number in (0, 1))
        if name == "add":
            return x + y
        if name == "subtract":
            return x - y
        return x * y if name == "multiply" else x / y

    @property
    def is_exp(self) -> bool:
        return self.operation.name == "exp"

    @property
    def edges(self) -> ExpEdges:
        """Where the exponential changes its nature, rounded as it was where the event happened."""
        return exp_edges(self.working, self.tracing.result if self.at_the_store else None)


_FORTY = Context(prec=40, Emin=MIN_EMIN)
_FUNCTIONS: dict[str, Callable[[Decimal], Decimal]] = {
    "exp": _FORTY.exp,
    "log": _FORTY.ln,
    "log1p": lambda x: _FORTY.ln(Context(prec=1200).add(1, x)),
}


def _is_subnormal(value: float, target: FloatFormat) -> bool:
    return 0 < abs(value) < target.smallest_normal


def _overflow(at: _Place) -> _Crossing:
    if at.is_exp:
        return Fraction(at.operand(0)), Fraction(at.edges.first_overflow)
    value = at.unrounded()
    largest = Fraction(at.rounded_to.max_finite)
    return value, largest if value > 0 else -largest


def _zero(at: _Place) -> _Crossing:
    if at.is_exp:
        return Fraction(at.operand(0)), Fraction(at.edges.last_zero)
    if at.operation.name == "where_not_below":
        return Fraction(at.operand(1)), Fraction(at.operand(2))
    return at.unrounded(), Fraction(at.rounded_to.smallest_subnormal) / 2


def _subnormal(at: _Place) -> _Crossing:
    if at.is_exp:
        return Fraction(at.operand(0)), Fraction(at.edges.last_subnormal)
    return at.unrounded(), Fraction(at.rounded_to.smallest_normal)


def _absorbed(at: _Place) -> _Crossing:
    if at.operation.name == "divide":
        precision = at.written_to.precision
        return at.unrounded(), 1 - Fraction(1, 2 ** (precision + 1))
    result = at.entry(at.operation.result)
    limit = Fraction(at.working.ulp(result)) / 2
    if at.operation.name == "add":
        return Fraction(at.operand(1)), limit
    largest = Fraction(float(at.addends.max()))
    return at.unrounded() - largest, limit


def _rounding(at: _Place) -> _Crossing:
    if at.operation.name == "maximum":
        return Fraction(at.operand(0)), Fraction(at.working.round_exactly(CLAMP))
    result = at.entry(at.operation.result)
    value = at.operand(0) if at.is_exp else at.unrounded()
    if not isfinite(result):
        return value, Fraction(at.written_to.max_finite)
    return value, Fraction(at.written_to.ulp(result)) / 2


def _invalid(at: _Place) -> _Crossing:
    """Return the two operands that gave no number, of a sum an infinity of each sign."""
    if at.operation.name == "sum":
        return float("inf"), float("-inf")
    return at.operand(0) + 0.0, at.operand(1) + 0.0  # one zero


def _given(at: _Place) -> _Crossing:
    """Return the factor that is infinite, and the largest number of the format."""
    factors = [at.operand(number) for number in (0, 1)]
    largest = Fraction(at.tracing.result.max_finite)
    return next(factor for factor in factors if not isfinite(factor)), largest


_CROSSED = {
    "given": _given,
    "invalid": _invalid,
    "overflow": _overflow,
    "zero": _zero,
    "subnormal": _subnormal,
    "absorbed": _absorbed,
    "rounding": _rounding,
}


def _stalled(at: _Place, row: int) -> Origin:
    """Name the first addend that left the running sum where it was, if there is one."""
    addends = at.addends[None, :]
    partial = running_sums(at.working, addends)[0]
    lost = np.flatnonzero((partial[1:] == partial[:-1]) & (addends[0, 1:] != 0))
    if lost.size:
        column = int(lost[0]) + 1
        operand = Fraction(float(addends[0, column]))
        limit = Fraction(at.working.ulp(float(partial[column]))) / 2
        return Origin(row, column, at.operation.step, _number(operand), _number(limit))
    true = ExactSum.of(at.addends).fraction()
    missed = abs(Fraction(at.entry(at.operation.result)) - true)
    tolerance = Fraction(stall_tolerance(addends.shape[1], at.working)) * true
    return Origin(row, None, at.operation.step, _number(missed), _number(tolerance))


def _number(value: Fraction | float) -> Number:
    """Return a float, or a decimal where the magnitude is outside float64."""
    if isinstance(value, float):
        return value
    try:
        nearest = float(value)
    except OverflowError:
        nearest = float("inf")
    if (nearest == 0 and value != 0) or abs(nearest) == float("inf"):
        return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
    return nearest
