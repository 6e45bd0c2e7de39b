"""The work on one block of rows: counted, measured, and held against the edges of each dtype."""

from __future__ import annotations

from fractions import Fraction
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.arithmetic.wide_sum import WIDE_SUM
from softmax_tool.declared import INPUTS, as_logits
from softmax_tool.exact import Exact
from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import FLOAT32, exp_edges
from softmax_tool.frozen import frozen
from softmax_tool.inspection.report import WorstRow
from softmax_tool.inspection.summary import Extent, InspectSummary, LabelSummary, Survivors
from softmax_tool.inspection.worst import (
    WAITING,
    Candidate,
    OpenLoss,
    may_be_among,
    true_losses,
    worst_of,
)
from softmax_tool.lookalike import LOGITS, PROBABILITIES, Likeness
from softmax_tool.misfits import find_misfits
from softmax_tool.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.readers import Block
    from softmax_tool.report import Misfit

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

# Rows among so many logits at the start of a table are computed in double-double: of most tables
# all, while a large one takes no longer. It is the place in the table that tells, not in a block.
_IN_FULL = 1 << 17
LARGE = 1024.0
"""Losses above it are computed in double-double wherever they stand."""


def summarise(
    block: Block, formats: Sequence[FloatFormat], declared: str, ignore_index: int, top: int
) -> InspectSummary:
    """Say of one block all that is said of a table."""
    with np.errstate(all="ignore"):
        return _summarise(_Seen.of(block, declared), formats, ignore_index, top)


@frozen
class _Seen:
    """A block as logits, and what has to be asked of the values before they become that."""

    block: Block
    likeness: Likeness
    misfits: tuple[Misfit, ...]
    negatives: int
    stored: Extent | None  # None where the values are logits

    @classmethod
    def of(cls, block: Block, declared: str) -> _Seen:
        values, kind = block.logits, INPUTS[declared]
        likeness = Likeness.of(values)
        misfits = () if kind == LOGITS else find_misfits(values, block.start, kind)
        if kind != PROBABILITIES:
            return cls(block, likeness, misfits, 0, None)
        finite = values[np.isfinite(values)]
        return cls(
            as_logits(block, declared),
            likeness,
            misfits,
            int(np.count_nonzero(values < 0)),
            Extent(*_ends(finite)) if finite.size else Extent(),
        )


def _summarise(
    seen: _Seen, formats: Sequence[FloatFormat], ignore_index: int, top: int
) -> InspectSummary:
    block = seen.block
    # Exact for every stored dtype but integers beyond 2**53, and far faster than float16.
    narrow = block.logits.dtype in (np.float16, np.float32)
    x = block.logits.astype(np.float32 if narrow else np.float64, copy=False)
    maximum = x.max(axis=1)
    valid = np.isfinite(maximum)
    finite = np.isfinite(x)
    all_finite = bool(finite.all())
    lowest = x.min(axis=1) if all_finite else x.min(axis=1, where=finite, initial=np.inf)
    labels = None
    if block.labels is not None:
        labels = _labels(block, x, maximum, valid, ignore_index, top)
    extent = _extent(x, finite, maximum[valid], lowest[valid], all_finite=all_finite)
    return InspectSummary(
        rows=len(x),
        nans=0 if all_finite else int(np.count_nonzero(np.isnan(x))) - seen.negatives,
        positive_infinities=0 if all_finite else int(np.count_nonzero(x == np.inf)),
        negatives=seen.negatives,
        masked=0 if all_finite else int(np.count_nonzero(x == -np.inf)),
        invalid_rows=int(np.count_nonzero(~valid)),
        tied_rows=int(np.count_nonzero(_maxima(x, maximum)[valid] > 1)),
        stored=Extent(extent.smallest, extent.largest) if seen.stored is None else seen.stored,
        extent=extent,
        likeness=seen.likeness,
        misfits=seen.misfits,
        survivors=tuple(_survivors(x, extent, maximum, lowest, valid, f) for f in formats),
        labels=labels,
    )


def _maxima(x: Array, maximum: Array) -> NDArray[np.int64]:
    """Return how many classes of each row have its largest value."""
    return np.asarray(np.count_nonzero(x == maximum[:, None], axis=1))


