"""The whole way from a source to what is said of it: blocks, threads, order."""

from __future__ import annotations

from decimal import MAX_EMAX, Context, Decimal
from functools import partial
from math import isfinite, log, log10
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.ahead import in_order, thread_count
from softmax_tool.declared import INPUTS, check_input
from softmax_tool.errors import UsageError
from softmax_tool.formats import FLOAT64, FORMATS, exp_edges, find_format
from softmax_tool.ignored import IGNORED_LABEL
from softmax_tool.input_info import input_info, nothing_to_look_at, row_count
from softmax_tool.inspection.blocks import LARGE, summarise
from softmax_tool.inspection.report import (
    ClassCount,
    Headroom,
    InspectReport,
    InspectSettings,
    LabelFindings,
    Looks,
    Range,
)
from softmax_tool.inspection.verdict import LOSS, verdict
from softmax_tool.inspection.worst import PLAIN, worst_rows
from softmax_tool.lookalike import LOGITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from softmax_tool.exact_sum import ExactSum
    from softmax_tool.formats import FloatFormat
    from softmax_tool.inspection.summary import InspectSummary, LabelSummary, Survivors
    from softmax_tool.readers import Source
    from softmax_tool.report import Number

    Array = NDArray[np.int64]
    Progress = Callable[[int, int | None], None]

_ELEMENTS = 1 << 17  # of a block, so that it stays in the second-level cache
_COMMON = 3  # so many of the most and of the least common classes are named
_DIGITS = Context(prec=60, Emax=MAX_EMAX, traps=[])
_LARGEST = Decimal(f"1E{MAX_EMAX}")  # stands for what not even a decimal can hold


def inspect(
    source: Source,
    *,
    dtypes: Sequence[str] | None = None,
    ignore_index: int = IGNORED_LABEL,
    top: int = 5,
    declared: str = "logits",
    threads: int | None = None,
    progress: Progress | None = None,
) -> InspectReport:
    """Say what a table is.

    Raises
    ------
    InputError
        There is nothing to look at.
    UsageError
        There is no such dtype or input, or a negative number of rows is to be listed.
    """
    check_input(declared)
    if top < 0:
        raise UsageError(f"the number of worst rows cannot be {top}; give 0 or more")
    formats = tuple(dict.fromkeys(find_format(name) for name in dtypes or FORMATS))
    work = partial(
        summarise, formats=formats, declared=declared, ignore_index=ignore_index, top=top
    )
    blocks = source.blocks(max(1, _ELEMENTS // source.classes))
    total: InspectSummary | None = None
    for summary in in_order(work, blocks, thread_count(threads)):
        total = summary if total is None else total + summary
        if progress is not None:
            progress(total.rows, row_count(source))
    if total is None:
        raise nothing_to_look_at(source)
    names = tuple(target.name for target in formats)
    settings = InspectSettings(declared, names, source.axis, ignore_index, top)
    return _report(source, settings, total, formats)


def _report(
    source: Source,
    settings: InspectSettings,
    total: InspectSummary,
    formats: Sequence[FloatFormat],
) -> InspectReport:
    assert source.shape is not None  # noqa: S101  (every row has been read)
    likeness = total.likeness
    judged = total.rows - total.invalid_rows
    looks = Looks(
        likeness.kind if judged else None,
        likeness.count(LOGITS),
        likeness.probabilities,
        likeness.log_probabilities,
        likeness.undecided,
        total.misfits,
    )
    headroom = tuple(
        _headroom(target, total.extent.largest_maximum, judged, survivors)
        for target, survivors in zip(formats, total.survivors, strict=True)
    )
    labels = None if total.labels is None else _labels(total.labels, source.classes)
    info = input_info(source)
    extent = total.extent
    taken_for = INPUTS[settings.input]
    kind = looks.kind if taken_for == LOGITS or not judged else taken_for
    return InspectReport(
        info,
        settings,
        total.rows,
        source.classes,
        total.nans,
        total.positive_infinities,
        total.negatives,
        total.masked,
        total.invalid_rows,
        total.tied_rows,
        Range(
            total.stored.smallest,
            total.stored.largest,
            extent.smallest,
            extent.largest,
            extent.smallest_maximum,
            extent.largest_maximum,
            extent.widest_span,
        ),
        looks,
        None if kind is None else LOSS[kind],
        headroom,
        labels,
        tuple(verdict(looks, settings, source.classes, total, headroom, labels)),
    )


def _headroom(
    target: FloatFormat, largest: float | None, rows: int, survivors: Survivors
) -> Headroom:
    edge = exp_edges(target).last_finite
    room = None if largest is None else edge - largest
    return Headroom(
        target.name, edge, room, survivors.overflowed, rows, survivors.naive, survivors.shifted
    )


def _labels(labels: LabelSummary, classes: int) -> LabelFindings:
    mean = _mean(labels.losses, labels.kept)
    entropy = _mean(labels.entropies, labels.kept)
    most, least = _common(labels)
    return LabelFindings(
        labels.kept,
        labels.ignored,
        labels.correct,
        labels.tied,
        None if labels.counts is None else int(np.count_nonzero(labels.counts)),
        most,
        least,
        mean,
        mean == 0 and (labels.tiny_losses > 0 or labels.losses.fraction() > 0),
        log(classes),
        _perplexity(labels),
        entropy,
        entropy == 0 and (labels.tiny_entropies > 0 or labels.entropies.fraction() > 0),
        worst_rows(labels.worst, labels.top),
    )


def _common(labels: LabelSummary) -> tuple[tuple[ClassCount, ...], tuple[ClassCount, ...]]:
    """Return the most and the least common classes, the first of those that tie.

    A class without a row is not common; where no class has one, none is.
    """
    counts = labels.counts
    if counts is None or not counts.any():
        return (), ()
    most = np.argsort(-counts, kind="stable")[: min(_COMMON, np.count_nonzero(counts))]
    least = np.argsort(counts, kind="stable")[:_COMMON]
    return _counted(counts, most), _counted(counts, least)


def _counted(counts: Array, chosen: Array) -> tuple[ClassCount, ...]:
    return tuple(ClassCount(int(place), int(counts[place])) for place in chosen)


def _mean(total: ExactSum, rows: int) -> float | None:
    """Return the mean, rounded once; None of no rows."""
    if not rows:
        return None
    special = total.special()
    return special if special is not None else FLOAT64.round_exactly(total.fraction() / rows)


def _perplexity(labels: LabelSummary) -> Number | None:
    """Return exp of the mean loss, not of what that rounds to; a decimal where beyond float64."""
    if not labels.kept:
        return None
    special = labels.losses.special()
    if special is not None:
        return special
    mean = labels.losses.fraction() / labels.kept
    value = _DIGITS.exp(_DIGITS.divide(Decimal(mean.numerator), Decimal(mean.denominator)))
    if isfinite(float(value)):
        return float(value)
    if value.is_infinite():
        return _LARGEST
    known = _known_digits(float(mean), plain=labels.plain_rows > 0)
    return Context(prec=known, Emax=MAX_EMAX, traps=[]).plus(value)


def _known_digits(mean: float, *, plain: bool) -> int:
    """Return to how many digits the exponential of a mean loss is known, 17 at most.

    It is off, relatively, by as much as the mean is. Losses in double-double add a share of 2**-98
    and 2**-84; where some are `plain`, which losses above `LARGE` are not, these add theirs.
    """
    error = mean * 2.0**-98 + 2.0**-84 + (min(mean, LARGE) * PLAIN if plain else 0.0)
    return max(1, min(17, int(-log10(error))))
