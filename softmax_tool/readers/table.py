"""The tables behind a `Source`: parts (files, arrays) one below the other, labels beside them."""

from __future__ import annotations

from contextlib import ExitStack
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from softmax_tool.errors import InputError, UsageError
from softmax_tool.readers.labels import Feed
from softmax_tool.readers.log import ReadLog
from softmax_tool.readers.portions import Portion, ReadRows
from softmax_tool.readers.shown import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from softmax_tool.readers.labels import Labels
    from softmax_tool.readers.portions import Rows
    from softmax_tool.readers.source import Block, InputOverflow

    Chunk = tuple[NDArray[Any], NDArray[Any] | None]

_Item = TypeVar("_Item")
_CHARACTERS_OF_A_NUMBER = 9


class Part(Protocol):
    """One file or array: rows of logits, and labels where these are a column of it."""

    @property
    def path(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...] | None: ...
    @property
    def axis(self) -> int: ...
    @property
    def classes(self) -> int: ...
    @property
    def single_row(self) -> bool: ...
    @property
    def stored_dtype(self) -> str: ...
    @property
    def column_names(self) -> tuple[str, ...] | None: ...
    @property
    def label_path(self) -> str | None: ...
    @property
    def text_bytes(self) -> int | None:
        """Bytes of a text file whose size is known."""

    def chunks(self, rows: int, log: ReadLog) -> Iterator[Chunk]:
        """Yield all rows in order, at most `rows` at a time, in fresh read-only buffers."""

    def portions(self, rows: int, log: ReadLog) -> Iterator[Rows]:
        """Yield all rows in order, about `rows` at a time, read or not; how many is known."""


