"""What the figures of an inspection mean, in plain sentences."""

from __future__ import annotations

from math import e, log1p
from typing import TYPE_CHECKING

from softmax_tool.declared import INPUTS
from softmax_tool.lookalike import LOG_PROBABILITIES, LOGITS, PROBABILITIES
from softmax_tool.misfits import NEGATIVE, described
from softmax_tool.renderers.display import count, number, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.inspection.report import Headroom, InspectSettings, LabelFindings, Looks
    from softmax_tool.inspection.summary import InspectSummary

LOSS = {
    LOGITS: "cross-entropy",
    LOG_PROBABILITIES: "nll",
    PROBABILITIES: "log, then nll",
}
"""The loss that takes values of a kind."""


def verdict(
    looks: Looks,
    settings: InspectSettings,
    classes: int,
    total: InspectSummary,
    headroom: Sequence[Headroom],
    labels: LabelFindings | None,
) -> Iterator[str]:
    """Yield what these values are, which loss takes them, and which dtype they survive in."""
    if looks.kind is None:
        yield "No row can be judged, so that neither a loss nor a dtype can be named."
    else:
        yield from _kind(looks, settings.input, classes)
    yield from _misfits(looks, settings.input, total.rows)
    if total.invalid_rows:
        yield _invalid(total, settings.input)
    yield from _dtypes(headroom, "Every row that is not nan" if total.invalid_rows else "Every row")
    if labels is not None:
        yield from _labels(labels, settings.ignore_index, classes)


def _kind(looks: Looks, declared: str, classes: int) -> Iterator[str]:
    if declared == "probs":
        yield "Taken for probabilities, of which the logarithms were looked at: nll takes those."
    elif declared == "log-probs" and looks.misfits:
        yield (
            "Taken for log-probabilities: nll takes them as they are; cross-entropy divides by "
            "their sum first, which changes rows that do not sum to 1."
        )
    elif declared == "log-probs":
        yield (
            "Taken for log-probabilities: nll takes them as they are; cross-entropy gives the "
            "same, since log-softmax hardly changes them."
        )
    elif classes == 1:
        yield "There is one class: its softmax is 1 and every loss 0, for all finite values."
    elif looks.kind == PROBABILITIES:
        # A certain class gives logits 1, 0, 0, …, and so −log(e / (e + classes − 1)).
        least = log1p((classes - 1) / e)
        yield (
            f"These look like probabilities: {_share(looks.probabilities, looks)} sum to 1. Take "
            "their logarithm, then nll. Cross-entropy takes logits: it would apply softmax a "
            f"second time, and could not fall below {number(least)} with {count(classes)} classes "
            "however sure they are. Say --input probs to have them taken for what they are."
        )
    elif looks.kind == LOG_PROBABILITIES:
        yield (
            "These look like log-probabilities: the exponentials of "
            f"{_share(looks.log_probabilities, looks)} sum to 1. nll takes "
            "them as they are; cross-entropy gives the same, since log-softmax hardly changes them."
        )
    else:
        yield "These look like logits: cross-entropy takes them as they are; nll needs log-softmax."


def _share(alike: int, looks: Looks) -> str:
    decided = looks.logits + looks.probabilities + looks.log_probabilities
    if alike == decided:
        return "the rows"
    return f"{count(alike)} of {plural(decided, 'row')}"


def _misfits(looks: Looks, declared: str, rows: int) -> Iterator[str]:
    if looks.misfits:
        kind = INPUTS[declared]
        other = "" if looks.kind in {None, kind} else f"; the table looks like {looks.kind}"
        yield f"Declared {declared}, but {described(looks.misfits, rows, kind)}{other}."


def _invalid(total: InspectSummary, declared: str) -> str:
    """Say which of the things that make a row nan by definition there are."""
    held = [
        (total.nans, "a nan"),
        (total.positive_infinities, "+inf"),
        (total.negatives, "a negative value, which has no logarithm"),
    ]
    negative = sum(misfit.rows for misfit in total.misfits if misfit.reason == NEGATIVE)
    empty = total.invalid_rows - total.likeness.undecided - negative
    nothing = f"nothing but {0 if INPUTS[declared] == PROBABILITIES else '-inf'}"
    reasons = " or ".join(what for amount, what in (*held, (empty, nothing)) if amount)
    one = total.invalid_rows == 1
    return (
        f"{plural(total.invalid_rows, 'row is', 'rows are')} nan by definition: "
        f"{'it holds' if one else 'they hold'} {reasons}."
    )


def _dtypes(headroom: Sequence[Headroom], every: str) -> Iterator[str]:
    judged = [room for room in headroom if room.rows]
    naive = [room.dtype for room in judged if room.naive == room.rows]
    shifted = [room.dtype for room in judged if room.shifted == room.rows]
    if naive:
        yield f"{every} survives naive softmax in {_listed(naive)}."
    saved = [dtype for dtype in shifted if dtype not in naive]
    if saved:
        yield (
            f"In {_listed(saved)} naive softmax loses rows, and every one is saved by subtracting "
            "its maximum."
        )
    lost = [room for room in judged if room.shifted < room.rows]
    for room in lost:
        yield (
            f"In {room.dtype} the log-softmax of {plural(room.rows - room.shifted, 'row')} cannot "
            "be saved: a logit, or the distance of two, is beyond the dtype."
        )


def _labels(labels: LabelFindings, ignore_index: int, classes: int) -> Iterator[str]:
    if not labels.kept:
        yield _nothing_kept(labels, ignore_index)
    loss = labels.mean_loss
    if loss is not None and loss > labels.uniform_loss:
        yield (
            f"The mean loss, {number(loss)}, is above {number(labels.uniform_loss)}, that of "
            "giving every class the same probability: are these the right labels?"
        )
    absent = [str(found.label) for found in labels.least_common if not found.rows]
    if absent and labels.classes_present is not None:
        missing = classes - labels.classes_present
        those = ", ".join(absent) if missing == len(absent) else f"the first are {_listed(absent)}"
        yield f"{plural(missing, 'class has', 'classes have')} no row: {those}."


def _nothing_kept(labels: LabelFindings, ignore_index: int) -> str:
    mend = "no loss was looked at; mend the labels or --ignore-index."
    if labels.classes_present == 0:
        return f"Every row is ignored, its label being {ignore_index}: {mend}"
    return "Every row whose label counts is nan by definition: no loss was looked at."


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
