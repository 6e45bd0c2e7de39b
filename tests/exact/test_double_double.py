"""The double-double reference against balls: its exponential, and adversarial rows."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from flint import arb, ctx

from softmax_tool.exact import double_double as dd
from softmax_tool.exact import quad

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST = 2.0**-1074


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    saved, ctx.prec = ctx.prec, 4000
    yield
    ctx.prec = saved


def arguments() -> dict[str, Any]:
    random = np.random.default_rng(3)
    step = math.log(2) / 2**14
    return {
        "uniform": -random.uniform(0, 745, 600),
        "of every size": -(10.0 ** random.uniform(-20, 3.3, 600)),
        "large": random.uniform(0, 2000, 200),
        "on the table": -np.arange(1, 24_000_000, 60_013) * step,
        "between its entries": -(np.arange(1, 24_000_000, 60_013) + 0.5) * step,
    }


@pytest.mark.parametrize("name", list(arguments()))
def test_the_exponential_is_as_near_as_proven(name: str) -> None:
    ctx.prec = 300
    hi = arguments()[name]
    # Low parts as large as they can be.
    lo = np.spacing(hi) / 2 * np.random.default_rng(4).uniform(-1, 1, hi.size)
    got = dd.exp(dd.DoubleDouble(hi, lo))
    worst = 0.0
    for i, z in enumerate(hi):
        true = (arb(float(z)) + arb(float(lo[i]))).exp()
        value = arb(float(got.value.hi[i])) + arb(float(got.value.lo[i]))
        error = abs((value * arb(2) ** int(got.exponent[i]) - true) / true)
        bound = 2.0**-95 if abs(z) < 1024 else 2.0**-94
        kept = bool(error < bound)
        assert kept, z
        worst = max(worst, float(error.mid()))
    assert worst > 2.0**-110  # such arguments do meet an error


def rows() -> dict[str, Any]:
    random = np.random.default_rng(5)
    normal = random.normal(size=(8, 11))
    big = 1.7e308
    masked = np.where(random.random((8, 11)) < 0.4, -np.inf, normal * 20)
    masked[:, 3] = 1.0
    ramp = np.linspace(0, -760, 96)[None, :]
    return {
        "of every scale": normal * 10.0 ** np.arange(-300, 308, 76)[:, None],
        "spread to the subnormals": normal
        * np.array([50, 100, 200, 240, 250, 260, 300, 400])[:, None],
        "huge offsets": 1e16 + np.arange(0, 22, 2.0)[None, :],
        "gaps of one": -4e15 + np.arange(11.0)[None, ::-1],
        "close together": 1 + np.arange(-5, 6)[None, :] * 2.0**-52,
        "masked": masked,
        "alone": np.array([[-np.inf, 3.0, -np.inf], [big, -np.inf, -np.inf]]),
        "two at the top": np.array([[0.0, 0.0, -745.0], [700.0, 700.0, -40.0], [big, big, -big]]),
        "far second": np.array([[0.0, -d, -d - 1] for d in (277, 278, 300, 400, 649, 651, 700)]),
        "near the smallest": np.array([[0.0, -d, -d] for d in (708.4, 744.4, 745.1, 745.2, 746)]),
        "beyond the smallest": np.array([[0.0, -d, -d] for d in (799.0, 801.0, 1e4, 1e300)]),
        "largest": np.array([[big, -big, 0.0], [big, big / 2, -1e307], [-big, -1.0, -2.0]]),
        "a power of two below": np.array([[math.log(2.0**k - 1), 0.0] for k in range(1, 30)]),
        "a long ramp": ramp,
        "a ramp up": ramp[:, ::-1],
        "more classes than a piece": random.normal(size=(2, 8_200)) * 3,
        "rows that fill no lane": random.normal(size=(3, 259)) * 30,
    }


@pytest.mark.parametrize("name", list(rows()))
def test_adversarial_rows(name: str) -> None:
    x = np.asarray(rows()[name], np.float64)
    if x.shape[1] > 1000:
        ctx.prec = 300
    got = quad.reference(x)
    for row, numbers in enumerate(x):
        maximum, first = arb(float(numbers.max())), int(numbers.argmax())
        z = [arb(float(v)) - maximum if v > -np.inf else None for v in numbers]
        e = [arb(0) if v is None else v.exp() for v in z]
        others = sum((v for c, v in enumerate(e) if c != first), arb(0))
        columns = range(x.shape[1]) if x.shape[1] < 1000 else range(0, x.shape[1], 41)
        for c in {*columns, first}:
            shifted = z[c]
            if shifted is None:
                assert got.softmax.hi[row, c] == 0
                assert got.log_softmax.hi[row, c] == -np.inf
                continue
            near(got.softmax, row, c, e[c] / (1 + others))
            near(got.log_softmax, row, c, shifted - others.log1p())


def near(exact: Any, row: int, column: int, true: Any) -> None:
    """Hold a value to its promise: rounded as the truth, and the tail to 2**-90 or η/2**40."""
    hi, tail = float(exact.hi[row, column]), float(exact.tail[row, column])
    if not math.isfinite(hi):
        beyond = bool(abs(true) > 1.797e308)
        assert beyond, (row, column)
        return
    unit = math.ldexp(1.0, max(math.frexp(hi)[1] - 53, -1074)) if hi else LEAST
    missed = abs(arb(hi) + arb(tail) * arb(unit) - true)
    # Kept from pytest, which would write thousands of digits.
    kept = bool(missed <= abs(true) * arb(2) ** -90 + arb(LEAST) * arb(2) ** -40)
    assert kept, (row, column, float(missed.mid()))
    for way in (-math.inf, math.inf):
        other = math.nextafter(hi, way)
        if math.isfinite(other):
            middle = (arb(hi) + arb(other)) / 2
            beyond = bool((true - middle) * (1 if way > 0 else -1) > 0)
            assert not beyond, (row, column, way)


def test_parts_of_a_reference_are_those_of_the_whole() -> None:
    x = np.random.default_rng(6).normal(size=(40, 300)) * 100
    x[::7, 5] = -np.inf
    reference = quad.reference(x)
    rows, columns = np.array([3, 0, 14]), np.array([7, 5, 299])
    some = quad.reference(x)[rows].at(columns[:, None])
    picked = quad.reference(x).pick(rows, columns)
    for name in ("softmax", "log_softmax"):
        whole = getattr(reference, name)
        for part in (getattr(some, name), getattr(picked, name)):
            assert np.array_equal(part.hi[:, 0], whole.hi[rows, columns])
            assert np.array_equal(part.tail[:, 0], whole.tail[rows, columns])
            assert np.array_equal(part.nonzero[:, 0], whole.nonzero[rows, columns])
            assert np.array_equal(part.infinite[:, 0], whole.infinite[rows, columns])


def test_threads_do_not_disturb_one_another() -> None:
    random = np.random.default_rng(9)
    blocks = [random.normal(size=(60, 500)) * 10 for _ in range(8)]

    def bits(x: Any) -> bytes:
        reference = quad.reference(x)
        parts = (reference.softmax, reference.log_softmax)
        return b"".join(p.hi.tobytes() + np.asarray(p.tail).tobytes() for p in parts)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(bits, blocks)) == [bits(x) for x in blocks]
