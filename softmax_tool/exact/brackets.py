"""What double-double cannot round, decided in rational numbers: a · X + b between known bounds.

X is what is irrational in a loss or a gradient, log Σ exp(x − max x) or a probability, between
bounds that come as close as it takes. Unless all finite logits of a row are equal, both are
irrational (Lindemann and Weierstrass), and then no a · X + b lies on a rounding boundary but where
a = 0. So closer bounds always decide, and where X itself is below every precision, its sign does.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import MIN_EMIN, Context, Decimal
from fractions import Fraction
from math import copysign, factorial, inf, isinf, nextafter
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.formats import FLOAT64
from softmax_tool.frozen import frozen, frozen_with_memory
from softmax_tool.once import once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from softmax_tool.exact.values import Array, Exact, Indices, Reference

_LEAST = Fraction(1, 2**1074)
_KNOWN = Fraction(1, 2**88)  # relative error of a double-double and its tail,
_KNOWN_SUBNORMAL = _LEAST / 2**38  # and absolute where it is subnormal
_CONTEXTS = [Context(prec=n, Emin=MIN_EMIN, traps=[]) for n in (60, 250, 1000, 4000, 10000)]
# Exponentials of less only show on which side a value lies: no sum of products of five float64
# comes as close to a boundary as 2**-28000 without lying on it.
_LOWEST = -20000
_VANISHED = Fraction(1, 10**8685)  # above exp(_LOWEST)
_EXACTLY = Context(prec=2400, Emin=MIN_EMIN, traps=[])  # any difference of two float64 fits
_SERIES = Fraction(1, 64)
_TERMS = 14  # of the series of 1 − exp(−t) for t below that: the last is below 2**-114 t
_TINY = Fraction(1, 2**100)  # for t below that two terms are enough


@frozen
class Bracket:
    """A number strictly between two rational ones, or both of them where they are the same."""

    low: Fraction
    high: Fraction

    def times_plus(self, a: Fraction, b: Fraction) -> Bracket:
        """Return what a · X + b is between."""
        ends = a * self.low + b, a * self.high + b
        return Bracket(min(ends), max(ends))


def round_linear(
    a: Fraction, brackets: Callable[[], Iterator[Bracket]], b: Fraction
) -> tuple[float, float]:
    """Return a · X + b rounded to float64 once, and what that misses in ULP, its sign right."""
    for bracket in brackets():
        got = _decided(bracket.times_plus(a, b))
        if got is not None:
            return got
    raise ArithmeticError("no bounds decide this rounding")


def _decided(value: Bracket) -> tuple[float, float] | None:
    """Return the float64 next to all of an open interval, and the tail; None where they differ."""
    middle = (value.low + value.high) / 2
    hi = FLOAT64.round_exactly(middle)
    if isinf(hi):
        inner = value.low if hi > 0 else -value.high
        return (hi, 0.0) if inner >= FLOAT64.overflow_threshold else None
    centre = Fraction(hi)
    if value.low < value.high:
        if value.low < centre < value.high:
            return None
        if value.low < _boundary(hi, -inf) or value.high > _boundary(hi, inf):
            return None
    missed = (middle - centre) / Fraction(FLOAT64.ulp(hi))
    tail = float(missed)
    if missed and not tail:
        tail = copysign(5e-324, missed)
    return hi, tail


def _boundary(hi: float, towards: float) -> Fraction:
    neighbour = nextafter(hi, towards)
    if isinf(neighbour):
        return Fraction(FLOAT64.overflow_threshold) * (1 if neighbour > 0 else -1)
    return (Fraction(hi) + Fraction(neighbour)) / 2


@frozen_with_memory
class KnownRows:
    """Float64 logits (rows, classes), and their true values as double-double knows them."""

    logits: Array
    reference: Reference

    @once
    def first(self) -> Indices:
        """The column of each row's first maximum, (rows, 1)."""
        return np.asarray(self.logits.argmax(axis=1)[:, None])

    @once
    def log_softmax_there(self) -> Exact:
        return self.reference.at(self.first).log_softmax

    def brackets(self, number: int) -> RowBrackets:
        """Return the bounds for one row, of the logits of which none is nan or +inf, one finite."""
        return replace(
            RowBrackets.of(self.logits[number]),
            known_log_sum=_known(self.log_softmax_there, number, 0),
            known_softmax=lambda column: _known(self.reference.softmax, number, column),
        )


