"""Rules about results of somebody else: they are judged by what they are, not how they came to be.

The default tolerance is that of careful computation.
"""

from __future__ import annotations

from dataclasses import replace
from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.tree import tree_sum
from softmax_tool.check.apart import apart
from softmax_tool.check.careful import (
    careful_bound,
    conditions_of,
    in_ulp,
    order_slack,
    row_sum_bound,
)
from softmax_tool.check.comparison import ALWAYS_GRANTED
from softmax_tool.check.computations import rank_changes
from softmax_tool.check.disorder import drops
from softmax_tool.check.found import Findings, Found, Place, gather
from softmax_tool.check.measured import Errors
from softmax_tool.check.patterns import explained
from softmax_tool.formats import FLOAT64
from softmax_tool.formulations import GRADIENT
from softmax_tool.renderers.display import beside, full, number, ulp
from softmax_tool.tally import exact_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.bounds import Conditions
    from softmax_tool.check.measured import Measured
    from softmax_tool.check.tolerance import Tolerance
    from softmax_tool.report import CaseName
    from softmax_tool.rows import Yardsticks
    from softmax_tool.tally import Results

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


def examine_candidate(
    results: Results,
    name: CaseName,
    yardsticks: Yardsticks,
    tolerance: Tolerance,
    rules: frozenset[str],
    top: int,
) -> Measured:
    """Examine results of a block that somebody else computed."""
    quantity = results.quantity
    bound = careful_bound(yardsticks, quantity)
    errors = Errors.of(results, tolerance, in_ulp(bound, yardsticks, quantity))
    if results.is_ranked and not tolerance.is_given:
        strays = apart(results, conditions_of(yardsticks)) & results.judged.wrong
        errors = replace(errors, beyond=errors.beyond | strays)
    judged, got, lost = results.judged, results.got, errors.lost

    def furthest(row: int, column: int) -> Place:
        return _off(results, name, row, column)

    def wrong(row: int, column: int) -> Place:
        place = _off(results, name, row, column)
        why = explained(results, errors.beyond, row, column)
        return replace(place, message=f"{place.message}: {why}") if why else place

    found = {
        "ACC101": gather(errors.beyond, errors.ulp, top, wrong, errors.intolerable),
        "NAN101": gather(lost, errors.ulp, top, wrong),
        # Of a baseline; what is beyond the tolerance and what is not finite share rows.
        "BSL102": gather(errors.beyond | lost, errors.ulp, top, wrong, errors.intolerable),
    }
    if "BSL101" in rules:
        outdone = judged.counted & (errors.ulp > ALWAYS_GRANTED)
        found["BSL101"] = gather(outdone, errors.ulp, 1, furthest)
    if "RNG101" in rules and quantity != GRADIENT:
        found["RNG101"] = _out_of_range(results, name, top)
    if results.is_ranked:
        found |= dict(rank_changes(results, name, top))
        if "SUM102" in rules:
            found["SUM102"] = _row_sums(results, name, conditions_of(yardsticks), bound, top)
        if "ORD101" in rules:
            found["ORD101"] = _disorder(results, name, top)
    there = {code: part for code, part in found.items() if part is not None and code in rules}
    return errors.measured(results, np.isfinite(got), Findings(there))


def examine_ignored(
    results: Results,
    name: CaseName,
    tolerance: Tolerance,
    rules: frozenset[str],
    top: int,
) -> Measured:
    """Examine the losses or gradients of rows that are ignored: what is not 0 is wrong."""
    errors = Errors.of(results, tolerance, np.ones(results.got.shape))

    def at(row: int, column: int) -> Place:
        place = _off(results, name, row, column)
        return replace(place, message=f"{place.message}: the row's label is ignored")

    found = {
        "ACC101": gather(errors.beyond, errors.ulp, top, at),
        "NAN101": gather(errors.lost, errors.ulp, top, at),
        "BSL102": gather(errors.beyond | errors.lost, errors.ulp, top, at, errors.intolerable),
        "BSL101": gather(errors.ulp > ALWAYS_GRANTED, errors.ulp, 1, at),
    }
    there = {code: part for code, part in found.items() if part is not None and code in rules}
    return errors.measured(results, np.isfinite(results.got), Findings(there))


