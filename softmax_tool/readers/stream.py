"""Rows that come in blocks of any size, handed out in portions of a given size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(slots=True)
class RowStream:
    """The rows of some blocks, in order; how many were `taken`."""

    blocks: Iterator[Array]
    taken: int = 0
    rest: Array | None = None

    def take(self, count: int) -> Array:
        """Return the next rows in an array of their own, fewer only at the end."""
        parts: list[Array] = []
        missing = count
        while missing:
            part = self.rest if self.rest is not None else next(self.blocks, None)
            if part is None:
                break
            parts.append(part[:missing])
            self.rest = part[missing:] if len(part) > missing else None
            missing -= len(parts[-1])
        self.taken += count - missing
        return np.concatenate(parts) if parts else np.empty(0)

    def left(self) -> int:
        """Count what was not handed out."""
        rest = 0 if self.rest is None else len(self.rest)
        return rest + sum(len(part) for part in self.blocks)
