"""Looks for values that the reference gets wrong: `python -m tests.exact.search [SECONDS [SEED]]`.

Rows of many kinds, chosen to be hard: gaps of one beside offsets as large as the precision, results
that are subnormal, ties, masks, spikes, sums and values next to powers of two, the largest numbers.
Every softmax, log-softmax, loss and gradient entry is held to what the oracle decides with balls.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import arb, ctx

from softmax_tool import exact
from softmax_tool.formats import FORMATS, FloatFormat
from softmax_tool.targets import Targets
from tests.oracle import oracle
from tests.oracle.oracle import ExactRow, Real, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from softmax_tool.exact import Exact

Random = np.random.Generator
SMALLEST_EXP = {"float16": 17.3, "float32": 104.0, "float64": 745.0}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that is not the true one rounded."""

    what: str
    row: list[float]
    target: Target | None
    divisor: Fraction
    column: int
    got: float
    true: float


def _offset(r: Random, fmt: FloatFormat, n: int) -> Any:
    most = 15 if fmt.name == "float16" else fmt.precision + 1
    base = 2.0 ** r.integers(fmt.precision - 1, most + 1)
    return base * r.choice([-1, 1]) + r.integers(-6, 7, n)


def _largest(r: Random, fmt: FloatFormat, n: int) -> Any:
    return fmt.max_finite * r.choice([1, 0.99, 0.5, -1, 0, -0.25], n)


def _subnormal(r: Random, fmt: FloatFormat, n: int) -> Any:
    edge = SMALLEST_EXP[fmt.name]
    return np.append(-r.uniform(0.8 * edge, 1.02 * edge, n - 1), 0.0) + r.integers(-5, 5)


def _masked(r: Random, _: FloatFormat, n: int) -> Any:
    x = r.normal(size=n) * 10
    x[r.random(n) < 0.5] = -np.inf
    x[0] = 1.25
    return x


def _spike(r: Random, _: FloatFormat, n: int) -> Any:
    x = np.full(n, r.normal())
    x[0] += 10.0 ** r.uniform(0, 3.2)
    return x


def _power_of_two(r: Random, _: FloatFormat, n: int) -> Any:
    """T, the softmax or the log-softmax next to a power of two."""
    k = int(r.integers(1, 40))
    sums = np.append(np.full(n - 1, 0.0), math.log((2.0**k) - 1) if k > 1 else 0.0)
    x = [sums, np.append(np.full(n - 1, -(2.0 ** r.integers(-30, 8))), 0.0)][r.integers(2)]
    return np.nextafter(x, r.choice([-1, 1], n) * np.inf)


KINDS: dict[str, Callable[[Random, FloatFormat, int], Any]] = {
    "normal": lambda r, _, n: r.normal(size=n) * 10.0 ** r.uniform(-3, 3),
    "offset": _offset,
    "largest": _largest,
    "subnormal": _subnormal,
    "ties": lambda r, _, n: r.choice(r.normal(size=2) * 3, n),
    "masked": _masked,
    "spike": _spike,
    "far": lambda r, _, n: np.append(-r.uniform(0, 800, n - 1), 0.0),
    "power of two": _power_of_two,
    "two at the top": lambda r, _, n: np.append(-r.uniform(200, 800, n), [0.0, 0.0]),
    "close": lambda r, f, n: 1 + r.integers(-5, 6, n) * 2.0 ** (1 - f.precision),
    "coarse": lambda r, _, n: r.integers(-2000, 2000, n) * 2.0 ** r.integers(-8, 2),
    "every size": lambda r, _, n: r.choice([-1, 1], n) * 2.0 ** r.uniform(-60, 9, n),
}


def row_of(random: Random, fmt: FloatFormat, kind: str) -> Any:
    x = np.asarray(KINDS[kind](random, fmt, int(random.integers(2, 9))), np.float64)
    random.shuffle(x)
    return fmt.round(x).astype(np.float64)


def target_of(random: Random, fmt: FloatFormat, n: int) -> Target:
    """A label or probabilities, weights or none, smoothing or none; exact in the format."""

    def one_of(*choices: Any) -> tuple[float, ...]:
        values = choices[random.integers(len(choices))]
        return tuple(fmt.round(np.asarray(values, np.float64)).astype(np.float64).tolist())

    weights = probabilities = None
    if random.random() < 0.5:
        powers = 2.0 ** random.integers(-14, 4, n)
        some = random.uniform(0.1, 3, n), powers, random.normal(size=n), random.integers(0, 4, n)
        weights = one_of(*some)
    if random.random() < 0.5:
        shares = random.dirichlet(np.ones(n)), random.integers(0, 3, n) / 4, random.uniform(0, 1, n)
        probabilities = one_of(*shares, np.eye(n)[random.integers(n)])
    smoothing = float(random.choice([0, 0, 0.1, 0.3, 0.5, 1.0, 2.0**-20, 1e-10]))
    label = None if probabilities else int(random.integers(n))
    return Target(label, probabilities, weights, smoothing)


