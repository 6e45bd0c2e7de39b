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
from softmax_tool.lane import Lane, Workspace
from softmax_tool.pairs import PairSum
from softmax_tool.peaks import Peaks, changed_rows
from softmax_tool.tiling import tiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.screening import Limit, Listing, Screen, Seen
    from softmax_tool.summary import PairSummary, Summary

    Array = NDArray[Any]
    Indices = NDArray[np.intp]

    Pair = tuple[int, int]

_A_LITTLE = 2.0**-20


@dataclass(frozen=True, slots=True)
class Candidate:
    """Results of one case on a block, whose rows may all be plain."""

    got: Array  # (rows, classes)
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
    def __init__(
        self,
        screen: Screen,
        candidates: Sequence[Candidate],
        pairs: Mapping[Pair, PairSummary],
        listing: Listing,
    ) -> None:
        self.screen, self.candidates = screen, candidates
        shape = candidates[0].got.shape
        rows, workspace = np.arange(shape[0]), Workspace(shape)
        first = screen.yardsticks.samples[0][:, None]
        self.left: dict[int, Lane] = {}
        for index, candidate in enumerate(candidates):
            bounds = None if candidate.limit is None else Bounds(screen, candidate.limit)
            if bounds is None or bounds.finite.all():
                seen, wide = candidate.seen, workspace.wide
                attempt = Attempt(screen, rows, bounds, listing, seen, wide)
                peaks = Peaks(shape[1], np.take_along_axis(candidate.got, first, axis=1))
                self.left[index] = Lane(attempt, peaks, workspace)
        self.peaks = Peaks(shape[1], _below_the_largest(screen))
        self.pairs = {
            (a, b): PairSum(screen.target, before, shape)
            for (a, b), before in pairs.items()
            if a in self.left and b in self.left
        }

    def run(self, truth: Float32Tiles) -> Swept | None:
        """Measure all; return None where not all true values can be told."""
        for tile in tiles(self.candidates[0].got.shape):
            if not self.left:
                break
            true = truth.at(tile)
            if true is None:
                return None
            self.peaks.add(tile, true.rounded)
            for index, lane in list(self.left.items()):
                if not lane.take(tile, self.candidates[index].got[tile], true):
                    self._drop(index)
            for (a, b), pair in self.pairs.items():
                pair.add(self.candidates[a].got[tile], self.candidates[b].got[tile], true)
        for index, lane in list(self.left.items()):
            if lane.attempt.not_plain().size:
                self._drop(index)
        leaders, classes = self.peaks.places(), self.candidates[0].got.shape[1]
        summaries: list[Summary | None] = [None] * len(self.candidates)
        for index, lane in self.left.items():
            changes = changed_rows(lane.peaks.places(), leaders, classes)
            are_exact = self.candidates[index].are_exact
            summaries[index] = lane.attempt.summary(changes, are_exact=are_exact)
        return Swept(tuple(summaries), {key: pair.total for key, pair in self.pairs.items()})

    def _drop(self, index: int) -> None:
        del self.left[index]
        self.pairs = {key: pair for key, pair in self.pairs.items() if index not in key}


def _below_the_largest(screen: Screen) -> Array:
    """Return a little less than the largest true value of each row, (rows, 1)."""
    log_sum = screen.yardsticks.rows.reference.log_sum
    if screen.quantity == "softmax":
        return (np.exp(-log_sum) * (1 - _A_LITTLE)).astype(np.float32)
    return (-log_sum * (1 + _A_LITTLE)).astype(np.float32)
