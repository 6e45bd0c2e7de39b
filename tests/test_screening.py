"""The quick way through plain rows gives the summary that the whole judgement gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.arithmetic.wide_sum import WIDE_SUM
from softmax_tool.blocks import work
from softmax_tool.bounds import NOT_CONVEX
from softmax_tool.exact import float32_tiles, reference
from softmax_tool.exact.escalation import SettledElements
from softmax_tool.extremes import Extremes
from softmax_tool.formats import FLOAT16, FLOAT32, FLOAT64, find_format
from softmax_tool.formulations import FORMULATIONS
from softmax_tool.infinities import Infinities
from softmax_tool.lane import lowest_in_ulp
from softmax_tool.minorant import Minorant, Samples
from softmax_tool.plan import Options, ieee_formats, plan
from softmax_tool.readers import Block, from_arrays
from softmax_tool.rows import Rows, Yardsticks
from softmax_tool.rows import _true as true
from softmax_tool.screening import Limit, Listing, Screen, Screened, Seen
from softmax_tool.summary import PairSummary
from softmax_tool.sweep import Candidate, Swept, sweep
from softmax_tool.tiling import tiles
from softmax_tool.ulp import one_over_an_ulp

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.blocks import BlockOutcome
    from softmax_tool.exact import Exact
    from softmax_tool.formats import FloatFormat
    from softmax_tool.summary import Summary

    Array = NDArray[np.float64]


def _normal(scale: float, shape: tuple[int, int]) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.standard_normal(shape) * scale


def _one_larger(margin: float, shape: tuple[int, int]) -> Callable[[np.random.Generator], Array]:
    def make(rng: np.random.Generator) -> Array:
        x = rng.standard_normal(shape)
        x[np.arange(shape[0]), rng.integers(0, shape[1], shape[0])] += margin
        return x

    return make


def _adding_up_to(total: float) -> Callable[[np.random.Generator], Array]:
    """Rows with many logits near 0, and so much beside them that Σ exp x is nearly the total."""

    def make(rng: np.random.Generator) -> Array:
        x = rng.uniform(-3e-6, 3e-6, (4, 300))
        x[:, :100] = np.log((total - 200) / 100)
        return x

    return make


def _mixed(rng: np.random.Generator) -> Array:
    """Rows of every sort: ordinary, masked, far apart, overflowing, tied, invalid."""
    x = rng.standard_normal((60, 17)) * np.exp(rng.uniform(-8, 5, (60, 1)))
    x[rng.random(x.shape) < 0.02] = -np.inf
    x[5] = np.nan
    x[6, 3] = np.inf
    x[7:12] = np.round(x[7:12])
    x[12:20] += 100
    return x


def _dominated(shape: tuple[int, int], most: float = 120) -> Callable[[np.random.Generator], Array]:
    """Rows that one class dominates, the others so far from it that shifts are on boundaries."""

    def make(rng: np.random.Generator) -> Array:
        x = rng.standard_normal(shape) * 3
        rows, columns = np.arange(shape[0]), rng.integers(0, shape[1], shape[0])
        x[rows, columns] += rng.uniform(60, most, shape[0])
        return x

    return make


MAKERS: dict[str, Callable[[np.random.Generator], Any]] = {
    "ordinary": _normal(3, (40, 50)),
    "wide": _normal(30, (40, 50)),
    "narrow": _normal(1e-3, (40, 50)),
    "two classes": _normal(5, (500, 2)),
    "confident": _one_larger(14, (40, 100)),
    "certain": _one_larger(30, (40, 100)),
    "all but 1": _one_larger(41, (40, 100)),
    "long": _normal(2.5, (2, 70_000)),
    "stalling": _normal(0.01, (6, 5000)),
    "equal": lambda _: np.zeros((3, 256)),
    "softmax near a power of two": _adding_up_to(2.0**12),
    "log-softmax near a power of two": _adding_up_to(np.exp(8)),
    "far from 0": lambda rng: rng.standard_normal((20, 100)) + 3000,
    "far apart": _normal(12, (6, 3000)),
    "mixed": _mixed,
    "dominated": _dominated((60, 120)),
    "overflowing": _one_larger(100, (40, 100)),
    "overflowing sums": lambda rng: rng.uniform(87, 88.5, (9, 200)),
    "overflowing alike": lambda _: np.full((5, 200), 100.0),
    "underflowing": lambda rng: rng.standard_normal((5, 200)) - 200,
    "overflowing in part": lambda rng: np.concatenate(
        [_one_larger(100, (7, 200))(rng), rng.standard_normal((7, 200))]
    ),
}


LONG_AND_DOMINATED = _dominated((2, 70_000), 75)


def _summaries(swept: Swept) -> list[Summary | None]:
    return [case.summary if isinstance(case, Screened) else None for case in swept.cases]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("arithmetic", "max_ulp"),
    [("wide-sum", None), ("wide-sum", 0.75), ("strict", None), ("native", None)],
)
@pytest.mark.parametrize("measured", [True, False], ids=["measured", "glanced"])
def test_the_summaries_are_the_same(
    maker: str,
    dtype: str,
    arithmetic: str,
    max_ulp: float | None,
    monkeypatch: pytest.MonkeyPatch,
    *,
    measured: bool,
) -> None:
    if maker.startswith("long") and arithmetic == "strict":
        pytest.skip("one class after the other takes long")
    logits = MAKERS[maker](np.random.default_rng(20261121))
    if maker == "long" and dtype == "float64" and max_ulp is not None:
        # So many classes are found wrong that to say where each began takes long, and it is said
        # row by row. Only float32 is swept by tiles that end amid a row.
        logits = logits[:1]
    source = from_arrays(logits.astype(find_format(dtype).storage))
    options = Options(
        dtypes=(dtype,), arithmetics=(arithmetic,), max_ulp=max_ulp, top=7, columns=(1, None)
    )
    plan_ = plan(source, options, ieee_formats, None, measured=measured)
    [block] = source.blocks(len(logits))
    pairs = tuple((a, a + 1) for a in range(len(plan_.cases) - 1))
    quick = work(block, plan_, options, pairs)
    monkeypatch.setattr(Screen, "promising", lambda self, *_: np.zeros(len(self.numbers), bool))
    slow = work(block, plan_, options, pairs)
    assert quick.pairs == slow.pairs
    for name, one, other in zip(plan_.cases, quick.cases, slow.cases, strict=True):
        mine, theirs = one.summary, other.summary
        # Bounds of single elements are taken in float64; those of whole rows may be settled.
        ratio = theirs.bound_ratio and pytest.approx(theirs.bound_ratio, rel=1e-9)
        # As text, since NaN is unlike itself.
        assert repr(replace(mine, bound_ratio=None)) == repr(replace(theirs, bound_ratio=None)), (
            name
        )
        assert mine.bound_ratio == ratio, name
        assert np.array_equal(one.marks.worst(len(logits)), other.marks.worst(len(logits)))


@pytest.mark.parametrize("wary", [False, True])
def test_an_odd_number_of_units_stands_for_what_is_between(
    monkeypatch: pytest.MonkeyPatch, *, wary: bool
) -> None:
    """With units so large that errors on the wrong side of an edge would be many."""
    monkeypatch.setattr(float32_tiles, "COARSE_PLACES", 14)
    if wary:  # one value in a thousand
        monkeypatch.setattr(SettledElements, "tolerance", lambda *_, **__: 2.0**-34)
    logits = MAKERS["long"](np.random.default_rng(3)).astype(np.float32)
    options = Options(dtypes=("float32",), ops=("softmax",))
    quick, slow = _both_ways(logits, options, monkeypatch)
    for one, other in zip(quick.cases, slow.cases, strict=True):
        assert one.summary.ulp == other.summary.ulp
        assert one.summary.correctly_rounded == other.summary.correctly_rounded


def _both_ways(
    logits: Array, options: Options, monkeypatch: pytest.MonkeyPatch
) -> tuple[BlockOutcome, BlockOutcome]:
    """Work on float32 logits as one block, quickly and with every row judged."""
    plan_ = plan(from_arrays(logits), options, ieee_formats, None)
    block = Block(0, logits, None)
    quick = work(block, plan_, options, ())
    monkeypatch.setattr(Screen, "promising", lambda self, *_: np.zeros(len(self.numbers), bool))
    return quick, work(block, plan_, options, ())


def test_a_block_may_be_screened_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary float32 rows never reach the judgement: this is what makes them cheap."""
    logits = MAKERS["ordinary"](np.random.default_rng(1)).astype(np.float32)
    source = from_arrays(logits)
    options = Options(dtypes=("float32",))
    plan_ = plan(source, options, ieee_formats, None)

    def refuse(*_: object) -> None:
        raise AssertionError("a plain row was judged")

    monkeypatch.setattr("softmax_tool.judged_results.judge", refuse)
    work(Block(0, logits, None), plan_, options, ())