def _extent(x: Array, finite: Mask, maximum: Array, lowest: Array, *, all_finite: bool) -> Extent:
    some = x if all_finite else x[finite]
    if not some.size:
        return Extent()
    ends = _ends(some)
    if not maximum.size:
        return Extent(*ends)
    spans = maximum.astype(np.float64) - lowest
    return Extent(*ends, float(maximum.min()) + 0.0, float(maximum.max()) + 0.0, float(spans.max()))


def _ends(finite: Array) -> tuple[float, float]:
    # One zero: which of −0 and +0 a minimum is depends on their order.
    return float(finite.min()) + 0.0, float(finite.max()) + 0.0


def _survivors(
    x: Array, extent: Extent, maximum: Array, lowest: Array, valid: Mask, target: FloatFormat
) -> Survivors:
    """Count the values that a dtype makes infinite, and the rows that survive in it.

    The naive way needs a sum of exponentials that is finite and not 0; the shifted way a largest
    logit, and a span of the row, that are finite.
    """
    top, bottom = target.round(maximum), target.round(lowest)
    overflowed = 0
    # Rounding is monotone; rows that are nan by definition have finite values, too.
    if extent.smallest is not None and not np.isfinite(target.round(extent.ends)).all():
        overflowed = int(np.count_nonzero(np.isfinite(x) & ~np.isfinite(target.round(x))))
    span = WIDE_SUM.build(target).subtract(top, bottom)
    shifted = valid & np.isfinite(top) & np.isfinite(span)
    return Survivors(
        overflowed,
        int(np.count_nonzero(_survives_naively(x, top, target) & valid)),
        int(np.count_nonzero(shifted)),
    )


def _survives_naively(x: Array, top: Array, target: FloatFormat) -> Mask:
    edges = exp_edges(target)
    survives = np.asarray((top >= edges.first_nonzero) & (top <= edges.last_finite))
    # So many terms of at most that size cannot overflow; only other sums are computed.
    largest = log(target.max_finite) - log(x.shape[1]) - 0.1
    rows = np.flatnonzero(survives & (top > largest))
    if rows.size:
        xp = WIDE_SUM.build(target)
        survives[rows] = np.isfinite(xp.sum(xp.exp(target.round(x[rows]))))[:, 0]
    return survives


def _labels(
    block: Block, x: Array, maximum: Array, valid: Mask, ignore_index: int, top: int
) -> LabelSummary:
    labels = block.labels
    assert labels is not None  # noqa: S101  (the caller has looked)
    hard = labels.ndim == 1
    counted = labels != ignore_index if hard else np.ones(len(x), bool)
    rows = np.flatnonzero(counted & valid)
    some, best = x[rows], maximum[rows]
    wanted = labels[rows]
    at_label = _at_label(some, best, wanted)
    alone = _maxima(some, best) == 1
    truths = _Truths.of(some, _targets(wanted), _in_full(block, rows))
    return LabelSummary(
        top=top,
        counts=np.bincount(labels[counted], minlength=x.shape[1]) if hard else None,
        kept=len(rows),
        ignored=int(np.count_nonzero(~counted)),
        correct=int(np.count_nonzero(at_label & alone)),
        tied=int(np.count_nonzero(at_label & ~alone)),
        losses=_summed(truths.losses),
        tiny_losses=int(np.count_nonzero(_tiny(truths.losses))),
        entropies=_summed(truths.entropies),
        tiny_entropies=int(np.count_nonzero(_tiny(truths.entropies))),
        plain_rows=int(np.count_nonzero(~truths.settled)),
        worst=worst_of(_candidates(truths, some, wanted, block.start + rows, top), top),
    )


def _targets(labels: Array) -> Targets:
    hard = labels.ndim == 1
    return Targets(
        labels=labels[:, None] if hard else None,
        probabilities=None if hard else labels,
        weights=None,
        smoothing=Fraction(0),
        kept=Fraction(1),
        spread=Fraction(0),
    )


