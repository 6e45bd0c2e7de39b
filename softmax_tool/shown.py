"""Which rows a person gets to see in full: those asked for, or the worst and the first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.excerpt import index, telling
from softmax_tool.formats import find_format
from softmax_tool.formulations import LOSSES
from softmax_tool.frozen import frozen
from softmax_tool.kinds import KINDS
from softmax_tool.renderers.display import bounds, plural
from softmax_tool.report import ShownRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from softmax_tool.blocks import BlockOutcome
    from softmax_tool.plan import Options, Plan, Slice
    from softmax_tool.readers import Block
    from softmax_tool.report import CaseName

    Array = NDArray[Any]

_HARMLESS = len(KINDS)
ANY_SEVERITY = _HARMLESS + 1
"""What every row is worse than."""


@frozen
class Candidate:
    """A row that may be shown; the worst kind in it decides, then its place.

    Only the columns that will be shown are in it. The kinds of its elements are codes, a byte each
    or one for all, until it is shown: words take sixty times the room, and a row may come from
    another process.
    """

    severity: int
    row: ShownRow
    codes: tuple[Array, ...]  # of each elementwise result

    @property
    def order(self) -> tuple[int, int]:
        return self.severity, self.row.row


def candidates(
    block: Block, outcome: BlockOutcome, plan: Plan, options: Options, limit: int
) -> tuple[Candidate, ...]:
    """Return what may be shown of one block; rows must be worse than `limit`, unless chosen."""
    names, count = plan.cases, len(outcome.kept)
    severity = np.full(count, _HARMLESS)
    for name, case in zip(names, outcome.cases, strict=True):
        rows = np.flatnonzero(outcome.kept) if name.quantity in LOSSES else np.arange(count)
        worst = case.marks.worst(len(rows))
        severity[rows] = np.minimum(severity[rows], worst)
    places = _promising(block.start, severity, options, limit)
    if not places.size:
        return ()
    whole = replace(outcome, cases=tuple(case.expanded() for case in outcome.cases))
    return tuple(
        _candidate(block, whole, int(place), int(severity[place]), names, options)
        for place in places
    )


def _promising(start: int, severity: Array, options: Options, limit: int) -> Array:
    if options.rows is None:
        top = _top(options)
        worst = np.sort(np.argsort(severity, kind="stable")[:top])
        worst = worst[severity[worst] < limit]
        # Of rows in which nothing is wrong, the first of all are shown.
        return worst[(severity[worst] < _HARMLESS) | (start + worst < top)]
    return np.arange(len(severity))[inside(options.rows, start)]


def inside(asked: Slice, start: int) -> slice:
    """Return which rows of a block that begins at row `start` may be among the asked.

    What counts from the end is settled when the end is known.

    Examples
    --------
    >>> inside((5, None), 3), inside((0, 5), 3), inside((0, 2), 3), inside((-5, -1), 3)
    (slice(2, None, None), slice(0, 2, None), slice(0, 0, None), slice(0, None, None))
    """
    first, last = asked
    begin = 0 if first is None else max(first - start, 0)
    return slice(begin, None if last is None or last < 0 else max(last - start, 0))


def _top(options: Options) -> int:
    return max(options.top, 1)


class ShownRows:
    """Collects, block by block, the rows to show; holds no more than it may still need."""

    def __init__(self, options: Options) -> None:
        self._slice, self._top = options.rows, _top(options)
        self._found: list[Candidate] = []

    def add(self, found: Sequence[Candidate], seen: int) -> None:
        """Take what may be shown of one block; `seen` is how many rows there were so far."""
        self._found += found
        self._forget(seen)

    @property
    def limit(self) -> int:
        """The severity that later rows must be worse than to be shown."""
        if self._slice is not None or len(self._found) < self._top:
            return ANY_SEVERITY
        return self._found[-1].severity

    def _forget(self, seen: int) -> None:
        if self._slice is None:
            self._found = sorted(self._found, key=lambda c: c.order)[: self._top]
            return
        first = self._slice[0]
        if first is not None and first < 0:
            self._found = [c for c in self._found if c.row.row >= seen + first]

    def rows(self, total: int) -> tuple[ShownRow, ...]:
        """Return the rows to show, in their order."""
        chosen = sorted(self._chosen(total), key=lambda candidate: candidate.row.row)
        return tuple(
            replace(one.row, kinds=tuple(words(each, len(one.row.columns)) for each in one.codes))
            for one in chosen
        )

    def _chosen(self, total: int) -> list[Candidate]:
        if self._slice is None:
            return self._found
        wanted = range(total)[slice(*self._slice)]
        return [candidate for candidate in self._found if candidate.row.row in wanted]

    def because(self, total: int) -> str:
        """Say which rows these are, and how many are left out."""
        if self._slice is not None:
            return because_asked(self._slice, total)
        shown = len(self._found)
        if shown == total:
            return "every row"
        left = f"{plural(total - shown, 'row')} not shown"
        hit = sum(candidate.severity < _HARMLESS for candidate in self._found)
        if not hit:
            return f"the first {plural(shown, 'row')}, nothing being wrong in any; {left}"
        which = "where the worst happens" if hit == shown else "the worst, then the first"
        return f"{plural(shown, 'row')}, {which}; {left}"


def because_asked(asked: Slice, total: int) -> str:
    """Say that the rows shown were asked for, and how many are left out.

    Examples
    --------
    >>> because_asked((1, -1), 10), because_asked((0, None), 10), because_asked((12, 15), 10)
    ('rows 1:-1; 2 rows not shown', 'every row', 'none of 10 rows')
    """
    shown = len(range(total)[slice(*asked)])
    if shown == total:
        return "every row"
    if not shown:
        return f"none of {plural(total, 'row')}"
    return f"rows {bounds(asked)}; {plural(total - shown, 'row')} not shown"


def _candidate(
    block: Block,
    outcome: BlockOutcome,
    place: int,
    severity: int,
    names: tuple[CaseName, ...],
    options: Options,
) -> Candidate:
    cases = tuple(zip(names, outcome.cases, strict=True))
    elementwise = [(name, case) for name, case in cases if name.quantity not in LOSSES]
    losses = [case for name, case in cases if name.quantity in LOSSES]
    kept = bool(outcome.kept[place])
    position = int(np.count_nonzero(outcome.kept[:place]))
    label = None
    if block.labels is not None and block.labels.ndim == 1:
        label = int(block.labels[place])
    logits, codes = block.logits[place], [case.marks.of_row(place) for _, case in elementwise]
    columns = _columns(logits, label, codes, options)
    at = index(columns)
    row = ShownRow(
        row=block.start + place,
        label=label,
        classes=len(logits),
        columns=columns,
        logits=logits[at].copy(),
        values=tuple(stored(name, case.values[place, at]) for name, case in elementwise),
        kinds=(),
        losses=tuple(float(case.values[position, 0]) if kept else 0.0 for case in losses),
        loss_kinds=tuple(
            str(words(case.marks.of_row(position), 1)[0]) if kept else "" for case in losses
        ),
        ignored=not kept,
    )
    return Candidate(severity, row, tuple(c if len(c) == 1 else c[at].copy() for c in codes))


def _columns(
    logits: Array, label: int | None, codes: Sequence[Array], options: Options
) -> Sequence[int]:
    every = range(len(logits))
    if options.columns is not None:
        return every[slice(*options.columns)]
    return telling(logits, label, codes, range(len(KINDS))) if options.excerpts else every


def stored(name: CaseName, values: Array) -> Array:
    """Return a copy of results in the dtype that they are written in."""
    return find_format(name.dtype).stored(values).copy()


def words(codes: Array, count: int) -> Array:
    """Return the kinds of `count` elements by name; there may be one code for all."""
    names = np.asarray([*KINDS, ""])[codes]  # NO_KIND is -1, and so the last
    return np.broadcast_to(names, count)
