"""The true values of rows of a million classes, by recipe; only some columns are recorded."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import arb, ctx

from tests.golden import rows
from tests.golden.words import words
from tests.oracle import oracle
from tests.oracle.oracle import FLOAT16, FLOAT32, FLOAT64, Format, Real

if TYPE_CHECKING:
    from collections.abc import Sequence

MILLION = 10**6
COLUMNS = (0, 1, 2, 4999, 123456, 777777, 999998, 999999)
LABEL = 1
SMOOTHING = 0.1


def recipes() -> list[tuple[str, rows.Recipe]]:
    def cycle(start: float, step: float, multiplier: int, modulus: int) -> rows.Recipe:
        places = {"multiplier": multiplier, "modulus": modulus}
        return {"kind": "cycle", "n": MILLION, "start": start, "step": step, **places}

    coarse = cycle(-7.875, 2.0**-6, 386, 1009)
    spike = {"kind": "spike", "n": MILLION, "at": 123456, "height": 30.0, "base": 0.0}
    return [
        ("constant", {"kind": "constant", "n": MILLION, "value": -2.5}),
        ("spike", spike),
        ("spike-far", {**spike, "height": 700.25}),
        ("cycle", coarse),
        ("cycle-fine", cycle(-3.0, 0.0006103515625, 6180, 9973)),
        ("cycle-far", cycle(-750.0, 0.75, 386, 1009)),
        ("cycle-masked", {**coarse, "masked": 3}),
        ("gaps-of-one", cycle(-4e15, 1.0, 2, 5)),
        ("ramp", {"kind": "ramp", "n": MILLION, "start": 3.0, "step": -(2.0**-10)}),
    ]


def results(name: str, recipe: rows.Recipe) -> dict[str, Any]:
    """Return the true values of a row in every format that holds it."""
    logits = rows.logits(recipe)
    columns = sorted({*COLUMNS, logits.index(max(logits)), logits.index(min(logits))})
    out: dict[str, Any] = {"id": name, "row": recipe, "columns": columns, "label": LABEL}
    for fmt in (FLOAT16, FLOAT32, FLOAT64):
        rounded = {x: oracle.round_float(fmt, x) for x in {*logits}}
        if not math.isfinite(max(rounded.values())):
            continue
        row = CountedRow([rounded[x] for x in logits])
        some = [rounded[logits[column]] for column in columns]
        label = rounded[logits[LABEL]]
        out[fmt.name] = {
            "softmax": _words(fmt, [row.softmax(x) for x in some]),
            "log-softmax": _words(fmt, [row.log_softmax(x) for x in some]),
            "loss": _words(fmt, [row.loss(label, 0.0)]),
            "smoothed": _words(fmt, [row.loss(label, SMOOTHING)]),
        }
    return out


def _words(fmt: Format, true: list[Real]) -> str:
    return words(np.array([value.rounded(fmt) for value in true]).astype(fmt.name))


class CountedRow:
    """The true values of a row from its different logits and how often each is there."""

    def __init__(self, row: Sequence[float]) -> None:
        self.counts = Counter(x for x in row if x > -math.inf)
        self.classes = len(row)
        self.top = max(self.counts)
        self._log_sums: dict[int, arb] = {}

    def log_sum(self) -> arb:
        """Log Σ exp(x − max x), at the current precision."""
        if ctx.prec not in self._log_sums:
            rest = arb(self.counts[self.top] - 1)
            for x, count in self.counts.items():
                if x != self.top:
                    rest += (arb(x) - arb(self.top)).exp() * count
            self._log_sums[ctx.prec] = rest.log1p()
        return self._log_sums[ctx.prec]

    def softmax(self, x: float) -> Real:
        def ball() -> arb:
            return (arb(x) - arb(self.top) - self.log_sum()).exp()

        if x == -math.inf:
            return oracle.ZERO
        if len(self.counts) == 1:
            return Real(rational=Fraction(1, self.counts[x]))
        return Real(ball=ball, outward=-1)

    def log_softmax(self, x: float) -> Real:
        if x == -math.inf:
            return Real(special=-math.inf)
        return Real(ball=lambda: arb(x) - arb(self.top) - self.log_sum(), outward=1)

    def loss(self, label: float, smoothing: float) -> Real:
        """Return log S − (1 − s) z − s · mean z, z the label's logit less the largest."""
        if label == -math.inf or (smoothing and sum(self.counts.values()) < self.classes):
            return Real(special=math.inf)
        share, top = Fraction(smoothing), Fraction(self.top)
        gaps = sum((n * (top - Fraction(x)) for x, n in self.counts.items()), Fraction(0))
        shift = (1 - share) * (top - Fraction(label)) + share * gaps / self.classes

        def ball() -> arb:
            return self.log_sum() + arb(shift.numerator) / arb(shift.denominator)

        return Real(ball=ball, outward=1)