@frozen_with_memory
class RowBrackets:
    """Bounds of what is irrational in one row.

    With k maxima and R the sum of the other exponentials, log Σ exp(x − max x) is log(k + R), and
    the softmax exp(x − max x) / (k + R).
    """

    row: Array
    first: int
    maximum: float
    maxima: int
    known_log_sum: Bracket
    known_softmax: Callable[[int], Bracket]

    @classmethod
    def of(cls, row: Array) -> RowBrackets:
        """Return the bounds for a row of which nothing is known yet: at most n and 1."""
        first = int(row.argmax())
        maximum = float(row[first])
        return cls(
            row,
            first,
            maximum,
            int((row == maximum).sum()),
            Bracket(Fraction(0), Fraction(len(row))),
            lambda _: Bracket(Fraction(0), Fraction(1)),
        )

    @once
    def lower(self) -> list[float]:
        """Finite logits that are not maxima."""
        below = (self.row < self.maximum) & (self.row > -inf)
        lower: list[float] = self.row[below].tolist()
        return lower

    @once
    def second(self) -> float:
        """The largest logit that is not a maximum; -inf where there is none."""
        return float(self.row.max(where=self.row < self.maximum, initial=-inf))

    def rounded(self, x: float, *, logarithm: bool) -> tuple[float, float]:
        """Return the softmax or log-softmax of one of the logits, rounded once, and its tail."""
        column = int(np.flatnonzero(self.row == x)[0])
        if logarithm:
            return round_linear(Fraction(-1), self.log_sum, -self.gap(column))
        return round_linear(Fraction(1), lambda: self.probability(column), Fraction(0))

    def gap(self, column: int) -> Fraction:
        """Return max x − x, exactly."""
        return Fraction(self.maximum) - Fraction(float(self.row[column]))

    def log_sum(self) -> Iterator[Bracket]:
        """Log Σ exp(x − max x), which is minus the log-softmax of the maximum."""
        if self.maxima == 1 and self.second == -inf:
            yield _exactly(Fraction(0))
            return
        yield self.known_log_sum
        if self.maxima == 1:
            yield self._from_second()
        for context in _CONTEXTS:
            total = context.add(self.maxima, self._sum_of_others(context))
            value = Fraction(context.ln(total))
            yield _within(value, self._error(context) * (1 + value) + len(self.row) * _VANISHED)

    def _from_second(self) -> Bracket:
        """Return bounds of log(1 + R) from e ≤ R ≤ n e, with e the largest exponential in R.

        They are as close as it takes where one class dominates the row.
        """
        context = _CONTEXTS[0]
        power = Fraction(self._power(context, self.second))
        e = _within(power, power * self._error(context) + (_VANISHED if not power else 0))
        return Bracket(e.low / (1 + e.low), len(self.row) * e.high)

    def probability(self, column: int) -> Iterator[Bracket]:
        """The softmax at a column."""
        if self.row[column] == -inf:
            yield _exactly(Fraction(0))
            return
        if self.second == -inf:
            yield _exactly(Fraction(1, self.maxima))
            return
        yield self.known_softmax(column)
        for context in _CONTEXTS:
            error = self._error(context)
            total = Fraction(self._sum_of_others(context))
            others = _within(total, total * error + len(self.row) * _VANISHED)
            own = Fraction(self._power(context, float(self.row[column])))
            at_maximum = self.row[column] == self.maximum
            power = _exactly(own) if at_maximum else _within(own, own * error + _VANISHED)
            yield Bracket(
                power.low / (self.maxima + others.high), power.high / (self.maxima + others.low)
            )

    def rest(self) -> Iterator[Bracket]:
        """One minus the softmax at the first maximum."""
        t = next(self.log_sum())
        if self.second > -inf and t.high < _SERIES:
            terms = _TERMS if t.high > _TINY else 2
            yield Bracket(_one_less_exp(t.low, terms), _one_less_exp(t.high, terms - 1))
        for p in self.probability(self.first):
            yield Bracket(1 - p.high, 1 - p.low)

    def _sum_of_others(self, context: Context) -> Decimal:
        total = Decimal(0)
        for x in self.lower:
            total = context.add(total, self._power(context, x))
        return total

    def _power(self, context: Context, x: float) -> Decimal:
        """Return exp(x − max x), 0 where that is below every precision here."""
        shifted = _EXACTLY.subtract(Decimal(x), Decimal(self.maximum))
        return context.exp(shifted) if shifted > _LOWEST else Decimal(0)

    def _error(self, context: Context) -> Fraction:
        """Bound the relative error of exponentials, their sum, and of two more operations."""
        return Fraction(len(self.row) + 4, 10 ** (context.prec - 1))


def _exactly(value: Fraction) -> Bracket:
    return Bracket(value, value)


def _within(value: Fraction, margin: Fraction) -> Bracket:
    """Return what a positive number off by a margin is between."""
    return Bracket(max(value - margin, Fraction(0)), value + margin)


def _known(exact: Exact, row: int, column: int) -> Bracket:
    """Return what the magnitude of an element known to double-double is between."""
    assert exact.tail is not None  # noqa: S101  (of a reference in double-double)
    hi = float(exact.hi[row, column])
    tail = Fraction(float(exact.tail[row, column]))
    value = abs(Fraction(hi) + tail * Fraction(FLOAT64.ulp(hi)))
    return _within(value, value * _KNOWN + _KNOWN_SUBNORMAL)


def _one_less_exp(t: Fraction, terms: int) -> Fraction:
    """Return t − t²/2 + t³/6 − …, below 1 − exp(−t) for an even number of terms, else above."""
    return sum(((-1) ** (k + 1) * t**k / factorial(k) for k in range(1, terms + 1)), Fraction(0))
