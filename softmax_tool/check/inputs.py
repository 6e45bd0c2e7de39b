"""Rules about the logits and labels themselves, block by block."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.check.found import Findings, Found, Place, gather, worst_of
from softmax_tool.check.masked_targets import masked_targets
from softmax_tool.formulations import NEED_LABELS
from softmax_tool.frozen import frozen
from softmax_tool.lookalike import LOG_PROBABILITIES, PROBABILITIES, Likeness
from softmax_tool.renderers.display import number, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.plan import Options
    from softmax_tool.readers import Block

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


@frozen
class InputFacts:
    """What there is to say of the input, over the rows seen so far."""

    findings: Findings = field(default_factory=Findings)
    likeness: Likeness = Likeness()

    def __add__(self, other: InputFacts) -> InputFacts:
        return InputFacts(self.findings + other.findings, self.likeness + other.likeness)


def examine_input(
    block: Block,
    kept: Mask,
    formats: Sequence[FloatFormat],
    rules: frozenset[str],
    options: Options,
    ops: Sequence[str],
) -> InputFacts:
    """Examine a block of logits; rows whose label is ignored may hold anything."""
    counted = np.flatnonzero(kept)
    logits, top = block.logits[counted], options.top
    likeness = Likeness()
    rows = block.start + counted
    found = dict(_odd_logits(logits, rows, top))
    if block.labels is not None:
        masked = masked_targets(logits, block.labels[counted], rows, options, ops)
        if masked is not None:
            found["LAB103"] = masked
    if rules & {"DBL101", "DBL102"}:
        likeness = Likeness.of(logits)
    total = Findings(found)
    for target in formats:
        total += Findings(dict(_rounding(logits, rows, target, rules, top)))
    return InputFacts(
        Findings({code: part for code, part in total.by_code.items() if code in rules}), likeness
    )


def weights_beyond(
    options: Options, formats: Sequence[FloatFormat], ops: Sequence[str], rules: frozenset[str]
) -> Findings:
    """Find the class weights that a format makes infinite, where something is weighed."""
    if options.weights is None or "INP104" not in rules or not set(ops) & set(NEED_LABELS):
        return Findings()
    weights, found = np.asarray(options.weights), Findings()
    for target in formats:
        places = tuple(
            Place(
                abs(float(weights[label])),
                None,
                int(label),
                f"{target.name} weight {number(float(weights[label]))} of class {label} is beyond "
                f"{number(target.max_finite)} and becomes infinite",
            )
            for label in np.flatnonzero(np.isinf(target.round(weights)))
        )
        if places:
            worst = worst_of(places, options.top)
            found += Findings({"INP104": Found(options.top, len(places), 0, worst)})
    return found


def doubled(likeness: Likeness, classes: int, rules: frozenset[str]) -> Findings:
    """Say whether the rows look like probabilities, or like their logarithms."""
    code = {PROBABILITIES: "DBL101", LOG_PROBABILITIES: "DBL102"}.get(likeness.kind)
    if code is None or code not in rules or classes == 1:
        return Findings()
    rows = likeness.count(likeness.kind)
    decided = plural(likeness.rows - likeness.undecided, "row")
    aside = " without nan or +inf" if likeness.undecided else ""
    of = f"{rows} of {decided}{aside} sum to 1"
    text = of if code == "DBL101" else f"the exponentials of {of}"
    return Findings({code: Found(1, rows * classes, rows, (Place(0.0, None, None, text),))})


def _odd_logits(logits: Array, rows: Array, top: int) -> Iterator[tuple[str, Found]]:
    if logits.dtype.kind != "f":
        return
    # A row's largest and smallest logit are finite in almost every block; NaN spreads to both.
    if logits.size and np.isfinite(logits.max(axis=1)).all():
        return
    nothing = np.zeros(logits.shape)
    for code, where, text in (
        ("INP101", np.isnan(logits), "the logit is nan"),
        ("INP102", logits == np.inf, "the logit is +inf"),
    ):

        def at(row: int, column: int, text: str = text) -> Place:
            return Place(0.0, int(rows[row]), column, text)

        part = gather(where, nothing, top, at)
        if part is not None:
            yield code, part
    masked = (logits == -np.inf).all(axis=1, keepdims=True)
    part = gather(
        masked,
        np.zeros(masked.shape),
        top,
        lambda row, _: Place(0.0, int(rows[row]), None, "every logit is -inf"),
    )
    if part is not None:
        yield "INP103", part


def _rounding(
    stored: Array, rows: Array, target: FloatFormat, rules: frozenset[str], top: int
) -> Iterator[tuple[str, Found]]:
    if stored.dtype == target.storage or not rules & {"INP104", "RNK103"}:
        return
    rounded = target.round(stored)
    with np.errstate(invalid="ignore"):
        beyond = np.isfinite(stored) & ~np.isfinite(rounded)
    if beyond.any():

        def at(row: int, column: int) -> Place:
            value, limit = float(stored[row, column]), number(target.max_finite)
            text = f"{target.name} logit {number(value)} is beyond {limit} and becomes infinite"
            return Place(abs(value), int(rows[row]), column, text)

        part = gather(beyond, np.abs(stored.astype(np.float64)), top, at)
        if part is not None:
            yield "INP104", part
    if "RNK103" in rules:
        yield from _new_ties(stored, rows, rounded, target, top)


def _new_ties(
    stored: Array, rows: Array, rounded: Array, target: FloatFormat, top: int
) -> Iterator[tuple[str, Found]]:
    with np.errstate(invalid="ignore"):
        after = rounded == rounded.max(axis=1, keepdims=True)
        before = stored == stored.max(axis=1, keepdims=True)
    new = after & ~before

    def at(row: int, column: int) -> Place:
        first = int(before[row].argmax())
        text = (
            f"{target.name} logits {number(float(stored[row, column]))} and "
            f"{number(float(stored[row, first]))} (column {first}) both become "
            f"{number(float(rounded[row, column]))}, the largest of the row"
        )
        return Place(0.0, int(rows[row]), column, text)

    part = gather(new, np.zeros(new.shape), top, at)
    if part is not None:
        yield "RNK103", part
