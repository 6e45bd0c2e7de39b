"""The work on one block of rows: counted, measured, and held against the edges of each dtype."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.arithmetic.wide_sum import WIDE_SUM
from softmax_tool.declared import INPUTS, as_logits
from softmax_tool.exact_sum import ExactSum
from softmax_tool.formats import FLOAT32, exp_edges
from softmax_tool.inspection.report import WorstRow
from softmax_tool.inspection.summary import (
    Extent,
    InspectSummary,
    LabelSummary,
    Survivors,
    worst_of,
)
from softmax_tool.lookalike import LOGITS, PROBABILITIES, Likeness
from softmax_tool.misfits import find_misfits
from softmax_tool.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.readers import Block
    from softmax_tool.report import Misfit

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


def summarise(
    block: Block, formats: Sequence[FloatFormat], declared: str, ignore_index: int, top: int
) -> InspectSummary:
    """Say of one block all that is said of a table."""
    with np.errstate(all="ignore"):
        return _summarise(_Seen.of(block, declared), formats, ignore_index, top)


@dataclass(frozen=True, slots=True)
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
    targets = Targets(
        labels=wanted[:, None] if hard else None,
        probabilities=None if hard else wanted,
        weights=None,
        smoothing=Fraction(0),
        kept=Fraction(1),
        spread=Fraction(0),
    )
    reference = exact.reference(some, FLOAT32)
    losses = exact.losses(reference, targets, some, FLOAT32)
    values = losses.hi[:, 0]
    tiny = (values == 0) & losses.nonzero[:, 0]
    entropies = (reference.log_sum + reference.mean_shift)[:, 0]
    places = np.argsort(-values, kind="stable")[:top]
    worst = (
        WorstRow(
            block.start + int(rows[place]),
            int(wanted[place]) if hard else None,
            int(some[place].argmax()),
            float(values[place]) + 0.0,
            bool(tiny[place]),
        )
        for place in places
    )
    return LabelSummary(
        top=top,
        counts=np.bincount(labels[counted], minlength=x.shape[1]) if hard else None,
        kept=len(rows),
        ignored=int(np.count_nonzero(~counted)),
        correct=int(np.count_nonzero(at_label & alone)),
        tied=int(np.count_nonzero(at_label & ~alone)),
        losses=ExactSum.of(values),
        tiny_losses=int(np.count_nonzero(tiny)),
        entropies=ExactSum.of(entropies),
        tiny_entropies=_tiny_entropies(some, entropies),
        worst=worst_of(worst, top),
    )


def _at_label(x: Array, maximum: Array, labels: Array) -> Mask:
    """Tell of which rows the label has the largest logit; of probabilities the most probable."""
    if labels.ndim == 1:
        return np.asarray(np.take_along_axis(x, labels[:, None], axis=1)[:, 0] == maximum)
    most_probable = labels == labels.max(axis=1, keepdims=True)
    return np.asarray(((x == maximum[:, None]) & most_probable).any(axis=1))


def _tiny_entropies(x: Array, entropies: Array) -> int:
    """Count the rows whose entropy float64 holds as 0 though more than one class has a part."""
    rows = x[entropies == 0]
    return int(np.count_nonzero(np.count_nonzero(rows > -np.inf, axis=1) > 1))
