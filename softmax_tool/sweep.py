"""All cases of one quantity measured at once, where nothing but rounding can have happened.

A tile's true values are made, every case and every pair of cases is measured by them while they
are in the cache, and they are gone: no block of true values is ever held. It is the way of ordinary
float32 rows of many classes; all others are screened case by case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.attempt import SHORT, Attempt, Bounds
from softmax_tool.exact.float32_tiles import LEAST, MOST, Float32Tiles
from softmax_tool.formats import FLOAT32
from softmax_tool.lane import Lane
from softmax_tool.lanes import Lanes, Workspace
from softmax_tool.pairs import PairSum
from softmax_tool.peaks import Peaks, changed_rows
from softmax_tool.tiling import TILE, Scratch, tiles

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from softmax_tool.exact.float32_tiles import Float32Tile
    from softmax_tool.formats import FloatFormat
    from softmax_tool.screening import Limit, Listing, Screen, Seen
    from softmax_tool.summary import PairSummary, Summary
    from softmax_tool.tiling import Tile

    Array = NDArray[Any]
    Indices = NDArray[np.intp]

    Pair = tuple[int, int]

_A_LITTLE = 2.0**-20
# What all cases of a tile are measured in, some 13 bytes each, is to stay in a core's own cache.
_ELEMENTS_OF_ALL = 1 << 17


@dataclass(frozen=True, slots=True)
class Candidate:
    """Results of one case on a block, whose rows may all be plain."""

    got: Array | None  # (rows, classes); None for the true values rounded
    limit: Limit | None  # the formulation's bound; None if it has none
    seen: Seen
    are_exact: bool  # whether results are the true values rounded


@dataclass(frozen=True, slots=True)
class Swept:
    """What came of it: None for a case that has to be looked at by itself, and for its pairs."""

    summaries: tuple[Summary | None, ...]
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
    elements: Any = screen.yardsticks.rows.reference.elements
    with np.errstate(all="ignore"):
        for settled in (False, True):
            truth = Float32Tiles(
                elements, logarithm=screen.quantity == "log-softmax", settled=settled
            )
            swept = _Sweep(screen, candidates, pairs, listing).run(truth)
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
        open_to = (values.log_sum >= LEAST) & (widest <= MOST)
        if screen.quantity == "softmax":
            # Of a row that one class holds all of, float64 has a softmax of 1.
            open_to = (1 + values.log_sum > 1) & (widest <= -np.log(LEAST))
    return bool(open_to.all() and screen.promising().all())


class _Sweep:
    """One pass over all tiles; cases that turn out not to be plain leave it."""

    def __init__(
        self,
        screen: Screen,
        candidates: Sequence[Candidate],
        pairs: Mapping[Pair, PairSummary],
        listing: Listing,
    ) -> None:
        self.screen, self.candidates = screen, candidates
        shape = self.shape = screen.yardsticks.rows.logits.shape
        self.elements = min(shape[0] * shape[1], _ELEMENTS_OF_ALL // len(candidates), TILE)
        rows, scratch = np.arange(shape[0]), (Scratch(shape), Scratch(shape))
        # Which candidates are left, in the order of the lanes.
        self.left: list[int] = []
        lanes = []
        for index, candidate in enumerate(candidates):
            bounds = None if candidate.limit is None else Bounds(screen, candidate.limit)
            if bounds is None or bounds.finite.all():
                attempt = Attempt(screen, rows, bounds, listing, candidate.seen, scratch)
                self.left.append(index)
                lanes.append(Lane(attempt))
        self.lanes = Lanes(lanes, Workspace(len(lanes), self.elements))
        true_leaders = screen.yardsticks.samples[0][:, None]
        least = [_below_the_largest(screen)]
        for results in (candidates[index].got for index in self.left):
            of_row = least[0]
            if results is not None:
                of_row = np.take_along_axis(results, true_leaders, axis=1)
            least.append(of_row)
        self.peaks = Peaks(shape[1], np.stack(least))
        self.pairs = {
            (a, b): PairSum(screen.target, before, shape)
            for (a, b), before in pairs.items()
            if a in self.left and b in self.left
        }

    def run(self, truth: Float32Tiles) -> Swept | None:
        """Measure all; return None where not all true values can be told."""
        for tile in tiles(self.shape, self.elements):
            if not self.left:
                break
            true = truth.at(tile)
            if true is None:
                return None
            got = {index: self._results(index, tile, true) for index in self.left}
            results = list(got.values())
            failed = self.lanes.take(tile, results, true)
            if failed:
                self._drop(failed)
                results = [got[index] for index in self.left]
            self.peaks.add(tile, true.rounded, results, self.lanes.within)
            for (a, b), pair in self.pairs.items():
                pair.add(got[a], got[b], true)
        lanes = self.lanes.lanes
        for lane in lanes:
            lane.finish()
        self._drop({i for i, lane in enumerate(lanes) if lane.attempt.not_plain().size})
        return Swept(self._summaries(), {key: pair.total for key, pair in self.pairs.items()})

    def _results(self, index: int, tile: Tile, true: Float32Tile) -> Array:
        got = self.candidates[index].got
        return true.rounded if got is None else got[tile]

    def _drop(self, places: Collection[int]) -> None:
        """Go on without some of the cases that are left."""
        gone = [self.left[place] for place in places]
        self.left = [index for index in self.left if index not in gone]
        self.lanes = self.lanes.without(places)
        self.peaks.drop([place + 1 for place in places])
        self.pairs = {key: pair for key, pair in self.pairs.items() if not {*key} & {*gone}}

    def _summaries(self) -> tuple[Summary | None, ...]:
        summaries: list[Summary | None] = [None] * len(self.candidates)
        if not self.left:
            return tuple(summaries)
        leaders, *places = self.peaks.places()
        for index, lane, mine in zip(self.left, self.lanes.lanes, places, strict=True):
            changes = changed_rows(mine, leaders, self.shape[1])
            are_exact = self.candidates[index].are_exact
            summaries[index] = lane.attempt.summary(changes, are_exact=are_exact)
        return tuple(summaries)


def _below_the_largest(screen: Screen) -> Array:
    """Return a little less than the largest true value of each row, (rows, 1)."""
    log_sum = screen.yardsticks.rows.reference.log_sum
    if screen.quantity == "softmax":
        return (np.exp(-log_sum) * (1 - _A_LITTLE)).astype(np.float32)
    return (-log_sum * (1 + _A_LITTLE)).astype(np.float32)
