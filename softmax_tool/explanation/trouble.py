"""Where each way through a row goes wrong: the operand, the limit it crossed, and what mends it."""

from __future__ import annotations

from decimal import Context, Decimal
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.explanation.report import Trouble
from softmax_tool.explanation.truth import number
from softmax_tool.formulations import GRADIENT
from softmax_tool.kinds import KINDS, NO_KIND
from softmax_tool.renderers import display
from softmax_tool.tally import finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from softmax_tool.explanation.steps import Name
    from softmax_tool.explanation.trials import Trials
    from softmax_tool.explanation.truth import TrueValue, Truth
    from softmax_tool.report import Finding, Number, Origin
    from softmax_tool.tally import Results

_EXACTLY = Context(prec=2400)


def troubles(
    ways: Mapping[Name, Results], truth: Truth, label: int | None, trials: Trials
) -> Iterator[Trouble]:
    """Yield what goes wrong on each way: the worst kind of it, at the label or its first class.

    That an entry of a gradient is too small for the format goes without saying: so is its softmax.
    """
    for name, results in ways.items():
        column = worst_column(results, label)
        if column is None or (name[0] == GRADIENT and results.judged.unavoidable[0, column]):
            continue
        true = _true(truth, name[0], column, label)
        yield _trouble(name, results, column, true, trials.repair(name, results, column))


def worst_column(results: Results, label: int | None) -> int | None:
    """Return the element that shows what is worst, None where nothing is wrong.

    Avoidable comes before unavoidable, then the order of the kinds, the label, the element's own
    events before those of others, and the first class.
    """
    kind = results.judged.kind[0].astype(np.int64)
    columns = np.flatnonzero(kind != NO_KIND)
    if not columns.size:
        return None
    unavoidable = results.judged.unavoidable[0]
    severity = kind[columns] + len(KINDS) * unavoidable[columns]
    worst = columns[severity == severity.min()]
    if label in worst:
        return label
    traced = results.judged.traced
    if traced is not None and traced.place[0] >= 0:
        numbers = traced.causes.at(np.zeros(len(worst), np.intp), worst).numbers[:, 0]
        own = traced.causes.column_of(numbers) == worst + 1
        worst = worst[own] if own.any() else worst
    return int(worst[0])


def _true(truth: Truth, quantity: str, column: int, label: int | None) -> TrueValue:
    """Return the true value of a result."""
    if quantity == GRADIENT and label is not None:
        return truth.gradient(column, label)
    return truth.probability(column) if quantity == "softmax" else truth.log_probability(column)


def _apart(got: float, true: TrueValue) -> tuple[str, str]:
    """Print a result and its true value so that they differ, 1 less what that is short of it."""
    if true.number_minus_one is None:
        return display.apart(got, true.number)
    return display.on_board(got), display.near_one(true.number, true.number_minus_one)


def _trouble(name: Name, results: Results, column: int, true: TrueValue, repair: str) -> Trouble:
    found = finding(results, 0, column)
    kind = found.kind or ""
    unavoidable = bool(results.judged.unavoidable[0, column])
    origin = found.origin
    compared = origin is not None and _is_limit(origin.limit) and _is_event(results, column)
    gap = _margin(origin) if origin is not None and compared else None
    return Trouble(
        quantity=name[0],
        formulation=name[1],
        kind=kind,
        unavoidable=unavoidable,
        column=column,
        step="" if origin is None else origin.step,
        at_column=None if origin is None else origin.column,
        operand=None if origin is None else origin.operand,
        limit=None if origin is None else origin.limit,
        margin=gap,
        said=_said(name, found, column, true, unavoidable=unavoidable),
        why=_why(found, kind, column, gap, true, unavoidable=unavoidable),
        repair=repair,
    )


def _is_limit(limit: Number) -> bool:
    """Tell a limit, which is never 0 or infinite, from the second of two that gave no number."""
    return isfinite(limit) and limit != 0


def _is_event(results: Results, column: int) -> bool:
    """Tell a limit that was crossed from the half ULP of an operand that is merely rounded."""
    traced = results.judged.traced
    if traced is None:
        return False
    events = traced.causes.at(traced.place[:1], np.array([column]))
    return bool(events.classes[0, 0] >= 0)


def _margin(origin: Origin) -> Number:
    """How far an operand is beyond its limit, exactly."""
    if not isfinite(origin.operand):
        return float("inf")
    return number(_EXACTLY.subtract(Decimal(origin.operand), Decimal(origin.limit)).copy_abs())


def _said(name: Name, found: Finding, column: int, true: TrueValue, *, unavoidable: bool) -> str:
    """Tell which element is wrong, and what it should be."""
    got, exact = _apart(found.got, true)
    what = f"{title_of(name)} of class {column} is {got}"
    if name[0] == GRADIENT:
        what = (
            f"the gradient of class {column} through {title_of(('log-softmax', name[1]))} is {got}"
        )
    if unavoidable:
        return f"{what}: the true value, {exact}, itself rounds to that"
    return f"{what} and should be {exact}"


def _why(
    found: Finding,
    kind: str,
    column: int,
    gap: Number | None,
    true: TrueValue,
    *,
    unavoidable: bool,
) -> str:
    """Tell in a phrase what went wrong at the step, and by what margin."""
    if unavoidable:
        got, exact = _apart(found.got, true)
        return f"in class {column} the true value, {exact}, itself rounds to {got}"
    if found.origin is None or gap is None or not isfinite(gap):
        return found.why or kind
    if gap == 0:
        return f"{found.why}; that is the limit itself"
    side = "above" if found.origin.operand > found.origin.limit else "below"
    return f"{found.why}; that is {display.number(gap)} {side} it"


def title_of(name: Name) -> str:
    """Name a way as a person would."""
    quantity, formulation = name
    if formulation.startswith("log-of-"):
        return f"log({formulation.removeprefix('log-of-')} softmax)"
    return f"{formulation} {quantity}"