def _place(results: Results, row: int, column: int | None, severity: float, message: str) -> Place:
    number_ = int(results.row_numbers[row])
    if results.is_loss:
        label = None if results.columns is None else int(results.columns[row])
        return _valued(results, row, 0, Place(severity, number_, label, message))
    if column is None:
        return Place(severity, number_, None, message)
    return _valued(results, row, column, Place(severity, number_, column, message))


def _valued(results: Results, row: int, column: int, place: Place) -> Place:
    error = float(results.judged.errors[row, column])
    got, exact = float(results.got[row, column]), exact_number(results, row, column)
    return Place(place.severity, place.row, place.column, place.message, got, exact, error)


def _off(results: Results, name: CaseName, row: int, column: int) -> Place:
    error = float(results.judged.errors[row, column])
    got = float(results.got[row, column])
    text = f"{name.dtype} {name.quantity} is {beside(got, exact_number(results, row, column))}"
    if np.isfinite(got):
        text += f", {ulp(error)} ULP off"
    return _place(results, row, column, error, text)


def _out_of_range(results: Results, name: CaseName, top: int) -> Found | None:
    got = results.got
    with np.errstate(invalid="ignore"):
        if results.quantity == "softmax":
            where, limits = (got < 0) | (got > 1), "a probability lies between 0 and 1"
        elif results.quantity == "log-softmax":
            where, limits = got > 0, "a log-probability is never above 0"
        else:
            # With negative weights one may well be.
            where, limits = (got < 0) & ~(results.exact.hi < 0), "the true loss is not below 0"
    where = where & ~results.invalid
    beyond = np.maximum(-got, got - 1) if results.quantity == "softmax" else np.abs(got)

    def at(row: int, column: int) -> Place:
        text = f"{name.dtype} {name.quantity} is {number(float(got[row, column]), 9)}: {limits}"
        return _place(results, row, column, float(beyond[row, column]), text)

    return gather(where, beyond, top, at)


def _row_sums(
    results: Results, name: CaseName, c: Conditions, bound: Array, top: int
) -> Found | None:
    """Compare row sums, taken in float64 or exactly, with 1."""
    got = results.got.astype(np.float64)
    with np.errstate(all="ignore"):
        if results.quantity != "softmax":
            got = np.exp(got)
        total = _exactly_summed(got) if results.target == FLOAT64 else tree_sum(got)
        off, allowed = np.abs(total - 1), row_sum_bound(c, results.quantity, bound)
        where = (off > allowed) & ~results.invalid & np.isfinite(total)

    def at(row: int, _: int) -> Place:
        what = "probabilities" if results.quantity == "softmax" else "exp of the log-probabilities"
        text = (
            f"{name.dtype} {what} of the row sum to {full(float(total[row, 0]))}, off 1 by "
            f"{number(float(off[row, 0]), 3)}; rounding explains "
            f"{number(float(allowed[row, 0]), 3)}"
        )
        return _place(results, row, None, float(off[row, 0]), text)

    return gather(where, off, top, at)


def _exactly_summed(values: Array) -> Array:
    return np.array([[fsum(row) if np.isfinite(row).all() else np.nan] for row in values])


def _disorder(results: Results, name: CaseName, top: int) -> Found | None:
    """Find results that are smaller than that of a smaller logit, by more than rounding explains.

    Shifts, sums and roundings keep the order; exp and a quotient may each be off.
    """
    x, got = results.rows.logits, results.got.astype(np.float64)
    counted = results.judged.counted & np.isfinite(got)
    slack = order_slack(results.target, results.quantity)
    dropped = drops(x, got, counted, slack, 2 * results.target.smallest_subnormal)

    def at(row: int, column: int) -> Place:
        smaller = (x[row] < x[row, column]) & counted[row]
        other = int(np.where(smaller, got[row], -np.inf).argmax())
        text = (
            f"{name.dtype} {name.quantity} is {number(float(got[row, column]))} for logit "
            f"{number(float(x[row, column]))}, less than {number(float(got[row, other]))} for "
            f"{number(float(x[row, other]))} in column {other}"
        )
        return _place(results, row, column, float(dropped[row, column]), text)

    return gather(dropped > 0, dropped, top, at)
