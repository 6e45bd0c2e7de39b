"""Judged at distinct values, a 16-bit format gives the very report that whole rows give."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import softmax_tool as st
from softmax_tool import block_size, distinct, engine, renderers
from softmax_tool.distinct import Distinct, count, count_by_row
from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import FLOAT16, FLOAT32
from softmax_tool.plan import Options
from softmax_tool.readers import from_arrays
from softmax_tool.ulp import UlpStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

CLASSES = 400  # few enough to be quick about; what a long row does is in LONG
ALL_MODELS = ("strict", "wide-sum", "fused", "native")


def on_a_grid(rng: np.random.Generator, scale: float, shape: tuple[int, int]) -> Array:
    """Give normal logits of which each row holds most values several times."""
    return np.asarray(np.round(rng.normal(0, scale, shape) * 16 / scale) * scale / 16)


def rows() -> dict[str, Array]:
    """Give blocks of rows of every sort."""
    rng = np.random.default_rng(11)
    shape = (3, CLASSES)
    overflowing, masked = on_a_grid(rng, 4, shape), on_a_grid(rng, 3, shape)
    overflowing[:, 7::50] = 15.0
    masked[0, ::3] = masked[1, 5:] = masked[2, :] = -np.inf
    invalid = on_a_grid(rng, 3, (4, CLASSES))
    invalid[0, 77] = invalid[1, 5] = np.nan
    invalid[1, 3] = invalid[2, 300] = np.inf
    equal = np.zeros((4, CLASSES))
    equal[1], equal[2, ::2], equal[3] = -0.0, -0.0, 12.0
    uneven = np.zeros((4, CLASSES))
    uneven[1], uneven[2, 9] = np.round(rng.normal(0, 50, CLASSES)), 20.0
    uneven[3, :-1] = -18.0
    alone = np.full((2, CLASSES), -np.inf)
    alone[0, 200], alone[1, [3, 399]] = 1.5, 11.5
    return {
        "overflowing": overflowing,
        "plain": on_a_grid(rng, 0.5, (5, CLASSES)),
        "underflowing": on_a_grid(rng, 12, shape),
        "masked": masked,
        "invalid": invalid,
        "ties": np.round(rng.normal(0, 2, shape)),
        "equal": equal,
        "uneven": uneven,
        "alone": alone,
        "huge": rng.choice([60000.0, -60000.0, 100.0, 0.0, 11.0, 12.0], shape),
    }


ROWS = rows()


def long_rows() -> Array:
    """Give rows of several leaves of a sum, in which a running sum of half precision stalls."""
    rng = np.random.default_rng(12)
    x = on_a_grid(rng, 2, (2, 5000))
    x[0, 4321] = 14.0
    return x


def text(report: Any) -> str:
    stream = io.StringIO()
    renderers.render("json", report, stream)
    return stream.getvalue()


def both_ways(
    monkeypatch: pytest.MonkeyPatch, function: Any, x: Array, **options: Any
) -> tuple[Any, Any]:
    """Give what comes out with and without taking distinct values, and see that they were taken."""
    taken = []
    find = Distinct.of

    def spy(*given: Any) -> Distinct | None:
        found = find(*given)
        taken.append(found is not None)
        return found

    with monkeypatch.context() as changed:
        changed.setattr(distinct, "_MANY_CLASSES", 2)
        changed.setattr(Distinct, "of", spy)
        mine = function(x, threads=1, **options)
    assert any(taken)
    return mine, function(x, threads=1, **options)


@pytest.mark.parametrize("sort", list(ROWS))
def test_every_formulation_in_every_arithmetic(sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = ROWS[sort].astype(np.float16)
    labels = np.arange(len(x)) * 5
    mine, whole = both_ways(
        monkeypatch, st.compare, x, labels=labels, arithmetics=ALL_MODELS, dtypes=("float16",)
    )
    assert text(mine) == text(whole)


@pytest.mark.parametrize(
    "options",
    [
        {"top": 0},
        {"top": 1},
        {"top": 1000},
        {"max_ulp": 0.4},
        {"max_ulp": 3.0, "formulations": ("naive", "exact")},
        {"ops": ("softmax",), "formulations": ("online",), "arithmetics": ("strict",)},
        {"labels": np.array([1, -100, 7])},
        {"labels": np.array([-100, -100, -100])},
        {"labels": np.array([0, 5, 7]), "label_smoothing": 0.1},
        {"labels": np.array([399, 57, 201]), "weights": np.arange(CLASSES) / 7},
        {"labels": np.array([-100, 9, 3]), "ops": ("nll", "ce"), "arithmetics": ("strict",)},
        {"ops": ("ce", "log-softmax", "gradient"), "labels": np.array([0, 5, 7])},
    ],
    ids=str,
)
@pytest.mark.parametrize("sort", ["overflowing", "masked", "underflowing", "ties"])
def test_any_options(sort: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"dtypes": ("float16",), **options}
    mine, whole = both_ways(monkeypatch, st.compare, ROWS[sort].astype(np.float16), **given)
    assert text(mine) == text(whole)


def test_a_part_of_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(x: Array, threads: int) -> Any:
        options = Options(dtypes=("float16",), rows=(1, -1), top=30)
        return engine.compare(from_arrays(x, None), options, threads=threads)

    x = np.concatenate([ROWS["overflowing"], ROWS["plain"]]).astype(np.float16)
    mine, whole = both_ways(monkeypatch, compare, x)
    assert text(mine) == text(whole)


def test_logits_of_another_format(monkeypatch: pytest.MonkeyPatch) -> None:
    x = ROWS["overflowing"].astype(np.float32) + np.float32(1e-4)
    mine, whole = both_ways(monkeypatch, st.compare, x, dtypes=("float16", "float32"))
    assert text(mine) == text(whole)


def test_long_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    x = long_rows().astype(np.float16)
    given = {"dtypes": ("float16",), "arithmetics": ("strict", "wide-sum")}
    mine, whole = both_ways(monkeypatch, st.compare, x, **given)
    assert '"stalled-sum"' in text(whole)
    assert text(mine) == text(whole)


@pytest.mark.parametrize("sort", ["overflowing", "masked", "equal", "plain"])
def test_computed_values(sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = ROWS[sort].astype(np.float16)
    mine, whole = both_ways(monkeypatch, st.compute, x, dtypes=("float16",), top=100)
    assert text(mine) == text(whole)


def test_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.concatenate([ROWS["uneven"], ROWS["overflowing"], ROWS["plain"]]).astype(np.float16)
    monkeypatch.setattr(distinct, "_MANY_CLASSES", 2)
    reports = set()
    for block_rows in (1, 3, 5, 100):
        for name in ("ELEMENTS", "ELEMENTS_OF_FEW_RESULTS"):
            monkeypatch.setattr(block_size, name, block_rows * CLASSES)
        reports.add(text(st.compare(x, dtypes=("float16",), threads=1)))
    assert len(reports) == 1


@given(
    some.lists(some.integers(-4, 4), min_size=2, max_size=60),
    some.booleans(),
    some.none() | some.integers(0, 179),
)
def test_distinct_values_of_a_row(values: list[int], negative: bool, label: int | None) -> None:
    x = np.array([values * 3], np.float32)
    if negative:
        x[0, ::2] *= -1
    row, bits = x[0], x[0].view(np.int32)
    labels = None if label is None else np.array([[label % row.size]])
    found = take(x, labels)
    alone = {int(row.argmax())} | ({label % row.size} if label is not None else set())
    columns, counts = found.columns[0], found.counts[0]
    assert (np.diff(columns) > 0).all()
    assert counts.sum() == row.size
    assert (found.expand(x[:, columns]).view(np.int32) == x.view(np.int32)).all()
    for column, often in zip(columns, counts, strict=True):
        equals = set(np.flatnonzero(bits == bits[column])) - (alone - {column})
        equals = {column} if column in alone else equals
        assert (column, often) == (min(equals), len(equals))
        assert found.places(np.array([[column]])) == [[list(columns).index(column)]]


def take(x: Array, labels: Array | None = None) -> Distinct:
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(distinct, "_MANY_CLASSES", 2)
        changed.setattr(distinct, "_LARGEST_SHARE", 1.0)
        found = Distinct.of(x, FLOAT16, None, labels)
    assert found is not None
    return found


ERRORS = some.floats(0, 1e9) | some.sampled_from(
    [0.0, 5e-324, 2.0**-21, 0.5, 4096.0, 1e308, np.inf]
)


@given(some.lists(some.tuples(ERRORS, some.integers(1, 9)), min_size=1))
def test_errors_that_count_several_times(pairs: list[tuple[float, int]]) -> None:
    errors, weights = np.array([e for e, _ in pairs]), np.array([n for _, n in pairs])
    mine = UlpStatistics.of(errors, weights)
    assert mine == UlpStatistics.of(np.repeat(errors, weights))
    finite = np.isfinite(errors)
    true = sum(Fraction(e) * n for e, n in pairs if np.isfinite(e))
    assert ExactSum.of(errors[finite], weights[finite]).fraction() == true
    assert mine.infinite == weights[~finite].sum()


def test_a_sum_of_common_errors_beyond_64_bits() -> None:
    errors, weights = np.full((1, 4), 4095.75), np.full((1, 4), 1 << 30)
    assert UlpStatistics.of(errors, weights).finite_sum.fraction() == Fraction(4095.75) * 4 * 2**30


def test_counts() -> None:
    mask, weights = np.array([[True, False], [True, True]]), np.array([[3, 5], [7, 0]])
    assert count(mask) == 3
    assert count(mask, weights) == 10
    assert count(~mask, weights) == 5
    assert count(mask & False, weights) == 0
    assert count(mask | True, weights) == 15
    assert count_by_row(mask).tolist() == [[1], [2]]
    assert count_by_row(mask, weights).tolist() == [[3], [7]]


def test_rows_with_fewer_values_repeat_one_that_counts_nothing() -> None:
    x = np.array([[3, 3, 3, 3, 3, 3], [1, 2, 3, 1, 2, 3], [2, 1, 1, 1, 1, 1]], np.float32)
    found = take(x)
    assert found.columns.tolist() == [[0, 1, 1, 1], [0, 1, 2, 5], [0, 1, 1, 1]]
    assert found.counts.tolist() == [[1, 5, 0, 0], [2, 2, 1, 1], [1, 5, 0, 0]]
    assert (found.expand(np.take_along_axis(x, found.columns, axis=1)) == x).all()
    assert (found[np.array([2])].expand(np.array([[7, 8, 8, 8]])) == [[7, 8, 8, 8, 8, 8]]).all()


def test_nothing_is_gained() -> None:
    repeated = np.zeros((1, 1 << 13), np.float32)
    assert Distinct.of(repeated, FLOAT16) is not None
    assert Distinct.of(repeated, FLOAT32) is None
    assert Distinct.of(repeated[:, 1:], FLOAT16) is None  # too short
    many = np.arange(1 << 13, dtype=np.uint16).view(np.float16).astype(np.float32)
    assert Distinct.of(np.stack([repeated[0], many]), FLOAT16) is None