def _in_full(block: Block, rows: NDArray[np.intp]) -> int:
    """Return how many of some rows of a block are among the first of the table."""
    return int(np.searchsorted(block.start + rows, _IN_FULL // block.logits.shape[1]))


@frozen
class _Truths:
    """Losses and entropies of some rows, all (rows, 1)."""

    losses: Exact
    entropies: Exact
    settled: Mask  # whose losses are right to the last bit, and have tails

    @classmethod
    def of(cls, x: Array, targets: Targets, in_full: int) -> _Truths:
        """Make those of the first rows, so many, in double-double, and of all with large losses.

        The exponential of a large mean would show what float64 misses of it.
        """
        shape = len(x), 1
        losses, entropies = (
            Exact(np.empty(shape), np.zeros(shape), np.empty(shape, bool), np.zeros(shape, bool))
            for _ in range(2)
        )
        settled = np.arange(len(x))[:, None] < in_full
        rest = slice(in_full, None)
        if in_full < len(x):
            reference = exact.reference(x[rest], FLOAT32)
            _write(losses, rest, exact.losses(reference, targets[rest], x[rest], FLOAT32))
            entropies.hi[rest] = reference.log_sum + reference.mean_shift
            entropies.nonzero[rest] = np.count_nonzero(x[rest] > -np.inf, axis=1)[:, None] > 1
            settled[rest] = losses.hi[rest] > LARGE
        full = np.flatnonzero(settled)
        if full.size:
            _write(losses, full, true_losses(x[full], targets[full]))
        if in_full:
            _write(entropies, slice(in_full), exact.entropies(x[:in_full]))
        return cls(losses, entropies, settled)


def _write(to: Exact, rows: Any, values: Exact) -> None:
    to.hi[rows], to.nonzero[rows] = values.hi, values.nonzero
    if values.tail is not None:
        assert to.tail is not None  # noqa: S101  (made so)
        to.tail[rows] = values.tail


def _summed(values: Exact) -> ExactSum:
    return ExactSum.of(values.summands())


def _tiny(values: Exact) -> Mask:
    """Tell which values are not 0, though float64 holds them as 0."""
    return np.asarray((values.hi == 0) & values.nonzero)


def _candidates(
    truths: _Truths, x: Array, labels: Array, numbers: Array, top: int
) -> Iterator[Candidate]:
    """Yield the rows that may have the largest losses; those that may tie are few."""
    values, tiny = truths.losses.hi[:, 0], _tiny(truths.losses)[:, 0]
    # What is not finite, or 0 by definition, is so for certain.
    certain = ~np.isfinite(values) | ((values == 0) & ~tiny)
    settled = truths.settled[:, 0] | certain
    if top < len(values):
        values, tiny, settled = values.copy(), tiny.copy(), settled.copy()
        may = may_be_among(values, settled, top)
        again = np.flatnonzero(may & ~settled)
        if again.size > WAITING:
            losses = true_losses(x[again], _targets(labels[again]))
            values[again], tiny[again] = losses.hi[:, 0], _tiny(losses)[:, 0]
            settled[again] = True
        known = np.flatnonzero(may & settled)
        known = known[np.lexsort((known, ~tiny[known], -values[known]))[:top]]
        places = np.concatenate([known, np.flatnonzero(may & ~settled)])
    else:
        places = np.arange(len(values))
    for place in places:
        here = slice(place, place + 1)
        found = WorstRow(
            int(numbers[place]),
            int(labels[place]) if labels.ndim == 1 else None,
            int(x[place].argmax()),
            float(values[place]) + 0.0,
            bool(tiny[place]),
        )
        # A copy: the block need not wait for it.
        waiting = OpenLoss(x[here].copy(), _targets(labels[here].copy()))
        yield Candidate(found, None if settled[place] else waiting)


def _at_label(x: Array, maximum: Array, labels: Array) -> Mask:
    """Tell of which rows the label has the largest logit; of probabilities the most probable."""
    if labels.ndim == 1:
        return np.asarray(np.take_along_axis(x, labels[:, None], axis=1)[:, 0] == maximum)
    most_probable = labels == labels.max(axis=1, keepdims=True)
    return np.asarray(((x == maximum[:, None]) & most_probable).any(axis=1))
