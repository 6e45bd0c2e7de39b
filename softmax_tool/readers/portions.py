"""Rows of a table as a process is given them: read already, or still to be parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from softmax_tool.frozen import frozen
from softmax_tool.readers.log import ReadLog
from softmax_tool.readers.source import Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Rows(Protocol):
    """Some rows of one file or array, which can be pickled."""

    @property
    def count(self) -> int | None:
        """How many they are, where that is known before they are read."""

    def read(self) -> tuple[Array, Array | None, ReadLog]:
        """Return logits, labels where these are a column beside them, and what was noticed."""


@frozen
class ReadRows:
    """Rows that have been read."""

    logits: Array
    labels: Array | None = None

    @property
    def count(self) -> int:
        return len(self.logits)

    def read(self) -> tuple[Array, Array | None, ReadLog]:
        return self.logits, self.labels, ReadLog()


@frozen
class Portion:
    """Consecutive whole rows of one table; `labels` are those that are no column of it."""

    start: int
    rows: Rows
    labels: Array | None

    def read(self) -> tuple[Block, ReadLog]:
        """Return the rows, and what was noticed while they were read.

        Raises
        ------
        InputError
            They are malformed.
        """
        logits, column, noticed = self.rows.read()
        return Block(self.start, logits, column if self.labels is None else self.labels), noticed
