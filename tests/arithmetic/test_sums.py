"""Running sums, the summation tree, exact sums, and the constants that bound them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_tool.arithmetic import MODELS, fused, strict, wide_sum
from softmax_tool.arithmetic.running import running_sums
from softmax_tool.arithmetic.tree import tree_sum
from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import FLOAT16, FLOAT32, FORMATS, FloatFormat
from tests.arithmetic.test_elementwise import OTHERS
from tests.oracle import oracle

LENGTHS = (1, 2, 7, 8, 9, 15, 16, 17, 100, 127, 128, 129, 255, 257, 1023, 1024, 1025, 2048, 3075)


def numbers(seed: int, rows: int, n: int) -> Any:
    rng = np.random.default_rng([seed, n])
    return rng.choice([-1, 1, 1], (rows, n)) * np.exp(rng.normal(size=(rows, n)) * 4)


@pytest.mark.parametrize("name", [*FORMATS, *OTHERS])
def test_running_sums_are_the_oracle_s(name: str) -> None:
    target = FORMATS.get(name) or OTHERS[name]
    for n in (1, 2, 130):
        x = target.round(numbers(1, 3, n))
        x = np.where(np.isfinite(x), x, 0).astype(target.carrier)
        got = running_sums(target, x)
        for row, sums in zip(x, got, strict=True):
            expected = oracle.running_sums(oracle.FORMATS[name], row.tolist())
            assert np.array_equal(sums, np.array(expected), equal_nan=True)


def test_a_running_sum_of_ones_sticks() -> None:
    for target in (FORMATS["float16"], *OTHERS.values()):
        sticks = 2**target.precision
        last = running_sums(target, np.ones((1, 2 * sticks), target.carrier))[0, -1]
        assert last == sticks


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_the_tree_is_the_oracle_s(name: str, n: int) -> None:
    x = numbers(2, 3, n).astype(name)
    got = tree_sum(x)
    expected = [oracle.tree_sum(oracle.FORMATS[name], row.tolist()) for row in x]
    assert got[:, 0].tolist() == expected


def test_the_tree_does_not_see_memory() -> None:
    x = numbers(3, 5, 5000).astype(np.float32)
    expected = tree_sum(x)
    backwards = np.ascontiguousarray(x[:, ::-1])[:, ::-1]
    strided = np.repeat(x, 2, axis=1)[:, ::2]
    for view in (np.asfortranarray(x), backwards, strided, x[2:3], np.vstack([x, x])):
        rows = [2] if len(view) == 1 else [*range(5)] * (len(view) // 5)
        assert np.array_equal(tree_sum(view), expected[rows])


@pytest.mark.parametrize("model", ["strict", "wide-sum", "fused"])
@pytest.mark.parametrize("name", list(FORMATS))
def test_sums_are_within_their_constant(name: str, model: str) -> None:
    target, oracle_format = FORMATS[name], oracle.FORMATS[name]
    constant = MODELS[model].sum_constant
    assert constant is not None
    for n in LENGTHS:
        if model != "fused":
            assert Fraction(constant(n, target)) == oracle.summation_constant(
                oracle_format, n, model
            )
        t = constant(n, target) * target.unit_roundoff
        if t >= 1:
            continue
        xp = MODELS[model].build(target)
        x = target.round(np.abs(numbers(4, 10, n)) % 8)
        got = xp.store(xp.sum(x))
        for row, total in zip(x, got[:, 0], strict=True):
            true = oracle.exact_sum(row.tolist())
            assert abs(Fraction(float(total)) - true) <= Fraction(t / (1 - t)) * true


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=200)
@given(st.lists(FINITE, max_size=40))
def test_exact_sums_are_exact(values: list[float]) -> None:
    total = ExactSum.of(np.array(values, np.float64))
    assert total.fraction() == sum(map(Fraction, values), Fraction(0))
    assert total.special() is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_exact_sums_of_arrays(dtype: Any) -> None:
    for scale in (1e-320, 1e-300, 1e-5, 1.0, 1e4, 1e300):
        with np.errstate(over="ignore", under="ignore"):
            x = (numbers(5, 20, 500) * scale).astype(dtype)
        finite = x[np.isfinite(x)]
        total = ExactSum.of(x)
        assert total.fraction() == oracle.exact_sum(finite.astype(np.float64).tolist())
        infinities = total.positive_infinities + total.negative_infinities
        assert infinities == x.size - finite.size


@pytest.mark.parametrize(
    ("values", "special"),
    [([np.inf, 1], "inf"), ([-np.inf], "-inf"), ([np.inf, -np.inf], "nan"), ([np.nan], "nan")],
)
def test_exact_sums_that_are_not_numbers(values: list[float], special: str) -> None:
    assert str(ExactSum.of(np.array(values)).special()) == special


@pytest.mark.parametrize("target", [FLOAT16, FLOAT32], ids=lambda f: f.name)
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (40, 5), (5, 40), (2, 3000)])
def test_one_pass_by_columns_and_by_stretches_are_one_sum(
    target: FloatFormat, shape: tuple[int, int]
) -> None:
    """Which is taken depends on the shape of a block, and the sum must not."""
    rng = np.random.default_rng(11)
    for scale in (0.1, 3, 30):
        x = target.round(rng.standard_normal(shape) * scale)
        x[rng.random(shape) < 0.1] = -np.inf
        x[:, :1] = -np.inf
        alone = np.concatenate([_online(target, row[None, :]) for row in x])
        block = np.tile(x, (shape[1] // shape[0] + 1, 1))  # so many rows that columns are fewer
        many = _online(target, block)[: shape[0]]
        assert np.array_equal(many, alone, equal_nan=True)


def _online(target: FloatFormat, x: Any) -> Any:
    with np.errstate(all="ignore"):
        return strict.build(target).online_sum(x)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 0x7BFF), st.integers(1, 700)), min_size=1, max_size=40),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_a_sum_that_is_certain_is_that_of_any_order(
    pairs: list[tuple[int, int]], both_signs: bool, seed: int
) -> None:
    values, counts = np.array(pairs).T
    x = values.astype(np.uint16).view(np.float16).astype(np.float32)[None]
    if both_signs:
        x[0, ::3] *= -1
    xp = wide_sum.build(FLOAT16)
    row = np.repeat(x[0], counts)
    known = xp.sum_of_repeated(x, counts[None], row.size)
    assert known is not None
    sums, certain = known
    rng = np.random.default_rng(seed)
    for _ in range(3):
        rng.shuffle(row)
        assert not certain or sums == xp.sum(row[None])


def test_where_the_order_of_a_sum_tells() -> None:
    x, counts = np.array([[1.0, 2.0**-11], [2.0, 0.0], [0.0, 0.0]], np.float32), np.ones((3, 2))
    known = wide_sum.build(FLOAT16).sum_of_repeated(x, counts, 2)
    assert known is not None
    assert known[1].tolist() == [[False], [True], [False]]
    assert fused.build(FLOAT16).sum_of_repeated(x, counts, 2) is None
    assert strict.build(FLOAT16).sum_of_repeated(x, counts, 2) is None
