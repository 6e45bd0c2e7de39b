"""The true gradient against ball arithmetic: every entry correctly rounded, in every format."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from softmax_tool.exact import gradients
from softmax_tool.formats import FLOAT16, FLOAT32, FLOAT64, FloatFormat
from softmax_tool.targets import Targets
from softmax_tool.ulp import Ruler
from tests.oracle import oracle

ROWS = [
    [2.0, 1.0, 0.1],
    [50.0, 0.0],
    [0.0, 0.0],
    [20.0, 0.0, -3.0],
    [300.0, 0.0],
    [-999.0, 1.0, 2.0, 5.0, 6.0],
    [1e16, 1e16 + 2, 1e16 - 4],
    [3.0, -np.inf, 1.0],
    *(list(np.random.default_rng(n).standard_normal(n) * s) for n in (3, 17, 90) for s in (1, 9)),
]


def true_gradient(row: list[float], c: list[Fraction], divisor: Fraction) -> list[arb]:
    """Return Σ_k c_k (p_j − [j = k]) over the divisor, with no term that cancels left in."""
    finite = [k for k, x in enumerate(row) if x > -np.inf]
    top = max(row[k] for k in finite)
    e = [(arb(x) - arb(top)).exp() if x > -np.inf else arb(0) for x in row]
    total = sum(e, arb(0))
    values = []
    for j in range(len(row)):
        others = sum((c[k] for k in range(len(row)) if k != j), Fraction(0))
        rest = sum((e[k] for k in range(len(row)) if k != j), arb(0))
        value = e[j] * _ball(others) - _ball(c[j]) * rest
        values.append(value / total / _ball(divisor))
    return values


def _ball(value: Fraction) -> arb:
    return arb(value.numerator) / arb(value.denominator)


def rounded(balls: list[arb], target: FloatFormat) -> list[float] | None:
    got = [oracle.round_ball(oracle.FORMATS[target.name], ball) for ball in balls]
    return None if any(v is None for v in got) else [float(v) for v in got if v is not None]


@pytest.mark.parametrize("target", [FLOAT16, FLOAT32, FLOAT64], ids=lambda f: f.name)
@pytest.mark.parametrize("kind", ["label", "weights", "smoothing", "probabilities"])
@pytest.mark.parametrize("divisor", [Fraction(1), Fraction(3), Fraction(65536)])
def test_every_entry_is_correctly_rounded(
    target: FloatFormat, kind: str, divisor: Fraction
) -> None:
    for index, row in enumerate(ROWS):
        logits = target.round(np.array([row]))
        if not np.isfinite(logits.max()):
            continue
        classes, label = len(row), index % len(row)
        targets, c = _targets(kind, label, classes, target, divisor)
        exact = gradients(logits, targets, target)
        got = Ruler.of(exact, target).rounded[0].tolist()
        for bits in (200, 1000, 4000, 16000):
            with ctx.workprec(bits):
                balls = true_gradient([float(x) for x in logits[0]], c, divisor)
                expected = rounded(balls, target)
            if expected is not None:
                break
        assert expected is not None
        assert got == expected, (row, label)


def _targets(
    kind: str, label: int, classes: int, target: FloatFormat, divisor: Fraction
) -> tuple[Targets, list[Fraction]]:
    rng = np.random.default_rng(3)
    smoothing = Fraction(1, 10) if kind == "smoothing" else Fraction(0)
    weights = target.round(rng.uniform(0.5, 2, (1, classes))) if kind == "weights" else None
    soft = target.round(rng.dirichlet(np.ones(classes))[None, :])
    probabilities = soft if kind == "probabilities" else None
    targets = Targets(
        labels=None if probabilities is not None else np.array([[label]]),
        probabilities=probabilities,
        weights=weights,
        smoothing=smoothing,
        kept=1 - smoothing,
        spread=smoothing / classes,
        divisor=divisor,
    )
    if probabilities is not None:
        return targets, [Fraction(float(t)) for t in probabilities[0]]
    w = [Fraction(1)] * classes if weights is None else [Fraction(float(v)) for v in weights[0]]
    spread, kept = smoothing / classes, 1 - smoothing
    return targets, [w[k] * (spread + (kept if k == label else 0)) for k in range(classes)]


def test_a_row_without_a_softmax_has_no_gradient() -> None:
    targets, _ = _targets("label", 0, 2, FLOAT32, Fraction(1))
    logits: Any = np.array([[np.nan, 1.0]], np.float32)
    assert np.isnan(gradients(logits, targets, FLOAT32).hi).all()


def test_what_vanishes_in_float64_is_known_not_to_be_zero() -> None:
    targets, _ = _targets("label", 0, 2, FLOAT64, Fraction(1))
    exact = gradients(np.array([[2000.0, 0.0]]), targets, FLOAT64)
    assert (exact.hi == 0).all()
    assert exact.nonzero.all()


@pytest.mark.parametrize("target", [FLOAT16, FLOAT32, FLOAT64], ids=lambda f: f.name)
def test_rational_entries_are_exact(target: FloatFormat) -> None:
    """A weight over a sum of weights may be a float, whatever the inverse of the sum rounds to."""
    rng = np.random.default_rng(29)
    rows = np.array([[3.0, -np.inf], [0.5, 0.5], [-np.inf, 0.5], [300.0, 0.0]])
    # p − 1 at the label, and p elsewhere; weights of one label cancel but for how many there are.
    shares = np.array([[1.0, -1.0], [0.5, -0.5], [0.0, 0.0], [1.0, -1.0]])
    # Where p is e^-300, both are nearer to 0 than that, by less than any float64 can tell.
    for weight in target.round(rng.uniform(0.1, 10, 200)).tolist():
        for count in (1, 2, 4):
            targets = Targets(
                labels=np.ones((4, 1), np.int64),
                probabilities=None,
                weights=np.array([[1.0, weight]]),
                smoothing=Fraction(0),
                kept=Fraction(1),
                spread=Fraction(0),
                divisor=count * Fraction(weight),
            )
            exact = gradients(rows, targets, target)
            if exact.tail is None:
                below = np.nextafter(shares[3], 0)
                assert (exact.hi == np.array([*shares[:3], below]) / count).all(), weight
            else:
                assert (exact.hi == shares / count).all(), weight
                assert (exact.tail[:3] == 0).all(), weight
                assert (exact.tail[3] * shares[3] < 0).all(), weight