def as_targets(target: Target, fmt: FloatFormat, classes: int, divisor: Fraction) -> Targets:
    smoothing = Fraction(target.smoothing)

    def array(values: tuple[float, ...] | None) -> Any:
        return None if values is None else np.array([values]).astype(fmt.storage)

    return Targets(
        labels=None if target.label is None else np.array([[target.label]]),
        probabilities=array(target.probabilities),
        weights=array(target.weights),
        smoothing=smoothing,
        kept=1 - smoothing,
        spread=smoothing / classes,
        divisor=divisor,
    )


def coefficients(target: Target, classes: int) -> list[Fraction]:
    c = [Fraction(0)] * classes
    for column, factor in target.factors(classes):
        c[column] += factor
    return c


def gradient(row: ExactRow, c: list[Fraction], divisor: Fraction, column: int) -> Real:
    """(p Σ c − c) / divisor, as Σ of what does not cancel over S."""
    own, others = c[column], sum(c, Fraction(0)) - c[column]
    p = row.softmax(column)
    if p.rational is not None:
        return Real(rational=(p.rational * (own + others) - own) / divisor)
    top = row.row[row.top]
    maxima = sum(x == top for x in row.row)
    # Far from the others p is close below 1 / maxima, or close above 0.
    limit = Fraction(row.row[column] == top, maxima)
    near, rising = limit * (own + others) - own, (own + others) * (-1 if limit else 1)

    def ball() -> arb:
        e = [(arb(x) - arb(top)).exp() if x > -math.inf else arb(0) for x in row.row]
        rest = sum((value for k, value in enumerate(e) if k != column), arb(0))
        value = e[column] * _ball(others) - _ball(own) * rest
        return value / (rest + e[column]) / _ball(divisor)

    if own + others == 0:
        return Real(rational=-own / divisor)
    return Real(ball=ball, outward=1 if near * rising >= 0 else -1)


def _ball(value: Fraction) -> arb:
    return arb(value.numerator) / arb(value.denominator)


def wrong_of(random: Random, fmt: FloatFormat, kind: str, counts: Counter[str]) -> Iterator[Wrong]:
    """Judge one row: its elements, and a loss and a gradient for each of two targets."""
    x = row_of(random, fmt, kind)
    truth = ExactRow(x.tolist())
    if not truth.valid:
        return
    n = len(x)
    logits = fmt.stored(x[None, :])
    reference = exact.reference(logits, fmt)

    def judged(
        what: str, values: Exact, true: list[Real], target: Target | None, divisor: Fraction
    ) -> Iterator[Wrong]:
        got = fmt.round(values.hi)[0].tolist()
        for column, (value, real) in enumerate(zip(got, true, strict=True)):
            counts[f"{fmt.name} {what}"] += 1
            expected = real.rounded(oracle.FORMATS[fmt.name])
            same = value == expected or (math.isnan(value) and math.isnan(expected))
            known = math.isnan(expected) or bool(values.nonzero[0, column]) == real.is_nonzero
            if not (same and known):
                yield Wrong(what, x.tolist(), target, divisor, column, value, expected)

    one = Fraction(1)
    softmax = [truth.softmax(c) for c in range(n)]
    log_softmax = [truth.log_softmax(c) for c in range(n)]
    yield from judged("softmax", reference.softmax, softmax, None, one)
    yield from judged("log-softmax", reference.log_softmax, log_softmax, None, one)
    for _ in range(2):
        target, divisor = target_of(random, fmt, n), Fraction(int(random.choice([1, 3, 65536])))
        targets, c = as_targets(target, fmt, n, divisor), coefficients(target, n)
        losses = exact.losses(reference, targets, logits, fmt)
        yield from judged("loss", losses, [truth.weighted(target.factors(n))], target, divisor)
        entries = exact.gradients(logits, targets, fmt)
        true = [gradient(truth, c, divisor, column) for column in range(n)]
        yield from judged("gradient", entries, true, target, divisor)


def main(seconds: float, seed: int) -> None:
    """Search so long, and print what was judged and what was wrong."""
    random, counts, wrong = np.random.default_rng(seed), Counter[str](), list[Wrong]()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for kind in KINDS:
            for fmt in FORMATS.values():
                with ctx.workprec(200):
                    wrong += wrong_of(random, fmt, kind, counts)
    bad = Counter(w.what for w in wrong)
    for what, count in sorted(counts.items()):
        print(f"{what:25} {count:9}")
    print("wrong:", dict(bad))
    for case in wrong[:10]:
        print(case)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else 60, int(given[1]) if len(given) > 1 else 1)
