"""Rows that were asked for, whole: whoever wants them may want all, so that they wait on disk."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np

from softmax_tool.excerpt import ALL
from softmax_tool.formulations import LOSSES
from softmax_tool.frozen import frozen
from softmax_tool.kinds import NO_KIND
from softmax_tool.report import ShownRow
from softmax_tool.shown import because_asked, inside, stored, words
from softmax_tool.storing import storing_for_now, temporary_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from softmax_tool.blocks import BlockOutcome
    from softmax_tool.outcomes import CaseOutcome, Marks
    from softmax_tool.plan import Options, Plan
    from softmax_tool.readers import Block

    Array = NDArray[Any]

IN_MEMORY = 1 << 24
"""So many bytes of rows need no file."""


@frozen
class WholeRows:
    """Consecutive rows of one block, of each the same columns; as many arrays as there are results.

    Kinds are codes, a byte each, until a row is shown.
    """

    start: int
    labels: NDArray[np.int64] | None  # (rows,)
    ignored: NDArray[np.bool_]  # (rows,)
    classes: int
    columns: range
    logits: Array  # (rows, columns)
    values: tuple[Array, ...]  # each (rows, columns)
    codes: tuple[Array, ...]
    losses: tuple[Array, ...]  # each (rows,), 0 where a row is ignored
    loss_codes: tuple[Array, ...]

    @property
    def stop(self) -> int:
        """The number of the first row after these."""
        return self.start + len(self.logits)

    @property
    def nbytes(self) -> int:
        """How much room the elements take."""
        return sum(each.nbytes for each in (self.logits, *self.values, *self.codes))

    def among(self, wanted: range) -> Iterator[ShownRow]:
        """Yield the rows whose numbers are wanted."""
        for number in range(max(self.start, wanted.start), min(self.stop, wanted.stop)):
            yield self._row(number - self.start)

    def _row(self, place: int) -> ShownRow:
        ignored = bool(self.ignored[place])
        kinds = (str(words(codes[place : place + 1], 1)[0]) for codes in self.loss_codes)
        return ShownRow(
            row=self.start + place,
            label=None if self.labels is None else int(self.labels[place]),
            classes=self.classes,
            columns=self.columns,
            logits=self.logits[place],
            values=tuple(values[place] for values in self.values),
            kinds=tuple(words(codes[place], len(self.columns)) for codes in self.codes),
            losses=tuple(float(losses[place]) for losses in self.losses),
            loss_kinds=tuple("" if ignored else kind for kind in kinds),
            ignored=ignored,
        )


def are_whole(options: Options) -> bool:
    """Whether the rows to show are chosen by their numbers, and not cut to what tells most."""
    return options.rows is not None and not options.excerpts


def whole_rows(block: Block, outcome: BlockOutcome, plan: Plan, options: Options) -> WholeRows:
    """Return those of a block's rows that may be among the ones asked for."""
    cases = [(name, case.expanded()) for name, case in zip(plan.cases, outcome.cases, strict=True)]
    elementwise = [(name, case) for name, case in cases if name.quantity not in LOSSES]
    losses = [case for name, case in cases if name.quantity in LOSSES]
    count, classes = block.logits.shape
    asked = inside(options.rows or ALL, block.start)
    part, columns = range(count)[asked], range(classes)[slice(*(options.columns or ALL))]
    at = np.s_[part.start : part.stop, columns.start : columns.stop]
    labels = block.labels if block.labels is not None and block.labels.ndim == 1 else None
    return WholeRows(
        start=block.start + part.start,
        labels=None if labels is None else labels[asked],
        ignored=~outcome.kept[asked],
        classes=classes,
        columns=columns,
        logits=block.logits[at].copy(),
        values=tuple(stored(name, case.values[at]) for name, case in elementwise),
        codes=tuple(_codes(case.marks, count, classes)[at] for _, case in elementwise),
        losses=tuple(_of_all(outcome.kept, case.values[:, 0], 0.0)[asked] for case in losses),
        loss_codes=tuple(_loss_codes(case, outcome.kept)[asked] for case in losses),
    )


def _codes(marks: Marks, rows: int, classes: int) -> NDArray[np.int8]:
    codes = np.full((rows, classes), NO_KIND, np.int8)
    codes[marks.rows] = marks.kind
    return codes


def _loss_codes(case: CaseOutcome, kept: Array) -> Array:
    return _of_all(kept, _codes(case.marks, len(case.values), 1)[:, 0], NO_KIND)


def _of_all(kept: Array, values: Array, otherwise: float) -> Array:
    """Return the values of the kept rows in their places among all."""
    found = np.full(len(kept), otherwise, values.dtype)
    found[kept] = values
    return found


class RowStore:
    """Blocks of rows in the order they came, in an unnamed temporary file where they are many.

    Leaving it forgets them all.
    """

    def __init__(self) -> None:
        self._held: list[WholeRows] = []
        self._file: BinaryIO | None = None
        self._stored = 0

    def append(self, block: WholeRows) -> None:
        """Take the next block.

        Raises
        ------
        StorageError
            If there is no room for it.
        """
        self._held.append(block)
        if sum(one.nbytes for one in self._held) > IN_MEMORY:
            self._store()

    def _store(self) -> None:
        if self._file is None:
            self._file = temporary_file()
        with storing_for_now():
            for block in self._held:
                pickle.dump(block, self._file)
            self._file.flush()
        self._stored += len(self._held)
        self._held = []

    def __iter__(self) -> Iterator[WholeRows]:
        if self._file is not None:
            self._file.seek(0)
            for _ in range(self._stored):
                yield pickle.load(self._file)  # noqa: S301  (our own)
        yield from self._held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


class ChosenRows:
    """Collects, block by block, the rows asked for."""

    def __init__(self, options: Options, store: RowStore | None) -> None:
        self._asked, self._store = options.rows or ALL, store
        self._held: list[WholeRows] = []

    def add(self, found: WholeRows, seen: int) -> None:
        """Take what may be shown of one block; `seen` is how many rows there were so far."""
        first = self._asked[0]
        if first is not None and first < 0:
            # What is not among the last any more is not needed.
            self._held = [block for block in (*self._held, found) if block.stop > seen + first]
        elif self._store is None:
            self._held.append(found)
        else:
            self._store.append(found)

    def rows(self, total: int) -> Iterable[ShownRow]:
        """Return the rows to show, in their order; a store has to be open while they are read."""
        return _Asked(self._held or self._store or (), range(total)[slice(*self._asked)])

    def because(self, total: int) -> str:
        """Say which rows these are, and how many are left out."""
        return because_asked(self._asked, total)


@frozen
class _Asked:
    """Rows by their numbers; each pass reads the blocks anew."""

    blocks: Iterable[WholeRows]
    wanted: range

    def __iter__(self) -> Iterator[ShownRow]:
        for block in self.blocks:
            yield from block.among(self.wanted)
