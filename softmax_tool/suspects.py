"""Errors that may be too large for rows in which nothing but rounding has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]


class Errors(NamedTuple):
    """Errors of single elements of a block; (some,) each."""

    rows: Indices
    columns: Indices
    values: Array

    def pick(self, some: Mask | Indices) -> Errors:
        """Return some of them."""
        return Errors(self.rows[some], self.columns[some], self.values[some])


_NONE = Errors(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))


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

    def parted(self, limits_at: Callable[[Indices, Indices], Array]) -> tuple[Errors, Errors]:
        """Return the errors that are above their limits, and the others."""
        if not self._rows:
            return _NONE, _NONE
        found = Errors(*map(np.concatenate, (self._rows, self._columns, self._errors)))
        above = found.values > limits_at(found.rows, found.columns)
        return found.pick(above), found.pick(~above)
