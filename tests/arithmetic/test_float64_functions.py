"""NumPy's float64 functions are within the 1 ULP that the bounds take them to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.exact import double_double as dd
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from collections.abc import Callable

ARGUMENTS: list[tuple[str, Callable[[np.random.Generator], Any]]] = [
    ("exp", lambda rng: -rng.uniform(0, 700, 100_000)),
    ("exp", lambda rng: -(10 ** rng.uniform(-10, 1, 100_000))),
    ("log", lambda rng: rng.uniform(1, 3, 100_000)),
    ("log", lambda rng: 10 ** rng.uniform(0, 5, 100_000)),
    ("log1p", lambda rng: 10 ** rng.uniform(-300, 5, 100_000)),
    ("log1p", lambda rng: 10 ** rng.uniform(-3, 1, 100_000)),
]


@pytest.mark.parametrize(("function", "draw"), ARGUMENTS)
def test_within_one_ulp(function: str, draw: Callable[[np.random.Generator], Any]) -> None:
    x = draw(np.random.default_rng(0))
    value = getattr(dd, function)(dd.DoubleDouble.of(x))
    true = value.unscaled() if isinstance(value, dd.Scaled) else value
    missed = (getattr(np, function)(x) - true.hi) - true.lo
    ulps = np.abs(np.ldexp(missed, -ulp_exponent(true.hi, FLOAT64)))
    assert 0.4 < ulps.max() < 1
