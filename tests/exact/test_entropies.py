"""Entropies against ball arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from flint import arb, ctx, fmpq

from softmax_tool import exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

INF = float("inf")

ROWS = {
    "equal": [0.0, 0.0, 0.0],
    "rounded shift": [300.3, 0.7],
    "far apart": [700.1, 0.3],
    "subnormal": [100.0, -640.0, -641.5],
    "nearly subnormal": [0.0, -715.25],
    "vanished": [0.0, -900.0],
    "masked": [3.0, -INF, 1.0],
    "certain": [3.0, -INF],
    "one": [5.0],
    "beyond float64": [1.7e308, 1.7e308, -1.7e308],
    "tied and faint": [401.7, 401.7, 0.1],
    "faint beside faint": [0.3, -399.9, -401.1, -450.2],
    "close": [1e15, 1e15 + 0.125],
}


def true_entropy(row: list[float]) -> Any:
    """Σ p (log S − z), which cancels nowhere."""
    z = [
        arb(fmpq(*x.as_integer_ratio()) - fmpq(*max(row).as_integer_ratio()))
        for x in row
        if x > -INF and max(row) - x < 1e5
    ]  # exp(-1e5) is far below float64
    e = [x.exp() for x in z]
    s = sum(e, arb(0))
    return sum((w / s * (s.log() - x) for w, x in zip(e, z, strict=True)), arb(0))


def assert_right(row: list[float], hi: float, tail: float) -> None:
    before, ctx.prec = ctx.prec, 3000
    try:
        true = true_entropy(row)
        assert hi == float(true)
        if hi > 1e-290:
            ulp = 2.0 ** (np.frexp(hi)[1] - 53)
            got = arb(fmpq(*hi.as_integer_ratio())) + arb(fmpq(*tail.as_integer_ratio())) * ulp
            assert abs(got / true - 1) < arb(2) ** -85
    finally:
        ctx.prec = before


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_hard_rows(row: list[float]) -> None:
    found = exact.entropies(np.array([row]))
    assert found.tail is not None
    finite = [x for x in row if x > -INF]
    assert bool(found.nonzero[0, 0]) == (len(finite) > 1)
    if len(finite) > 1:
        assert_right(row, float(found.hi[0, 0]), float(found.tail[0, 0]))
    else:
        assert found.hi[0, 0] == 0


@pytest.mark.parametrize("spread", [0.01, 3.0, 60.0, 400.0])
def test_random_rows(spread: float) -> None:
    logits: NDArray[Any] = np.random.default_rng(3).normal(size=(20, 30)) * spread
    found = exact.entropies(logits)
    assert found.tail is not None
    for row, hi, tail in zip(logits.tolist(), found.hi[:, 0], found.tail[:, 0], strict=True):
        assert_right(row, float(hi), float(tail))
