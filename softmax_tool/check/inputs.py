"""Rules about the logits and labels themselves, block by block."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.check.found import Findings, Found, Place, gather
from softmax_tool.renderers.display import number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.readers import Block

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

# Probabilities that were rounded or printed with few digits sum to 1, and their log-sum-exp is 0,
# about so. Every row of a table of logits is as near as this only by being what it looks like.
_NEARLY = 0.01


@dataclass(frozen=True, slots=True)
class Looks:
    """How many rows there are that have a softmax, and how many look as if they had been one."""

    rows: int = 0
    probabilities: int = 0
    log_probabilities: int = 0

    def __add__(self, other: Looks) -> Looks:
        return Looks(
            self.rows + other.rows,
            self.probabilities + other.probabilities,
            self.log_probabilities + other.log_probabilities,
        )


@dataclass(frozen=True, slots=True)
class InputFacts:
    """What there is to say of the input, over the rows seen so far."""

    findings: Findings = field(default_factory=Findings)
    looks: Looks = Looks()

    def __add__(self, other: InputFacts) -> InputFacts:
        return InputFacts(self.findings + other.findings, self.looks + other.looks)


def examine_input(
    block: Block,
    kept: Mask,
    formats: Sequence[FloatFormat],
    rules: Collection[str],
    top: int,
) -> InputFacts:
    """Examine a block of logits; rows whose label is ignored may hold anything."""
    counted = np.flatnonzero(kept)
    logits = block.logits[counted]
    looks = Looks()
    found: dict[str, Found] = {}
    for code, part in _odd_logits(logits, block.start + counted, top):
        found[code] = part
    if block.labels is not None and block.labels.ndim == 1:
        part = _masked_labels(logits, block.labels[counted], block.start + counted, top)
        if part is not None:
            found["LAB103"] = part
    if rules & {"DBL101", "DBL102"}:
        looks = _looks(logits)
    total = Findings(found)
    for target in formats:
        total += Findings(dict(_rounding(block, target, rules, top)))
    return InputFacts(
        Findings({code: part for code, part in total.by_code.items() if code in rules}), looks
    )


def doubled(looks: Looks, classes: int, rules: Collection[str]) -> Findings:
    """Say whether all rows look like probabilities, or like their logarithms."""
    found: dict[str, Found] = {}
    if classes > 1 and looks.rows:
        rows = "the row" if looks.rows == 1 else f"each of {looks.rows} rows"
        if looks.probabilities == looks.rows and "DBL101" in rules:
            place = Place(0.0, None, None, f"{rows} lies in [0, 1] and sums to 1")
            found["DBL101"] = Found(1, looks.rows * classes, looks.rows, (place,))
        elif looks.log_probabilities == looks.rows and "DBL102" in rules:
            place = Place(0.0, None, None, f"the log-sum-exp of {rows} is 0")
            found["DBL102"] = Found(1, looks.rows * classes, looks.rows, (place,))
    return Findings(found)


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


def _masked_labels(logits: Array, labels: Array, rows: Array, top: int) -> Found | None:
    picked = np.take_along_axis(logits, labels[:, None], axis=1)
    where = (picked == -np.inf) & (logits != -np.inf).any(axis=1, keepdims=True)

    def at(row: int, _: int) -> Place:
        column = int(labels[row])
        text = f"label {column} is a masked class, logit -inf: the loss is inf"
        return Place(0.0, int(rows[row]), column, text)

    return gather(where, np.zeros(where.shape), top, at)


def _looks(logits: Array) -> Looks:
    """Count rows that look like probabilities: in [0, 1], sum 1; or like their logarithms."""
    classes = logits.shape[1]
    with np.errstate(all="ignore"):
        largest, smallest = logits.max(axis=1), logits.min(axis=1)
        valid = np.isfinite(largest)
        inside = np.flatnonzero(valid & (smallest >= 0) & (largest <= 1))
        sums = logits[inside].sum(axis=1, dtype=np.float64)
        # The log-sum-exp is at least the largest, and at most log(classes) above it.
        near = valid & (largest <= _NEARLY) & (largest >= -log(classes) - _NEARLY)
        below = np.flatnonzero(near)
        lse = np.log(np.exp(logits[below].astype(np.float64)).sum(axis=1))
    return Looks(
        int(np.count_nonzero(valid)),
        int(np.count_nonzero(np.abs(sums - 1) <= _NEARLY)),
        int(np.count_nonzero(np.abs(lse) <= _NEARLY)),
    )


def _rounding(
    block: Block, target: FloatFormat, rules: Collection[str], top: int
) -> Iterator[tuple[str, Found]]:
    stored = block.logits
    if stored.dtype == target.storage or not rules & {"INP104", "RNK103"}:
        return
    rounded = target.round(stored)
    with np.errstate(invalid="ignore"):
        beyond = np.isfinite(stored) & ~np.isfinite(rounded)
    if beyond.any():

        def at(row: int, column: int) -> Place:
            value, limit = float(stored[row, column]), number(target.max_finite)
            text = f"{target.name} logit {number(value)} is beyond {limit} and becomes infinite"
            return Place(abs(value), block.start + row, column, text)

        part = gather(beyond, np.abs(stored.astype(np.float64)), top, at)
        if part is not None:
            yield "INP104", part
    if "RNK103" in rules:
        yield from _new_ties(block, rounded, target, top)


def _new_ties(
    block: Block, rounded: Array, target: FloatFormat, top: int
) -> Iterator[tuple[str, Found]]:
    stored = block.logits
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
        return Place(0.0, block.start + row, column, text)

    part = gather(new, np.zeros(new.shape), top, at)
    if part is not None:
        yield "RNK103", part
