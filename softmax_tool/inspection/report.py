"""What `inspect` says of a table."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from softmax_tool.report import InputInfo, Misfit, Number


@frozen
class InspectSettings:
    """What changes the answer."""

    input: str  # what the values were taken for
    dtypes: tuple[str, ...]
    axis: int
    ignore_index: int
    top: int


@frozen
class Range:
    """Where the finite values lie; None where there are none. A span is that of one row.

    Of declared probabilities these are the logarithms, but for `stored_smallest` and
    `stored_largest`.
    """

    stored_smallest: float | None
    stored_largest: float | None
    smallest: float | None
    largest: float | None
    smallest_maximum: float | None
    largest_maximum: float | None
    widest_span: float | None


@frozen
class Looks:
    """How many rows look like what, and what the table therefore is; None where no row tells."""

    kind: str | None
    logits: int
    probabilities: int
    log_probabilities: int
    undecided: int
    misfits: tuple[Misfit, ...]  # of rows that are declared a distribution


@frozen
class Headroom:
    """Which rows would survive in a dtype, and how far the largest logit is from its edge.

    Of `rows`, those that are not nan by definition; `overflowed` is of all. `headroom` is the last
    argument of a finite exp less the largest logit; negative where that is beyond.
    """

    dtype: str
    exp_last_finite: float
    headroom: float | None
    overflowed: int  # logits that the dtype makes infinite
    rows: int
    naive: int
    shifted: int


@frozen
class ClassCount:
    """How many rows have a class as their label."""

    label: int
    rows: int


@frozen
class WorstRow:
    """A row with a large loss."""

    row: int
    label: int | None
    predicted: int
    loss: float
    loss_is_tiny: bool  # not 0, but below every float64


@frozen
class LabelFindings:
    """What the labels say of the logits; losses are true ones, over the rows kept.

    `kept` rows are neither ignored nor nan. `correct` rows have their label as their only maximum;
    of `tied` ones it is one of several. Of probabilities as labels every most probable class is
    one. Losses and entropies are in nats.
    """

    kept: int
    ignored: int
    correct: int
    tied: int
    classes_present: int | None  # None for probabilities as labels, as the next two are empty
    most_common: tuple[ClassCount, ...]
    least_common: tuple[ClassCount, ...]
    mean_loss: float | None  # None where no row is kept, as the perplexity and entropy are
    mean_loss_is_tiny: bool  # not 0, but below every float64
    uniform_loss: float  # that of no knowledge at all, log of the number of classes
    perplexity: Number | None
    mean_entropy: float | None
    mean_entropy_is_tiny: bool  # as that of the loss
    worst: tuple[WorstRow, ...]


@frozen
class InspectReport:
    """The answer of `inspect`."""

    input: InputInfo
    settings: InspectSettings
    rows: int
    classes: int
    nans: int
    positive_infinities: int
    negatives: int  # declared probabilities below 0, which have no logarithm
    masked: int  # values that are -inf, or declared probabilities that are 0
    invalid_rows: int
    tied_rows: int
    range: Range
    looks_like: Looks
    loss: str | None  # the loss that takes such values; None where no row tells
    headroom: tuple[Headroom, ...]
    labels: LabelFindings | None
    verdict: tuple[str, ...]
    command: Literal["inspect"] = field(default="inspect", init=False)