class Table:
    """A `Source` over parts that fit each other, and their labels: none, one, or one for each."""

    def __init__(self, parts: Sequence[Part], labels: Sequence[Labels] = ()) -> None:
        self._parts = tuple(parts)
        self._labels = tuple(labels)
        self._name = joint_name(parts)
        self._shape = joint_shape(parts)
        self._log = ReadLog()

    @property
    def paths(self) -> tuple[str, ...]:
        """The files, as the caller named them."""
        return tuple(part.path for part in self._parts)

    @property
    def classes(self) -> int:
        """How many classes."""
        return self._parts[0].classes

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The logical shape over all shards; None before the rows of a text file are counted."""
        return self._shape

    @property
    def axis(self) -> int:
        """The class axis, not negative."""
        return self._parts[0].axis

    @property
    def stored_dtype(self) -> str:
        """Name of the dtype the logits are stored in, or "text"."""
        return self._parts[0].stored_dtype

    @property
    def column_names(self) -> tuple[str, ...] | None:
        """The header of a text file, without the label column."""
        named = (part.column_names for part in self._parts)
        return next((names for names in named if names is not None), None)

    @property
    def label_kind(self) -> str | None:
        """Whether labels are "classes" or "probabilities"; None where there are none."""
        if self._labels:
            return self._labels[0].kind
        return "classes" if self._parts[0].label_path is not None else None

    @property
    def label_paths(self) -> tuple[str, ...]:
        """The files, or `PATH:COLUMN`, that hold the labels."""
        columns = tuple(part.label_path for part in self._parts if part.label_path is not None)
        return tuple(each.path for each in self._labels) or columns

    @property
    def overflows(self) -> tuple[InputOverflow, ...]:
        """The first numbers that were finite as text and are not in float64."""
        return tuple(self._log.kept)

    @property
    def overflow_count(self) -> int:
        """How many such numbers there were in the rows read so far."""
        return self._log.count

    @property
    def read_fraction(self) -> float | None:
        """How much of the text files has been read; None where there is none of known size."""
        sizes = [part.text_bytes for part in self._parts]
        known = [size for size in sizes if size is not None]
        return self._log.characters / sum(known) if known == sizes else None

    @property
    def elements(self) -> int | None:
        """About how many numbers there are; None where that shows only at the end."""
        if self._shape is not None:
            return prod(self._shape)
        sizes = [part.text_bytes for part in self._parts]
        known = [size for size in sizes if size is not None]
        return sum(known) // _CHARACTERS_OF_A_NUMBER if known == sizes else None

    def note(self, noticed: ReadLog) -> None:
        """Add what was noticed while a portion was read."""
        self._log.extend(noticed)

    def blocks(self, rows: int) -> Iterator[Block]:
        """Yield every row once, in order, at most `rows` at a time.

        Raises
        ------
        InputError
            The input is malformed, or there are not as many labels as rows.
        """
        if rows < 1:
            raise ValueError(f"blocks of {rows} rows")

        def read(part: Part) -> Iterator[Rows]:
            return (ReadRows(*chunk) for chunk in part.chunks(rows, self._log))

        for portion in self._with_labels(read):
            yield portion.read()[0]

    def portions(self, rows: int) -> Iterator[Portion]:
        """Yield every row once, in order, about `rows` at a time, some perhaps not read yet.

        Raises
        ------
        InputError
            As `blocks`, but for what only reading a portion tells.
        """
        return self._with_labels(lambda part: part.portions(rows, self._log))

    def _with_labels(self, rows_of: Callable[[Part], Iterator[Rows]]) -> Iterator[Portion]:
        self._log.clear()
        start = 0
        with ExitStack() as stack:
            feeds = [Feed(labels, _closed_by(stack, labels.chunks())) for labels in self._labels]
            # Labels in one file run over all parts; otherwise each part has its own.
            shared = len(feeds) == 1
            for place, part in enumerate(self._parts):
                feed = feeds[0 if shared else place] if feeds else None
                part_start = start
                for rows in _closed_by(stack, rows_of(part)):
                    assert rows.count is not None  # noqa: S101  (else they would have been read)
                    labels = None if feed is None else feed.take(rows.count)
                    # Where labels run out, the rows are still counted, for the message.
                    if labels is None or len(labels) == rows.count:
                        yield Portion(start, rows, labels)
                    start += rows.count
                if feed is not None and not shared:
                    feed.check_end(part.name, start - part_start)
            if shared:
                feeds[0].check_end(self._name, start)
        if self._shape is None:
            self._shape = (start, self.classes)


def joint_name(parts: Sequence[Part]) -> str:
    """How a message calls the whole table."""
    return parts[0].name if len(parts) == 1 else f"{parts[0].name} … {parts[-1].name}"


def joint_shape(parts: Sequence[Part]) -> tuple[int, ...] | None:
    """The shape of all parts one below the other, where it is known."""
    shapes = [part.shape for part in parts]
    if len(parts) == 1 or any(shape is None for shape in shapes):
        return shapes[0]
    known = [shape for shape in shapes if shape is not None]
    return (sum(shape[0] for shape in known), *known[0][1:])


def check_parts(parts: Sequence[Part]) -> None:
    """Raise unless the parts agree in all but the length of their first axis.

    Raises
    ------
    InputError
        Two parts differ in dtype, rank, classes or header.
    UsageError
        The first axis is that of the classes.
    """
    if len(parts) == 1:
        return
    first = parts[0]
    for part in parts:
        if part.axis == 0:
            raise UsageError(
                f"{part.name}: its first axis is that of the classes, and several files are "
                "shards along the first axis; give one file"
            )
        for what, ours, others in (
            ("holds", first.stored_dtype, part.stored_dtype),
            ("has shape", _below_first(first), _below_first(part)),
            ("has the class axis", first.axis, part.axis),
        ):
            if ours != others:
                raise InputError(
                    f"{part.name}: {what} {others}, but {first.name} {what} {ours}; "
                    "several files must be shards of one table"
                )
        names = part.column_names
        if names is not None and first.column_names is not None and names != first.column_names:
            place = next(
                place
                for place, (ours, others) in enumerate(zip(first.column_names, names, strict=True))
                if ours != others
            )
            raise InputError(
                f"{part.name}: column {place + 1} is called {quoted(names[place])}, but in "
                f"{first.name} {quoted(first.column_names[place])}; several files must be "
                "shards of one table"
            )


def _below_first(part: Part) -> str:
    lengths = (part.classes,) if part.shape is None else part.shape[1:]
    return f"(rows, {', '.join(map(str, lengths))})"


def _closed_by(stack: ExitStack, chunks: Iterator[_Item]) -> Iterator[_Item]:
    # A consumer may stop early: the files behind a generator are closed all the same.
    stack.callback(getattr(chunks, "close", lambda: None))
    return chunks
