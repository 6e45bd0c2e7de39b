"""Reverse-mode automatic differentiation on the scalar oracle: the adjoint rule of each operation.

A formulation is a tape of operations on rows. The way back visits them from last to first and adds
up what reaches each value; every operation is rounded, and the adjoint that leaves a kernel is
stored. No gradient is written out by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.oracle import oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Row = list[float]
    Pullback = Callable[[Row], list[tuple[int, Row]]]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How operations round: to `work`, and to `out` at the end of a kernel."""

    work: oracle.Format
    out: oracle.Format
    running: bool

    @classmethod
    def of(cls, model: str, fmt: oracle.Format) -> Arithmetic:
        wide = oracle.accumulator(fmt) if model == "fused" else fmt
        return cls(wide, fmt, running=model == "strict")

    def sum(self, values: Sequence[float]) -> float:
        if self.running:
            return oracle.running_sums(self.work, values)[-1]
        tree = oracle.tree_sum(oracle.accumulator(self.out), values)
        return oracle.round_float(self.work, tree)

    def stored(self, values: Row) -> Row:
        return [oracle.round_float(self.out, v) for v in values]


@dataclass(slots=True)
class Tape:
    """Values in the order in which they were made, each with its adjoint rule."""

    arithmetic: Arithmetic
    values: list[Row] = field(default_factory=list)
    rules: list[Pullback] = field(default_factory=list)
    kernel_inputs: set[int] = field(default_factory=set)

    def put(self, value: Row, rule: Pullback) -> int:
        self.values.append(value)
        self.rules.append(rule)
        return len(self.values) - 1

    def leaf(self, value: Row) -> int:
        return self.put(value, lambda _: [])

    def begins_kernel(self, index: int) -> int:
        """Say that a kernel reads this value: the adjoint it gives back is stored."""
        self.kernel_inputs.add(index)
        return index

    # Operations; a row of length 1 belongs to the whole row.

    def shift(self, x: int) -> int:
        f, values = self.arithmetic.work, self.values[x]
        top = max(values)
        return self.put([oracle.subtract(f, v, top) for v in values], lambda g: [(x, g)])

    def exp(self, x: int) -> int:
        f = self.arithmetic.work
        e = [oracle.exp(f, v) for v in self.values[x]]
        return self.put(
            e, lambda g: [(x, [oracle.multiply(f, a, b) for a, b in zip(g, e, strict=True)])]
        )

    def sum(self, x: int) -> int:
        classes = len(self.values[x])
        total = self.arithmetic.sum(self.values[x])
        return self.put([total], lambda g: [(x, g * classes)])

    def divide(self, a: int, b: int) -> int:
        f, [total] = self.arithmetic.work, self.values[b]
        p = self.arithmetic.stored([oracle.divide(f, v, total) for v in self.values[a]])

        def rule(g: Row) -> list[tuple[int, Row]]:
            # As PyTorch's derivatives.yaml has it: -grad * ((self / other) / other).
            parts = [
                oracle.multiply(f, -x, oracle.divide(f, y, total))
                for x, y in zip(g, p, strict=True)
            ]
            of_total = self.arithmetic.sum(parts)
            return [(a, [oracle.divide(f, x, total) for x in g]), (b, [of_total])]

        return self.put(p, rule)

    def log(self, x: int, least: float | None = None) -> int:
        """The logarithm, of not less than `least` where that is given."""
        f, values = self.arithmetic.work, self.values[x]
        clamped = values if least is None else [max(v, least) for v in values]

        def rule(g: Row) -> list[tuple[int, Row]]:
            back = [oracle.divide(f, a, b) for a, b in zip(g, clamped, strict=True)]
            if least is not None:
                back = [b if v >= least else 0.0 for b, v in zip(back, values, strict=True)]
            return [(x, back)]

        return self.put([oracle.log(f, v) for v in clamped], rule)

    def subtract(self, a: int, b: int) -> int:
        f, [right] = self.arithmetic.work, self.values[b]
        difference = [oracle.subtract(f, v, right) for v in self.values[a]]
        return self.put(difference, lambda g: [(a, g), (b, [-self.arithmetic.sum(g)])])

    def back(self, seed: Row) -> Row:
        """Return the adjoint of the first value, of that of the last."""
        f = self.arithmetic.work
        adjoints: list[Row | None] = [None] * len(self.values)
        adjoints[-1] = seed
        for index in reversed(range(len(self.values))):
            mine = adjoints[index]
            if mine is None:
                continue
            if index in self.kernel_inputs:
                mine = adjoints[index] = self.arithmetic.stored(mine)
            for parent, part in self.rules[index](mine):
                before = adjoints[parent]
                adjoints[parent] = (
                    part
                    if before is None
                    else [oracle.add(f, a, b) for a, b in zip(before, part, strict=True)]
                )
        first = adjoints[0]
        assert first is not None
        return first


def log_probabilities(name: str, arithmetic: Arithmetic, row: Row, clamp: float) -> Tape:
    """Return the tape of a formulation of log-softmax."""
    tape = Tape(arithmetic)
    x = tape.begins_kernel(tape.leaf(row))
    z = tape.shift(x) if name in {"log-of-shifted", "shifted", "clamped"} else x
    e = tape.exp(z)
    total = tape.sum(e)
    if name in {"shifted", "naive-lse"}:
        tape.subtract(z, tape.log(total))
    else:
        p = tape.begins_kernel(tape.divide(e, total))
        tape.log(p, clamp if name == "clamped" else None)
    return tape
