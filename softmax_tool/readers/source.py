"""What every reader returns: a `Source` that hands out whole rows in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.readers.log import ReadLog
    from softmax_tool.readers.portions import Portion


@frozen
class Block:
    """Consecutive whole rows of one table.

    Attributes
    ----------
    start : int
        Global number of the first row, over all shards.
    logits : array, shape (rows, classes)
        C-contiguous, read-only, native byte order, in the stored dtype: float16, float32,
        float64, or a signed integer; float64 for text.
    labels : array or None
        Shape (rows,), int64: class indices. Or shape (rows, classes), float64: probabilities.
    """

    start: int
    logits: NDArray[Any]
    labels: NDArray[Any] | None


@frozen
class InputOverflow:
    """A number in a text file that is finite as written but beyond float64.

    `line` counts from 1, as editors do, `column` from 0; `text` is the cell as written.
    """

    path: str
    line: int
    column: int
    text: str


class Source(Protocol):
    """A table of logits, with or without labels, that is read once, in blocks.

    `shape` is the logical shape in the file's own axis order (class axis where `axis` says);
    for a text file or a stream its row count is known only after the last block, and None before.
    `label_kind` is "classes", "probabilities" or None. `label_paths` are the files (or
    `PATH:COLUMN`) that the labels came from. `overflows` grows while blocks are read, up to the
    first 100; `overflow_count` counts them all. `read_fraction` is how much of text files of known
    size has been read; None of anything else. `elements` is about how many numbers there are, as
    far as is known beforehand. `stored_dtype` is "text" for a text file.
    `column_names` is the header of a text file, without the label column; None without one.
    """

    @property
    def paths(self) -> tuple[str, ...]: ...
    @property
    def classes(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...] | None: ...
    @property
    def axis(self) -> int: ...
    @property
    def stored_dtype(self) -> str: ...
    @property
    def label_kind(self) -> str | None: ...
    @property
    def label_paths(self) -> tuple[str, ...]: ...
    @property
    def overflows(self) -> tuple[InputOverflow, ...]: ...
    @property
    def overflow_count(self) -> int: ...
    @property
    def read_fraction(self) -> float | None: ...
    @property
    def elements(self) -> int | None: ...
    @property
    def column_names(self) -> tuple[str, ...] | None: ...

    def blocks(self, rows: int) -> Iterator[Block]:
        """Yield every row once, in order, at most `rows` at a time."""

    def portions(self, rows: int) -> Iterator[Portion]:
        """Yield every row once, in order, about `rows` at a time, some perhaps not read yet."""

    def note(self, noticed: ReadLog) -> None:
        """Add what was noticed while a portion was read to `overflows`."""
