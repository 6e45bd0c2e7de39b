"""Errors that may be too large for rows in which nothing but rounding has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Indices = NDArray[np.intp]


class Suspects:
    """Errors gathered tile by tile, to be compared with their own limits all at once."""

    def __init__(self) -> None:
        self._rows: list[Indices] = []
        self._columns: list[Indices] = []
        self._errors: list[Array] = []

    def add(self, rows: Indices, columns: Indices, errors: Array) -> None:
        """Take single errors, (some,) each."""
        if rows.size:
            self._rows.append(rows)
            self._columns.append(columns)
            self._errors.append(errors)

    def beyond(self, limits_at: Callable[[Indices, Indices], Array]) -> tuple[Indices, Indices]:
        """Return rows and columns of the errors that are above their limits."""
        if not self._rows:
            return np.empty(0, np.intp), np.empty(0, np.intp)
        rows, columns = np.concatenate(self._rows), np.concatenate(self._columns)
        above = np.concatenate(self._errors) > limits_at(rows, columns)
        return rows[above], columns[above]

    def rows_beyond(self, limits_at: Callable[[Indices, Indices], Array]) -> Indices:
        """Return the rows that hold an error above its limit, each once."""
        rows, _ = self.beyond(limits_at)
        # Without any there is no need for `unique`, which imports masked arrays.
        return np.unique(rows) if rows.size else rows