@pytest.mark.parametrize(
    ("op", "formulation", "dtype"),
    [
        ("softmax", "shifted", "float32"),
        ("softmax", "naive", "float32"),
        ("log-softmax", "shifted", "float32"),
        ("softmax", "shifted", "float16"),
        ("log-softmax", "shifted", "float16"),
    ],
)
def test_where_only_kinds_are_asked_for_bounds_tell_that_there_are_none(
    op: str, formulation: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No true values are made, but of the rows that one class dominates."""
    rng = np.random.default_rng(5)
    logits = (rng.standard_normal((30, 200)) / 4).astype(np.float32)
    options = Options(dtypes=(dtype,), ops=(op,), formulations=(formulation,))
    plan_ = plan(from_arrays(logits), options, ieee_formats, None, measured=False)
    measured = []

    def spy(rows: Rows, target: FloatFormat, quantity: str) -> Exact:
        measured.append(len(rows.logits))
        return true(rows, target, quantity)

    monkeypatch.setattr("softmax_tool.rows._true", spy)
    [case] = work(Block(0, logits, None), plan_, options, ()).cases
    assert not measured
    assert (case.summary.judged, case.summary.rows_hit) == (logits.size, 0)
    logits[[3, 17], 0] += 90
    [case] = work(Block(0, logits, None), plan_, options, ()).cases
    assert set(measured) == {2}
    assert case.summary.judged == logits.size


@pytest.mark.parametrize(
    "maker", [*map(MAKERS.get, ("long", "confident", "far apart")), LONG_AND_DOMINATED]
)
def test_ordinary_float32_rows_are_measured_in_one_sweep(
    maker: Callable[[np.random.Generator], Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = maker(np.random.default_rng(2)).astype(np.float32)
    source = from_arrays(logits)
    options = Options(dtypes=("float32",), ops=("log-softmax",), formulations=("naive", "shifted"))
    plan_ = plan(source, options, ieee_formats, None)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a case was screened by itself")

    monkeypatch.setattr(Screen, "add_up", refuse)
    work(Block(0, logits, None), plan_, options, ((0, 1),))


@pytest.mark.parametrize("tile", [1 << 16, 1 << 12])
@pytest.mark.parametrize("shape", [(3, 40_000), (150, 300)], ids=["wide", "tall"])
@pytest.mark.parametrize("quantity", ["softmax", "log-softmax"])
def test_errors_of_any_size_are_swept_as_they_are_screened(
    quantity: str, shape: tuple[int, int], tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results so many float32 numbers from the true ones, some of them beyond 32 bits of units."""
    monkeypatch.setattr("softmax_tool.sweep._TILE", tile)
    rng = np.random.default_rng(11)
    logits = (rng.standard_normal(shape) * 2).astype(np.float32)
    # Two classes so close to the largest that an error may change their order.
    rows, best = np.arange(len(logits)), logits.argmax(axis=1)
    logits[rows, best - 1] = np.nextafter(logits.max(axis=1), np.float32(0))
    logits[rows, best - 2] = logits.max(axis=1) - np.float32(1e-4)
    truth = reference(logits.astype(np.float64), FLOAT32)
    yardsticks = Yardsticks(Rows(logits, None, truth), FLOAT32, 1e9)
    screen = Screen(yardsticks, quantity, rows)
    bound = FORMULATIONS[quantity, "shifted"].error_bound
    assert bound is not None
    limit = Limit(bound, yardsticks.conditions(WIDE_SUM))
    listing = Listing(7, (0, len(logits)), (0, shape[1]))
    few_large = np.where(
        rng.random(shape) < 2**-8, rng.choice([4, -5, 99, -9000], shape), rng.integers(-2, 3, shape)
    )
    overtaking = rng.integers(-1, 2, shape)
    overtaking[rows, best - 2] = 9000 if quantity == "softmax" else -9000
    steps = [
        few_large,
        rng.integers(-1, 2, shape),
        rng.integers(-5, 6, shape),  # units of 2**-29 ULP end at 4
        rng.choice([0, 0, 0, 1, -3, 4, 127, -128, 900], shape),
        few_large,
        overtaking,
    ]
    results: list[Array | None] = [_moved(screen.ruler.rounded, each) for each in steps]
    for spoilt, wrong in ((2, np.nan), (4, np.inf)):
        np.asarray(results[spoilt])[1, shape[1] // 2] = wrong
    candidates = [Candidate(got, limit, Seen(), are_exact=False) for got in results]
    candidates.append(Candidate(None, None, Seen(), are_exact=True))
    swept = sweep(screen, candidates, {}, listing)
    changes = []
    for candidate, mine in zip(candidates, _summaries(swept), strict=True):
        got = screen.ruler.rounded if candidate.got is None else candidate.got
        if mine is None:
            assert not np.isfinite(got).all()
            continue
        nowhere = np.zeros(len(got), bool)
        screened = screen.add_up(
            got, nowhere, candidate.limit, listing, Seen(), are_exact=candidate.are_exact
        )
        theirs = screened.summary
        assert screened.plain.all()
        assert not screened.rows.size
        assert mine.bound_ratio == pytest.approx(theirs.bound_ratio, rel=1e-9)
        assert replace(mine, bound_ratio=None) == replace(theirs, bound_ratio=None)
        changes.append(mine.rank_changes)
    assert len(changes) == 5
    assert changes[-2:] == [len(logits), 0]
    (alone,) = _summaries(sweep(screen, candidates[5:6], {}, listing))
    assert alone is not None
    assert alone.rank_changes == len(logits)
    none = Swept((None, None), {})
    assert sweep(screen, [candidates[2], candidates[4]], {(0, 1): PairSummary()}, listing) == none
    endless = replace(limit, bound=lambda some: np.full_like(some.y, np.inf))
    assert sweep(screen, [replace(candidates[1], limit=endless)] * 2, {}, listing) == none


@pytest.mark.parametrize("tile", [1 << 16, 1 << 12])
@pytest.mark.parametrize("shape", [(6, 40_000), (150, 300)], ids=["wide", "tall"])
@pytest.mark.parametrize("seed", range(3))
def test_a_maximum_that_dominates_its_row_is_measured_apart(
    seed: int, shape: tuple[int, int], tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its true value may be beyond what 32 bits measure, or subnormal, or round to 0."""
    monkeypatch.setattr("softmax_tool.sweep._TILE", tile)
    rng = np.random.default_rng(seed)
    logits = _dominated(shape)(rng).astype(np.float32)
    rows, best = np.arange(shape[0]), logits.argmax(axis=1)
    truth = reference(logits.astype(np.float64), FLOAT32)
    yardsticks = Yardsticks(Rows(logits, None, truth), FLOAT32, 1e4)
    screen = Screen(yardsticks, "log-softmax", rows)
    bound = FORMULATIONS["log-softmax", "shifted"].error_bound
    assert bound is not None
    limit = Limit(bound, yardsticks.conditions(WIDE_SUM))
    listing = Listing(3, (1, shape[0]), (0, shape[1]))
    rounded = screen.ruler.rounded
    absorbed, off, far = rounded.copy(), _moved(rounded, rng.integers(-2, 3, shape)), rounded.copy()
    absorbed[rows, best] = 0
    far[rows, best] = -np.float32(1e-3)  # neither 0 nor right
    mixed = np.where(rows[:, None] == 1, far, absorbed)
    swept = []
    for got in (rounded, absorbed, off, far, mixed):
        (mine,) = sweep(screen, [Candidate(got, limit, Seen(), are_exact=False)], {}, listing).cases
        theirs = screen.add_up(
            got, np.zeros(shape[0], bool), limit, listing, Seen(), are_exact=False
        )
        swept.append(isinstance(mine, Screened))
        assert theirs.plain.all() == swept[-1]
        if isinstance(mine, Screened):
            one, other = mine.summary, theirs.summary
            assert one.bound_ratio == pytest.approx(other.bound_ratio, rel=1e-9)
            # What is relatively off by so much is taken in with its kind.
            both = (replace(some, bound_ratio=None, max_rel_error=None) for some in (one, other))
            assert next(both) == next(both)
            assert _places(mine) == _places(theirs)
    assert swept[:2] == [True, True]
    assert swept[3:] == [False, False]


def test_infinities_of_both_signs_have_an_order() -> None:
    logits = _dominated((3, 300))(np.random.default_rng(8)).astype(np.float32)
    truth = reference(logits.astype(np.float64), FLOAT32)
    screen = Screen(
        Yardsticks(Rows(logits, None, truth), FLOAT32, None), "log-softmax", np.arange(3)
    )
    got = np.full(logits.shape, -np.inf, np.float32)
    got[np.arange(3), logits.argmax(axis=1)] = np.nan
    listing = Listing(3, (0, 3), (0, 300))
    (alike,) = sweep(screen, [Candidate(got, None, Seen(), are_exact=False)], {}, listing).cases
    assert isinstance(alike, Infinities)
    assert alike.rank_changes == 3
    got[1, 7] = np.inf
    (mixed,) = sweep(screen, [Candidate(got, None, Seen(), are_exact=False)], {}, listing).cases
    assert mixed is None


def _places(screened: Screened) -> set[tuple[int, int, float]]:
    columns = screened.rows, screened.columns, screened.values
    return set(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("tile", [1 << 16, 1 << 9])
@pytest.mark.parametrize(
    ("maker", "on_boundaries"),
    [
        (MAKERS["long"], False),
        (MAKERS["confident"], False),
        (MAKERS["dominated"], True),
        (LONG_AND_DOMINATED, True),
    ],
    ids=["long", "confident", "dominated", "long and dominated"],
)
def test_true_values_of_tiles_are_those_of_the_block(
    maker: Callable[[np.random.Generator], Array], on_boundaries: bool, tile: int
) -> None:
    """Bit for bit, also where float64 sees them on a boundary: there they are moved off."""
    logits: Any = maker(np.random.default_rng(5)).astype(np.float32)
    truth = reference(logits, FLOAT32)
    elements = truth.elements
    assert isinstance(elements, SettledElements)
    made = float32_tiles.Float32Tiles(
        elements, logits.argmax(axis=1), tile, logarithm=True, settled=False
    )
    assert not made.undecided
    boundaries = 0
    for part in tiles(logits.shape, tile):
        some = made.at(part)
        assert some is not None
        values = truth.log_softmax.hi[part]
        assert np.array_equal(some.every_value, values)
        assert np.array_equal(some.every_rounded, values.astype(np.float32))
        assert np.array_equal(some.scale, one_over_an_ulp(values.copy(), FLOAT32))
        ordinary = np.ones(values.shape, bool)
        ordinary.reshape(-1)[some.lone.places] = False
        units = (some.rounded - values) * some.scale * 2.0**29
        assert np.array_equal(some.rest[ordinary], units[ordinary])
        boundaries += int(np.count_nonzero(np.abs(units) == 2**28 - 1))
    assert (boundaries > 9) == on_boundaries


@pytest.mark.parametrize("tile", [1 << 16, 1 << 12])
@pytest.mark.parametrize("top", [0, 2, 7])
@pytest.mark.parametrize("quantity", ["softmax", "log-softmax"])
def test_what_is_known_of_earlier_rows_is_not_measured_again(
    quantity: str, top: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest of each kind are found wherever they stand, in a row, a tile or a block."""
    monkeypatch.setattr("softmax_tool.sweep._TILE", tile)
    rng = np.random.default_rng(12)
    seen = [Seen()] * 6
    for block in range(4):
        # Errors and bounds of the first rows are larger than those of others.
        scale, shift = ((4, 30), (0.3, 0), (2, 0), (0.3, 0))[block]
        logits = (rng.standard_normal((3, 40_000)) * scale + shift).astype(np.float32)
        truth = reference(logits.astype(np.float64), FLOAT32)
        yardsticks = Yardsticks(Rows(logits, None, truth), FLOAT32, 1e9)
        screen = Screen(yardsticks, quantity, np.arange(3) + 3 * block)
        bound = FORMULATIONS[quantity, "shifted"].error_bound
        assert bound is not None
        limit = Limit(bound, yardsticks.conditions(WIDE_SUM))
        listing = Listing(top, (1, 11), (0, 40_000))
        rounded = screen.ruler.rounded
        steps = [np.zeros((3, 40_000), np.int64) for _ in range(5)]
        # One error a row, one in all, at large or at small values; and errors everywhere.
        steps[0][np.arange(3), rng.integers(0, 40_000, 3)] = rng.integers(1, 9, 3)
        steps[1][rng.integers(3), rng.integers(40_000)] = 1 + rng.integers(4)
        steps[2][1, rounded[1].argsort()[rng.integers(-9, 9)]] = 2
        steps[3][:] = rng.integers(-1, 2, (3, 40_000)) * (rng.random((3, 1)) < 0.5)
        steps[4][:] = rng.integers(-2, 3, (3, 40_000))
        candidates = [
            Candidate(_moved(rounded, each), limit, seen[place], are_exact=False)
            for place, each in enumerate(steps)
        ]
        candidates.append(Candidate(None, None, seen[5], are_exact=True))
        swept = sweep(screen, candidates, {}, listing)
        for place, (candidate, mine) in enumerate(zip(candidates, _summaries(swept), strict=True)):
            got = rounded if candidate.got is None else candidate.got
            theirs = screen.add_up(
                got,
                np.zeros(3, bool),
                candidate.limit,
                listing,
                candidate.seen,
                are_exact=candidate.are_exact,
            ).summary
            assert mine is not None
            assert mine.bound_ratio == pytest.approx(theirs.bound_ratio, rel=1e-9)
            assert replace(mine, bound_ratio=None) == replace(theirs, bound_ratio=None)
            before = Seen.of(mine)
            seen[place] = replace(before, error=max(before.error, seen[place].error))


@pytest.mark.parametrize("quantity", ["softmax", "log-softmax"])
def test_an_error_beyond_its_limit_is_seen_whatever_is_known(quantity: str) -> None:
    logits = np.random.default_rng(13).standard_normal((3, 40_000)).astype(np.float32)
    truth = reference(logits.astype(np.float64), FLOAT32)
    screen = Screen(Yardsticks(Rows(logits, None, truth), FLOAT32, 3.0), quantity, np.arange(3))
    got = screen.ruler.rounded
    steps = np.zeros(got.shape, np.int64)
    steps[1, 7] = 5
    everything = Seen(1e6, 1e6, 1.0, 1e6, 1e6)
    candidates = [
        Candidate(some, None, everything, are_exact=False) for some in (got, _moved(got, steps))
    ]
    right, wrong = _summaries(sweep(screen, candidates, {}, Listing(3, (0, 3), (0, 40_000))))
    assert right is not None
    assert right.correctly_rounded == got.size
    assert wrong is None


@pytest.mark.parametrize("kind", ["error", "ratio", "relative", "distance", "ulp"])
@pytest.mark.parametrize("quantity", ["softmax", "log-softmax"])
def test_each_kind_of_largest_is_found_by_itself(quantity: str, kind: str) -> None:
    logits = np.random.default_rng(15).standard_normal((3, 90_000)).astype(np.float32) * 3
    truth = reference(logits.astype(np.float64), FLOAT32)
    yardsticks = Yardsticks(Rows(logits, None, truth), FLOAT32, 1e9)
    screen = Screen(yardsticks, quantity, np.arange(3))
    bound = FORMULATIONS[quantity, "shifted"].error_bound
    assert bound is not None
    limit = Limit(bound, yardsticks.conditions(WIDE_SUM))
    steps = np.random.default_rng(16).integers(-3, 4, logits.shape)
    got = _moved(screen.ruler.rounded, steps)
    listing = Listing(5, (0, 3), (0, 90_000))
    seen = replace(Seen(1e6, 1e6, 1.0, 1e6, 1e6), **{kind: 0.0})
    (mine,) = _summaries(sweep(screen, [Candidate(got, limit, seen, are_exact=False)], {}, listing))
    theirs = screen.add_up(got, np.zeros(3, bool), limit, listing, seen, are_exact=False).summary
    assert mine is not None
    assert mine.bound_ratio == pytest.approx(theirs.bound_ratio, rel=1e-9)
    assert replace(mine, bound_ratio=None) == replace(theirs, bound_ratio=None)


def test_a_line_in_ulp_is_nowhere_below_its_lowest() -> None:
    rng = np.random.default_rng(14)
    nearest, width = (np.exp(rng.uniform(-9, 4, (500, 1))) for _ in range(2))
    slope = np.exp(rng.uniform(-30, 0, (500, 1))) * rng.integers(0, 2, (500, 1))
    at_nearest = np.exp(rng.uniform(-30, 0, (500, 1)))
    base = at_nearest - slope * nearest
    lowest = lowest_in_ulp(base, slope, nearest, nearest + width)
    powers = np.clip(2.0 ** np.arange(-14, 9), nearest, nearest + width)
    some = np.concatenate([nearest + width * np.linspace(0, 1, 300), powers], axis=1)
    in_ulp = (base + slope * some) / np.spacing(some.astype(np.float32), dtype=np.float32)
    towards_zero = np.nextafter(some.astype(np.float32), np.float32(0))
    # A magnitude just below a power of two may round to it.
    is_below = some < some.astype(np.float32)
    in_ulp = np.where(is_below, (base + slope * some) / np.spacing(towards_zero), in_ulp)
    assert (lowest <= in_ulp * (1 + 1e-9)).all()
    assert (lowest >= in_ulp.min(axis=1, keepdims=True) * (1 - 1e-9)).mean() > 0.9


def _moved(values: Array, steps: NDArray[np.int64]) -> Array:
    """Return the float32 numbers so many steps away."""
    bits = values.astype(np.float32).view(np.int32) + steps.astype(np.int32)
    return bits.view(np.float32)


def test_what_is_undecided_in_one_tile_changes_the_whole_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row that is made anew has other last bits everywhere, and so another sum of errors."""
    decided = SettledElements.undecided

    def undecided(self: SettledElements, some: Array, *rest: Any, **options: Any) -> Any:
        first = np.abs(some - self.plain.log_softmax.hi[1, -1]) == 0
        return first | decided(self, some, *rest, **options)

    monkeypatch.setattr(SettledElements, "undecided", undecided)
    monkeypatch.setattr(SettledElements, "tolerance", lambda *_, **__: 2.0**-34)
    logits = MAKERS["long"](np.random.default_rng(3)).astype(np.float32)
    # The last true value of the second row is to lie near a boundary.
    values = reference(logits, FLOAT32).log_softmax.hi[1]
    rounded = values.astype(np.float32)
    near = np.abs(np.abs((values - rounded) / np.spacing(rounded)) - 0.5).argmin()
    logits[1, [-1, near]] = logits[1, [near, -1]]
    options = Options(dtypes=("float32",), ops=("log-softmax",))
    quick, slow = _both_ways(logits, options, monkeypatch)
    assert [c.summary.ulp for c in quick.cases] == [c.summary.ulp for c in slow.cases]


@pytest.mark.parametrize("target", [FLOAT16, FLOAT32, FLOAT64], ids=lambda f: f.name)
@pytest.mark.parametrize("maker", MAKERS)
def test_no_threshold_is_below_the_least(maker: str, target: FloatFormat) -> None:
    yardsticks = _yardsticks(maker, target)
    for quantity in ("softmax", "log-softmax"):
        rows = np.flatnonzero(Screen(yardsticks, quantity, np.arange(500)).promising())
        if rows.size:
            some = yardsticks.subset(rows)
            least = some.least_threshold(quantity) * (1 - 1e-12)
            assert (some.thresholds(quantity) >= least).all()


@pytest.mark.parametrize("target", [FLOAT16, FLOAT32, FLOAT64], ids=lambda f: f.name)
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    "key", [k for k in FORMULATIONS if k[0] in {"softmax", "log-softmax"}], ids="/".join
)
def test_a_line_that_no_bound_is_below(
    key: tuple[str, str], maker: str, target: FloatFormat
) -> None:
    yardsticks = _yardsticks(maker, target)
    screen = Screen(yardsticks, key[0], np.arange(len(yardsticks.rows.logits)))
    rows = np.flatnonzero(screen.promising())
    bound = FORMULATIONS[key].error_bound
    assert bound is not None
    conditions = yardsticks.conditions(WIDE_SUM, yardsticks.functions)
    logits = yardsticks.rows.logits

    def at(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
        some = conditions.pick(rows, columns)
        with np.errstate(all="ignore"):
            limit = bound(some)
            return limit / some.reference.softmax.hi if key[0] == "softmax" else limit

    samples = Samples.of(Extremes(logits))
    columns = samples.columns
    numbers = np.broadcast_to(np.arange(len(logits)), columns.shape)
    values = at(numbers.reshape(-1), columns.reshape(-1)).reshape(columns.shape)
    line = Minorant.of(samples, values)
    with np.errstate(all="ignore"):
        limit = bound(conditions)
        if key[0] == "softmax":
            limit = limit / conditions.reference.softmax.hi
        maximum = logits.max(axis=1, keepdims=True).astype(np.float64)
        below = line.base + line.slope * (maximum - logits)
    rows = rows[np.isfinite(line.highest[rows, 0])]
    assert (below[rows] <= limit[rows]).all()
    assert (line.lowest[rows] <= limit[rows] * (1 + 1e-12)).all()
    assert (limit[rows] <= line.highest[rows] * (1 + 1e-12)).all()
    with np.errstate(all="ignore"):
        rise = (line.highest - line.lowest) / samples.end[:, None]
        chord = line.lowest + np.where(samples.end[:, None] > 0, rise, 0.0) * (maximum - logits)
    is_below = (limit <= chord * (1 + 1e-12))[rows].all()
    assert is_below or bound in NOT_CONVEX


def _yardsticks(maker: str, target: FloatFormat) -> Yardsticks:
    logits = target.round(MAKERS[maker](np.random.default_rng(7)))
    return Yardsticks(Rows(logits, None, reference(logits, target)), target, None)
