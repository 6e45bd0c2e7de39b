"""The float32 arguments that float64 cannot decide are all known, and so is what is right there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.arithmetic import elementwise
from softmax_tool.arithmetic.elementwise import evaluate
from softmax_tool.formats import FLOAT32
from softmax_tool.tiling import TILE
from tests.golden.hard import (
    FUNCTIONS,
    PATTERNS,
    correctly_rounded,
    hard_arguments,
    in_slice,
    on_file,
)

KNOWN = {function: np.array(pairs) for function, pairs in on_file().items()}

if TYPE_CHECKING:
    from collections.abc import Callable

SLICE = 1 << 24  # a second for each


@pytest.mark.parametrize("function", FUNCTIONS)
def test_balls_agree(function: str) -> None:
    for argument, right in KNOWN[function]:
        assert correctly_rounded(function, argument) == right


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_other_argument_is_hard(function: str) -> None:
    """Looked at in random slices; the script that wrote the file looks at all."""
    rng = np.random.default_rng()
    starts = (rng.integers(0, PATTERNS // SLICE, 8) * SLICE).tolist()
    arguments = KNOWN[function][:, 0].astype(np.float32)
    for start in starts:
        mine = arguments[in_slice(arguments, start, start + SLICE)]
        # Another machine's function may be off by a few ULP: it may see a few more or fewer.
        found = set(hard_arguments(function, start, start + SLICE))
        assert len(found ^ set(mine.tolist())) <= 2, start


@pytest.fixture(params=[-(2.0**-50), 0.0, 2.0**-50])
def slightly_wrong(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Let float64's functions be off by a few ULP, one way or the other."""
    error: float = request.param

    def off(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, out=None: np.multiply(function(x, out=out), 1 + error, out=out)

    for name, function in list(elementwise.FUNCTIONS.items()):
        monkeypatch.setitem(elementwise.FUNCTIONS, name, off(function))
    elementwise._misrounded.cache_clear()
    monkeypatch.setattr(elementwise, "_misrounded", elementwise._misrounded.__wrapped__)
    return error


@pytest.mark.parametrize("function", FUNCTIONS)
def test_hard_arguments_are_right_whatever_float64_makes_of_them(
    function: str, slightly_wrong: float
) -> None:
    arguments, right = KNOWN[function].T
    if slightly_wrong:
        assert elementwise._misrounded(function)
    for size in (len(arguments), TILE + 7):
        x = np.resize(arguments, size).astype(np.float32)
        got = evaluate(function, x, FLOAT32)
        np.testing.assert_array_equal(got, np.resize(right, size).astype(np.float32))


def test_an_argument_that_is_not_a_number_hides_none() -> None:
    arguments, right = KNOWN["log"].T
    x = np.resize(arguments, TILE).astype(np.float32)
    x[5] = np.nan
    expected = np.resize(right, TILE).astype(np.float32)
    expected[5] = np.nan
    np.testing.assert_array_equal(evaluate("log", x, FLOAT32), expected)
