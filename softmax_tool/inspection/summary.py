"""What is known of the rows seen so far: frozen values that add, in any order to the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen
from softmax_tool.inspection.worst import worst_of
from softmax_tool.misfits import joined
from softmax_tool.summary import largest, smallest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact_sum import ExactSum
    from softmax_tool.inspection.worst import Candidate
    from softmax_tool.lookalike import Likeness
    from softmax_tool.report import Misfit


@frozen
class Extent:
    """The range of finite values; None stands for "there is none"."""

    smallest: float | None = None
    largest: float | None = None
    smallest_maximum: float | None = None
    largest_maximum: float | None = None
    widest_span: float | None = None

    @property
    def ends(self) -> NDArray[np.float64]:
        """The smallest and the largest value, where there is any."""
        return np.array([self.smallest, self.largest], np.float64)

    def __add__(self, other: Extent) -> Extent:
        return Extent(
            smallest(self.smallest, other.smallest),
            largest(self.largest, other.largest),
            smallest(self.smallest_maximum, other.smallest_maximum),
            largest(self.largest_maximum, other.largest_maximum),
            largest(self.widest_span, other.widest_span),
        )


@frozen
class Survivors:
    """Rows that survive in one dtype, and logits that do not fit into it."""

    overflowed: int = 0
    naive: int = 0
    shifted: int = 0

    def __add__(self, other: Survivors) -> Survivors:
        return Survivors(
            self.overflowed + other.overflowed,
            self.naive + other.naive,
            self.shifted + other.shifted,
        )


@frozen
class LabelSummary:
    """What the labels say; `counts` is rows of each class, None for probabilities as labels."""

    top: int
    counts: NDArray[np.int64] | None
    kept: int
    ignored: int
    correct: int
    tied: int
    losses: ExactSum
    tiny_losses: int  # not 0, though float64 holds them as 0
    entropies: ExactSum
    tiny_entropies: int  # as those of losses
    plain_rows: int  # whose losses are those of float64
    worst: tuple[Candidate, ...]

    def __add__(self, other: LabelSummary) -> LabelSummary:
        counts = None
        if self.counts is not None and other.counts is not None:
            counts = self.counts + other.counts
        top = max(self.top, other.top)
        return LabelSummary(
            top,
            counts,
            self.kept + other.kept,
            self.ignored + other.ignored,
            self.correct + other.correct,
            self.tied + other.tied,
            self.losses + other.losses,
            self.tiny_losses + other.tiny_losses,
            self.entropies + other.entropies,
            self.tiny_entropies + other.tiny_entropies,
            self.plain_rows + other.plain_rows,
            worst_of((*self.worst, *other.worst), top),
        )


@frozen
class InspectSummary:
    """All that is known of the rows seen so far; `survivors` in the order of the dtypes."""

    rows: int
    nans: int
    positive_infinities: int
    negatives: int
    masked: int
    invalid_rows: int
    tied_rows: int
    stored: Extent  # of the values as they are in the file: the ends alone
    extent: Extent
    likeness: Likeness
    misfits: tuple[Misfit, ...]
    survivors: tuple[Survivors, ...]
    labels: LabelSummary | None

    def __add__(self, other: InspectSummary) -> InspectSummary:
        labels = self.labels
        if labels is not None and other.labels is not None:
            labels = labels + other.labels
        pairs: Any = zip(self.survivors, other.survivors, strict=True)
        return InspectSummary(
            self.rows + other.rows,
            self.nans + other.nans,
            self.positive_infinities + other.positive_infinities,
            self.negatives + other.negatives,
            self.masked + other.masked,
            self.invalid_rows + other.invalid_rows,
            self.tied_rows + other.tied_rows,
            self.stored + other.stored,
            self.extent + other.extent,
            self.likeness + other.likeness,
            joined(self.misfits, other.misfits),
            tuple(mine + theirs for mine, theirs in pairs),
            labels,
        )
