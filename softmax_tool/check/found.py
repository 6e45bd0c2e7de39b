"""What rules found so far: frozen values that add, in any order and grouping to the same bits."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_any
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from softmax_tool.report import Number

    Mask = NDArray[np.bool_]


@frozen
class Place:
    """One place where a rule found something, with what there is to say of it."""

    severity: float  # the larger the worse; an error in ULP where there is one
    row: int | None
    column: int | None
    message: str
    got: float | None = None
    exact: Number | None = None
    ulp: float | None = None

    @property
    def order(self) -> tuple[float, int, int, str]:
        """Worst first, then by place."""
        row = -1 if self.row is None else self.row
        column = -1 if self.column is None else self.column
        return -self.severity, row, column, self.message


@frozen
class Found:
    """How often one rule found something, and the worst places.

    `intolerable` are those of the elements that no tolerance passes and no budget covers.
    """

    top: int
    elements: int = 0
    rows: int = 0
    worst: tuple[Place, ...] = ()
    intolerable: int = 0

    def __add__(self, other: Found) -> Found:
        top = max(self.top, other.top)
        return Found(
            top,
            self.elements + other.elements,
            self.rows + other.rows,
            worst_of((*self.worst, *other.worst), top),
            self.intolerable + other.intolerable,
        )


def worst_of(places: Iterable[Place], top: int) -> tuple[Place, ...]:
    """Return the `top` worst places, worst first."""
    return tuple(sorted(places, key=lambda place: place.order)[:top])


@frozen
class Findings:
    """What every rule found, by code; a rule that is not there found nothing."""

    by_code: Mapping[str, Found] = field(default_factory=dict)

    def __add__(self, other: Findings) -> Findings:
        total = dict(self.by_code)
        for code, found in other.by_code.items():
            total[code] = total[code] + found if code in total else found
        return Findings(total)


def gather(
    where: Mask,
    severity: NDArray[Any],
    top: int,
    place: Callable[[int, int], Place],
    intolerable: Mask | None = None,
) -> Found | None:
    """Return what a rule found in a block: the elements of a mask; None where there are none.

    Of each row the worst element is listed, the first of equals.

    Parameters
    ----------
    where : bool array, shape (rows, columns)
        The elements that were found.
    severity : array of the same shape
        How bad each of them is.
    top : int
        How many are listed.
    place : callable
        Describes the element in a row and column of the block.
    intolerable : bool array, shape (rows, columns), optional
        The elements that no tolerance passes; by default none.
    """
    rows = np.flatnonzero(row_any(where))
    if not rows.size:
        return None
    worst = np.where(where[rows], severity[rows], -np.inf)
    columns = worst.argmax(axis=1)
    order = np.argsort(-worst[np.arange(rows.size), columns], kind="stable")[:top]
    listed = [place(int(rows[i]), int(columns[i])) for i in order]
    never = 0 if intolerable is None else int(np.count_nonzero(where & intolerable))
    elements = int(np.count_nonzero(where))
    return Found(top, elements, int(rows.size), worst_of(listed, top), never)
