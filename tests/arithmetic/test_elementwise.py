"""exp, log, log1p and the edges of exp against certified values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.arithmetic import MODELS
from softmax_tool.arithmetic.elementwise import evaluate
from softmax_tool.formats import FLOAT16, FLOAT32, FORMATS, ExpEdges, FloatFormat, exp_edges
from tests.golden.words import load

if TYPE_CHECKING:
    from numpy.typing import NDArray

FUNCTIONS = ("exp", "log", "log1p")
FLOAT = np.dtype(np.float32)
# Formats that are not NumPy's own: what is derived from parameters must hold for them too.
OTHERS = {
    "bfloat16": FloatFormat("bfloat16", 8, -126, 127, 255 * 2.0**120, True, FLOAT),
    "float8_e4m3fn": FloatFormat("float8_e4m3fn", 4, -6, 8, 448.0, False, FLOAT),
    "float8_e5m2": FloatFormat("float8_e5m2", 3, -14, 15, 57344.0, True, FLOAT),
}
GOLDEN = load("elementwise")
EDGES = {name: entry for name, entry in load("edges").items() if isinstance(entry, dict)}


def sha256(words: NDArray[Any]) -> str:
    return "sha256:" + hashlib.sha256(words.astype(">u2").tobytes()).hexdigest()


def one_zero(values: NDArray[Any]) -> NDArray[Any]:
    """Return values with +0 for −0: log1p(−0) is the one result whose sign the files leave out."""
    return values + np.zeros((), values.dtype)


ARITHMETICS = {
    f"{model.name}-{target.name}": (model, target)
    for model in MODELS.values()
    for target in (*FORMATS.values(), *OTHERS.values())
    if model.supports(target)
}


@pytest.mark.parametrize("name", list(ARITHMETICS))
def test_zeros_of_either_sign(name: str) -> None:
    # IEEE 754-2019, 9.2.1: logp1(±0) is ±0, exp(±0) is 1, log(±0) is −inf, nan where there is none.
    model, target = ARITHMETICS[name]
    xp = model.build(target)
    zeros = np.array([[-0.0, 0.0]], target.storage if model.in_storage else target.carrier)
    log1p = xp.store(xp.log1p(zeros))
    assert (log1p == 0).all()
    assert np.signbit(log1p).tolist() == [[True, False]]
    assert xp.store(xp.exp(zeros)).tolist() == [[1, 1]]
    infinity = -np.inf if target.has_inf else np.nan
    assert np.array_equal(xp.store(xp.log(zeros)), [[infinity] * 2], equal_nan=True)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_float16_over_all_inputs(function: str) -> None:
    x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    got = FLOAT16.stored(evaluate(function, x.astype(FLOAT16.carrier), FLOAT16))
    words = np.where(np.isnan(got), np.uint16(0x7E00), one_zero(got).view(np.uint16))
    assert sha256(words) == GOLDEN["tables"]["float16"][function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bfloat16_over_all_inputs(function: str) -> None:
    x = (np.arange(2**16, dtype=np.uint32) << 16).view(np.float32)
    got = evaluate(function, x, OTHERS["bfloat16"])
    words = np.where(np.isnan(got), np.uint32(0x7FC0), one_zero(got).view(np.uint32) >> 16)
    assert sha256(words) == GOLDEN["tables"]["bfloat16"][function]


@pytest.mark.parametrize("part", ["boundary", "hard"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_float32_near_rounding_boundaries(function: str, part: str) -> None:
    pairs = np.array([[int(w, 16) for w in pair] for pair in GOLDEN[f"{function}.{part}"]])
    x, expected = pairs.astype(np.uint32).T
    got = evaluate(function, np.ascontiguousarray(x).view(np.float32), FLOAT32)
    assert np.flatnonzero(one_zero(got).view(np.uint32) != expected).tolist() == []


def test_some_hard_cases_are_beyond_plain_float64() -> None:
    pairs = GOLDEN["exp.hard"] + GOLDEN["log.hard"] + GOLDEN["log1p.hard"]
    assert len(pairs) == 480
    # Were float64's bits left as they are, a value within 2**-49 of a boundary could go wrong.
    x = np.array([int(word, 16) for word, _ in GOLDEN["exp.hard"]], np.uint32).view(np.float32)
    wide = np.exp(x.astype(np.float64))
    near = [np.float32(wide * (1 + s * 2.0**-36)) for s in (-1, 1)]
    assert (near[0] != near[1]).all()


@pytest.mark.parametrize("name", list(EDGES))
def test_edges(name: str) -> None:
    target = FORMATS.get(name) or OTHERS[name]
    entry = EDGES[name]
    parameters = (target.precision, target.emin, target.emax, target.has_inf)
    assert parameters == tuple(entry[k] for k in ("precision", "emin", "emax", "has_inf"))
    assert target.max_finite == float.fromhex(entry["max_finite"])
    edges = exp_edges(target)
    assert {k: float(getattr(edges, k)).hex() for k in entry["exp"]} == {
        k: float.fromhex(v).hex() for k, v in entry["exp"].items()
    }


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_edges_are_where_the_model_s_exp_changes(name: str) -> None:
    target = FORMATS[name]
    edges = exp_edges(target)
    exp = {k: float(evaluate("exp", np.array([getattr(edges, k)], target.carrier), target)[0])
           for k in ExpEdges.__dataclass_fields__}  # fmt: skip
    assert exp["last_finite"] <= target.max_finite
    assert exp["first_overflow"] == np.inf
    assert (exp["last_zero"], exp["first_nonzero"]) == (0, target.smallest_subnormal)
    assert exp["last_subnormal"] < target.smallest_normal <= exp["first_normal"]
