"""What is noticed while text is read: how much it was, and which numbers float64 lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softmax_tool.readers.source import InputOverflow

MOST_OVERFLOWS_KEPT = 100


class ReadLog:
    """How much text has been read, and finite numbers in it beyond float64: the first, and all."""

    def __init__(self) -> None:
        self.characters = 0
        self.kept: list[InputOverflow] = []
        self.count = 0

    def extend(self, other: ReadLog) -> None:
        """Count all of another log."""
        self.characters += other.characters
        self.count += other.count
        self.kept.extend(other.kept[: MOST_OVERFLOWS_KEPT - len(self.kept)])

    def clear(self) -> None:
        """Forget all."""
        self.characters = 0
        self.kept.clear()
        self.count = 0

    def add(self, overflow: InputOverflow) -> None:
        """Count one, and keep it while there are few."""
        self.count += 1
        if len(self.kept) < MOST_OVERFLOWS_KEPT:
            self.kept.append(overflow)
