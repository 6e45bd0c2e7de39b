"""The float32 arguments that float64 cannot decide are all known, and so is what is right there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from softmax_tool.arithmetic import elementwise
from softmax_tool.arithmetic.elementwise import evaluate
from softmax_tool.formats import FLOAT32
from softmax_tool.tiling import TILE
from tests.golden.hard import FUNCTIONS, PATH, PATTERNS, correctly_rounded, hard_arguments, in_slice

KNOWN = {
    function: np.array([[float.fromhex(text) for text in pair] for pair in pairs])
    for function, pairs in json.loads(PATH.read_text()).items()
}
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


@pytest.mark.parametrize("is_right", [True, False])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_hard_arguments_are_right_on_either_way(
    function: str, is_right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, right = KNOWN[function].T
    if not is_right:
        monkeypatch.setattr(elementwise, "_is_right_in_float32", lambda _: False)
    x = np.resize(arguments, TILE + 7).astype(np.float32)
    got = evaluate(function, x, FLOAT32)
    np.testing.assert_array_equal(got, np.resize(right, TILE + 7).astype(np.float32))


@pytest.mark.parametrize("error", [-(2.0**-49), 2.0**-49])
def test_a_function_that_errs_is_not_trusted(error: float, monkeypatch: pytest.MonkeyPatch) -> None:
    exp = np.exp
    monkeypatch.setitem(elementwise.FUNCTIONS, "exp", lambda x, **_: exp(x) * (1 + error))
    elementwise._is_right_in_float32.cache_clear()
    try:
        assert not elementwise._is_right_in_float32("exp")
    finally:
        elementwise._is_right_in_float32.cache_clear()
