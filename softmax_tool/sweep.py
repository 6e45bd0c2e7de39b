"""All cases of one quantity measured at once, where nothing but rounding can have happened.

A tile's true values are made, every case and every pair of cases is measured by them while they
are in the cache, and they are gone: no block of true values is ever held. It is the way of ordinary
float32 rows of many classes; all others are screened case by case.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.attempt import SHORT, Attempt, Bounds, lines
from softmax_tool.exact.float32_tiles import LEAST, MOST, Float32Tiles
from softmax_tool.formats import FLOAT32
from softmax_tool.frozen import frozen
from softmax_tool.infinities import InfiniteLane, Infinities, are_infinite
from softmax_tool.lane import Extent, Lane, Room
from softmax_tool.pairs import PairSum
from softmax_tool.peaks import leaders_by_row, rank_changes
from softmax_tool.screening import LEAST_OF_LONE, Screened
from softmax_tool.tiling import tiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from softmax_tool.exact.float32_tiles import Float32Tile
    from softmax_tool.formats import FloatFormat
    from softmax_tool.screening import Limit, Listing, Screen, Seen
    from softmax_tool.summary import PairSummary
    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]

    Pair = tuple[int, int]

_A_LITTLE = 2.0**-20
_TILE = 1 << 16  # true values, and what one case is measured in, take 2 MB together


@frozen
class Candidate:
    """Results of one case on a block, whose rows may all be plain."""

    got: Array | None  # (rows, classes); None for the true values rounded
    limit: Limit | None  # the formulation's bound; None if it has none
    seen: Seen
    are_exact: bool  # whether results are the true values rounded


Case = Screened | Infinities | None


@frozen
class Swept:
    """What came of it: None for a case that has to be looked at by itself, and for its pairs.

    Of results none of which is finite it is how far they are off.
    """

    cases: tuple[Case, ...]
    pairs: Mapping[Pair, PairSummary]


def sweep(
    screen: Screen,
    candidates: Sequence[Candidate],
    pairs: Mapping[Pair, PairSummary],
    listing: Listing,
) -> Swept:
    """Measure candidates on all rows of a block, and `pairs` of them, given what was before."""
    nothing = Swept((None,) * len(candidates), {})
    if not candidates or not _is_open_to(screen):
        return nothing
    with np.errstate(all="ignore"):
        for settled in (False, True):
            swept = _Sweep(screen, candidates, pairs, listing, settled=settled).run()
            if swept is not None:
                return swept
    return nothing


def can_sweep(target: FloatFormat) -> bool:
    """Tell whether 32 bits hold errors in a format: float64 has 29 more than it."""
    return target == FLOAT32


def _is_open_to(screen: Screen) -> bool:
    """Tell whether all rows are such as 32 bits are enough for."""
    rows = screen.yardsticks.rows
    if not can_sweep(screen.target) or rows.weights is not None or rows.logits.shape[1] <= SHORT:
        return False
    values = rows.reference.of_rows
    with np.errstate(all="ignore"):
        widest = values.maximum - values.minimum + values.log_sum
        if screen.quantity == "log-softmax":
            return bool((widest <= MOST).all() and screen.promising(LEAST_OF_LONE).all())
        # Of a row that one class holds all of, float64 has a softmax of 1.
        open_to = (1 + values.log_sum > 1) & (widest <= -np.log(LEAST))
    elements: Any = rows.reference.elements
    # What is off by half an ULP of a power of two is not the power, which is right.
    may_be_powers = rows.reference.classes.bit_count() == 1
    if may_be_powers and (values.maximum == values.minimum).any():
        return False
    return bool(open_to.all() and screen.promising().all() and not elements.by_a_power.size)


class _Sweep:
    """One pass over all tiles; cases that turn out not to be plain leave it."""

    def __init__(
        self,
        screen: Screen,
        candidates: Sequence[Candidate],
        pairs: Mapping[Pair, PairSummary],
        listing: Listing,
        *,
        settled: bool,
    ) -> None:
        self.screen, self.candidates = screen, candidates
        elements: Any = screen.yardsticks.rows.reference.elements
        logarithm, leaders = screen.quantity == "log-softmax", screen.yardsticks.extremes.highest
        self.truth = Float32Tiles(elements, leaders, _TILE, logarithm=logarithm, settled=settled)
        shape = self.shape = screen.yardsticks.rows.logits.shape
        self.tiny = self._tiny()
        rows, room = np.arange(shape[0]), Room(shape, _TILE)
        self.lanes: dict[int, Lane] = {}
        self.infinite: dict[int, InfiniteLane] = {}
        limits = [each.limit for each in candidates if each.limit is not None]
        drawn, extent, bounded = lines(screen, limits), Extent(screen, self.truth), count()
        below = extent.below(drawn)
        finite = np.all(np.isfinite(drawn.highest), axis=(1, 2)).tolist()
        for index, candidate in enumerate(candidates):
            place = None if candidate.limit is None else next(bounded)
            if candidate.got is not None and are_infinite(candidate.got):
                self.infinite[index] = InfiniteLane(shape[0])
                continue
            if (candidate.are_exact and self.tiny[0].size) or not (place is None or finite[place]):
                continue
            bounds = line = None
            if candidate.limit is not None and place is not None:
                bounds, line = Bounds(screen, candidate.limit, drawn[place]), below.of(place)
            attempt = Attempt(screen, rows, bounds, listing, candidate.seen, room.wide)
            self.lanes[index] = Lane(attempt, room, self.truth.places, extent, line)
        self.pairs = {
            (a, b): PairSum(screen.target, before, room.wide, room.floats)
            for (a, b), before in pairs.items()
            if all(index in self.lanes or index in self.infinite for index in (a, b))
        }

    def run(self) -> Swept | None:
        """Measure all; return None where not all true values can be told."""
        if self.truth.undecided:
            return None
        for tile in tiles(self.shape, _TILE):
            lanes: dict[int, Lane | InfiniteLane] = {**self.lanes, **self.infinite}
            if not lanes:
                break
            true = self.truth.at(tile)
            if true is None:
                return None
            for index, lane in lanes.items():
                if not lane.take(tile, self._results(index, tile, true), true):
                    self._drop(index)
            for (a, b), pair in self.pairs.items():
                pair.add(self._results(a, tile, true), self._results(b, tile, true), true)
        some: dict[int, tuple[Indices, Indices]] = {}
        for index, lane in list(self.lanes.items()):
            lane.finish()
            places = self._scattered(index, lane)
            if places is None:
                self._drop(index)
            else:
                some[index] = places
        return Swept(self._cases(some), {key: pair.total for key, pair in self.pairs.items()})

    def _scattered(self, index: int, lane: Lane) -> tuple[Indices, Indices] | None:
        """Return the few elements that are not plain; None where there is more to them."""
        got = self.candidates[index].got
        at_places = self.truth.at_places
        (rows, columns), others = self.screen.not_plain(lane.attempt, self.tiny, at_places)
        if got is None:
            return None if rows.size else (rows, columns)
        if rows.size:
            classes = self.shape[1]
            rows, columns = np.divmod(np.unique(rows * classes + columns), classes)
            rounded = at_places(rows, columns).astype(np.float32)
            results = got[rows, columns]
            if self.screen.not_scattered(rows, results, rounded, may_scatter=True).size:
                return None
        lane.attempt.shortlist.add_suspects(others, got, at_places)
        return rows, columns

    def _tiny(self) -> tuple[Indices, Indices]:
        """Return the elements with true values that may be subnormal in float32."""
        rows, columns = self.truth.lone.rows_and_columns(self.shape[1])
        tiny = self.truth.lone.values > -self.screen.least_normal
        return rows[tiny], columns[tiny]

    def _results(self, index: int, tile: Tile, true: Float32Tile) -> Array:
        got = self.candidates[index].got
        return true.every_rounded if got is None else got[tile]

    def _drop(self, gone: int) -> None:
        """Go on without one of the cases."""
        for lanes in (self.lanes, self.infinite):
            lanes.pop(gone, None)
        self.pairs = {key: pair for key, pair in self.pairs.items() if gone not in key}

    def _cases(self, some: Mapping[int, tuple[Indices, Indices]]) -> tuple[Case, ...]:
        """Return what came of each; `some` of the elements of those left are not plain."""
        cases: list[Case] = [None] * len(self.candidates)
        if not (self.lanes or self.infinite):
            return tuple(cases)
        leaders, changed = self._rank_changes()
        every = np.ones(self.shape[0], bool)
        for (index, lane), changes in zip(self.lanes.items(), changed, strict=True):
            candidate = self.candidates[index]
            exactly_right = self.screen.exactly_right(candidate.got, lane.attempt.rows)
            summary = lane.attempt.summary(changes, exactly_right, are_exact=candidate.are_exact)
            places = some[index]
            cases[index] = Screened(every, summary, *places, self.truth.at_places(*places))
        for index, infinite in self.infinite.items():
            cases[index] = infinite.finish(leaders, self.shape[1])
        return tuple(cases)

    def _rank_changes(self) -> tuple[Indices, list[int]]:
        """Return how many of each row's true values are its largest, and changes in each lane.

        That is, for each, in how many rows these are elsewhere.
        """
        places = self.screen.yardsticks.extremes.not_below(self._least_logits())
        rows, columns = np.divmod(places, self.shape[1])
        true = self.truth.at_places(rows, columns).astype(np.float32)
        results = (self.candidates[index].got for index in self.lanes)
        some = [true if got is None else got.reshape(-1)[places] for got in results]
        leaders = leaders_by_row(rows, true, self.shape[0])
        return leaders, rank_changes(rows, np.array([true, *some]), self.shape[0])

    def _least_logits(self) -> NDArray[np.float32]:
        """Return what the logits of the largest values of each row are not below, (rows, 1).

        No row's largest result is below that at its largest logit, and none is farther from its
        true value than the largest error.
        """
        values = self.screen.yardsticks.rows.reference.of_rows
        leaders = self.screen.yardsticks.extremes.highest
        rows = np.arange(len(leaders))
        log_z = values.maximum + values.log_sum
        is_log = self.screen.quantity == "log-softmax"
        largest = -values.log_sum if is_log else np.exp(-values.log_sum)
        least = largest - _A_LITTLE * np.abs(largest)
        for index, lane in self.lanes.items():
            got = self.candidates[index].got
            if got is not None:
                there = got[rows, leaders].astype(np.float64)
                np.minimum(least, there[:, None] - lane.reach(), out=least)
        least = least - _A_LITTLE * np.abs(least)
        if not is_log:
            least = np.log(least.clip(min=0))
        slack = _A_LITTLE * (np.abs(least) + np.abs(values.maximum) + values.log_sum)
        return np.asarray(least + log_z - slack).astype(np.float32)
