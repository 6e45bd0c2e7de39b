"""Which rows are no distribution although they were declared to be one, and why not."""

from __future__ import annotations

from math import log1p
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.tree import tree_sum
from softmax_tool.lookalike import PROBABILITIES, TOLERANCE, exponentials_sum_to_1, sum_to_1
from softmax_tool.renderers.display import count, number, plural
from softmax_tool.report import Misfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

NOT_FINITE, NEGATIVE, ABOVE, SUM = "not-finite", "negative", "above", "sum"
REASONS = (NOT_FINITE, NEGATIVE, ABOVE, SUM)
"""Why a row is none; the first that holds. Without a number there is no sum to speak of."""


def find_misfits(values: Array, start: int, kind: str) -> tuple[Misfit, ...]:
    """Return what is wrong with rows, (rows, classes), declared probabilities or their logarithms.

    `start` is the number of the first row. A reason that holds nowhere is left out.

    >>> find_misfits(np.array([[0.5, 0.5], [1.5, -0.5], [0.5, 0.25]]), 10, "probabilities")
    (Misfit(reason='negative', rows=1, row=11, worst=-0.5), \
Misfit(reason='sum', rows=1, row=12, worst=0.75))
    """
    are_probabilities = kind == PROBABILITIES
    fits = sum_to_1(values) if are_probabilities else exponentials_sum_to_1(values)
    places = np.flatnonzero(~fits)
    if not places.size:
        return ()
    with np.errstate(all="ignore"):
        wide = values[places].astype(np.float64)
        return tuple(_found(wide, places + start, are_probabilities=are_probabilities))


def _found(rows: Array, numbers: Array, *, are_probabilities: bool) -> Iterator[Misfit]:
    largest, smallest = rows.max(axis=1), rows.min(axis=1)
    odd = np.isnan(largest) | (largest == np.inf)
    negative = (smallest < 0) & ~odd & are_probabilities
    limit = 1 + TOLERANCE if are_probabilities else log1p(TOLERANCE)
    above = (largest > limit) & ~odd & ~negative
    rest = ~odd & ~negative & ~above
    if odd.any():
        yield Misfit(NOT_FINITE, int(np.count_nonzero(odd)), int(numbers[odd][0]), None)
    if negative.any():
        yield _worst(NEGATIVE, smallest[negative], -smallest[negative], numbers[negative])
    if above.any():
        yield _worst(ABOVE, largest[above], largest[above], numbers[above])
    if rest.any():
        sums = tree_sum(rows[rest] if are_probabilities else np.exp(rows[rest]))[:, 0]
        yield _worst(SUM, sums, np.abs(sums - 1), numbers[rest])


def _worst(reason: str, figures: Array, badness: Array, numbers: Array) -> Misfit:
    place = int(badness.argmax())
    return Misfit(reason, len(figures), int(numbers[place]), float(figures[place]))


def joined(mine: Iterable[Misfit], theirs: Iterable[Misfit]) -> tuple[Misfit, ...]:
    """Add up what was found in two parts of a table; the worst is the first of those that tie."""
    found: dict[str, Misfit] = {}
    for misfit in (*mine, *theirs):
        known = found.get(misfit.reason)
        found[misfit.reason] = misfit if known is None else _both(known, misfit)
    return tuple(found[reason] for reason in REASONS if reason in found)


def _both(a: Misfit, b: Misfit) -> Misfit:
    worst = min(a, b, key=lambda x: (-_badness(x), x.row))
    return Misfit(a.reason, a.rows + b.rows, worst.row, worst.worst)


def _badness(misfit: Misfit) -> float:
    if misfit.worst is None:
        return 0.0
    return abs(misfit.worst - 1) if misfit.reason == SUM else abs(misfit.worst)


def described(misfits: Sequence[Misfit], rows: int, kind: str) -> str:
    """Say how many of `rows` rows are no distribution, why not, and where the worst are.

    >>> described((Misfit("negative", 1, 19, -0.5),), 20, "probabilities")
    '1 of 20 rows is no distribution: 1 row holds a negative value (row 19: -0.5)'
    """
    wrong = sum(misfit.rows for misfit in misfits)
    verb = "is" if wrong == 1 else "are"
    reasons = "; ".join(_reason(misfit, kind) for misfit in misfits)
    return f"{count(wrong)} of {plural(rows, 'row')} {verb} no distribution: {reasons}"


def _reason(misfit: Misfit, kind: str) -> str:
    logarithms = kind != PROBABILITIES
    what = {
        NOT_FINITE: "a nan or +inf",
        NEGATIVE: "a negative value",
        ABOVE: f"a value above {0 if logarithms else 1}",
        SUM: f"{'exponentials' if logarithms else 'values'} that do not sum to 1",
    }
    said = f"{plural(misfit.rows, 'row holds', 'rows hold')} {what[misfit.reason]}"
    which = "" if misfit.rows == 1 else "first in " if misfit.worst is None else "worst in "
    figure = "" if misfit.worst is None else f": {number(misfit.worst)}"
    return f"{said} ({which}row {misfit.row}{figure})"
