"""What the figures of an inspection mean, in plain sentences."""

from __future__ import annotations

from math import e, log1p
from typing import TYPE_CHECKING

from softmax_tool.lookalike import LOG_PROBABILITIES, LOGITS, PROBABILITIES
from softmax_tool.renderers.display import number, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.inspection.report import Headroom, LabelFindings, Looks

LOSS = {
    LOGITS: "cross-entropy",
    LOG_PROBABILITIES: "nll",
    PROBABILITIES: "log, then nll",
}
"""The loss that takes values of a kind."""


def verdict(
    looks: Looks,
    declared: str,
    classes: int,
    invalid_rows: int,
    headroom: Sequence[Headroom],
    labels: LabelFindings | None,
) -> Iterator[str]:
    """Yield what these values are, which loss takes them, and which dtype they survive in."""
    yield from _kind(looks, declared, classes)
    if invalid_rows:
        yield (
            f"{plural(invalid_rows, 'row is', 'rows are')} nan by definition: they hold a nan or "
            "+inf, or nothing but -inf."
        )
    yield from _dtypes(headroom)
    if labels is not None:
        yield from _labels(labels, classes)


def _kind(looks: Looks, declared: str, classes: int) -> Iterator[str]:
    if declared == "probs":
        yield "Taken for probabilities, of which the logarithms were looked at: nll takes those."
        if looks.logits + looks.log_probabilities:
            others = looks.logits + looks.log_probabilities
            yield (
                f"But {plural(others, 'row does', 'rows do')} not sum to 1: the table looks like "
                f"{looks.kind}."
            )
    elif declared == "log-probs" and looks.kind != LOG_PROBABILITIES:
        yield f"Taken for log-probabilities, but they look like {looks.kind}."
    elif looks.kind == PROBABILITIES:
        # A certain class gives logits 1, 0, 0, …, and so −log(e / (e + classes − 1)).
        least = log1p((classes - 1) / e)
        yield (
            "These look like probabilities: the rows sum to 1. Take their logarithm, then nll. "
            "Cross-entropy takes logits: it would apply softmax a second time, and could not fall "
            f"below {number(least)} with {plural(classes, 'class', 'classes')} however sure they "
            "are. Say --input probs to have them taken for what they are."
        )
    elif looks.kind == LOG_PROBABILITIES:
        yield (
            "These look like log-probabilities: the exponentials of each row sum to 1. nll takes "
            "them as they are; cross-entropy gives the same, since log-softmax hardly changes them."
        )
    else:
        yield "These look like logits: cross-entropy takes them as they are; nll needs log-softmax."


def _dtypes(headroom: Sequence[Headroom]) -> Iterator[str]:
    judged = [room for room in headroom if room.rows]
    naive = [room.dtype for room in judged if room.naive == room.rows]
    shifted = [room.dtype for room in judged if room.shifted == room.rows]
    if naive:
        yield f"Every row survives naive softmax in {_listed(naive)}."
    saved = [dtype for dtype in shifted if dtype not in naive]
    if saved:
        yield (
            f"In {_listed(saved)} naive softmax loses rows, and every one is saved by subtracting "
            "its maximum."
        )
    lost = [room for room in judged if room.shifted < room.rows]
    for room in lost:
        yield (
            f"In {room.dtype} {plural(room.rows - room.shifted, 'row')} cannot be saved: a logit, "
            "or the distance of two, is beyond the dtype."
        )


def _labels(labels: LabelFindings, classes: int) -> Iterator[str]:
    loss = labels.mean_loss
    if loss is not None and loss > labels.uniform_loss:
        yield (
            f"The mean loss, {number(loss)}, is above {number(labels.uniform_loss)}, that of "
            "giving every class the same probability: are these the right labels?"
        )
    absent = [str(found.label) for found in labels.least_common if not found.rows]
    if absent and labels.classes_present is not None:
        missing = plural(classes - labels.classes_present, "class has", "classes have")
        yield f"{missing} no row: {', '.join(absent)}{', …' if len(absent) > 2 else ''}."


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
