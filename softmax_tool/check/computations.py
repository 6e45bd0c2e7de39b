"""Rules about a formulation: what each kind of trouble is called, and where it began."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic import working_format
from softmax_tool.check.found import Findings, Found, Place, gather
from softmax_tool.check.measured import Errors
from softmax_tool.check.rules import GIVEN
from softmax_tool.formulations import GRADIENT
from softmax_tool.kinds import KINDS, NO_KIND
from softmax_tool.renderers.display import beside, full, number, ulp
from softmax_tool.tally import finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.check.measured import Measured
    from softmax_tool.check.work import Work
    from softmax_tool.formats import FloatFormat
    from softmax_tool.report import CaseName, Finding
    from softmax_tool.tally import Results

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

_CODE = {kind: code for code, kind in enumerate(KINDS)}
_OVERFLOW_AT = {"exp": "OVF101", "sum": "OVF102"}
# Formulations that take exp of the logits as they are.
_RAW = ("naive", "log-of-naive", "naive-lse")


def examine_computation(results: Results, name: CaseName, bound: Array, task: Work) -> Measured:
    """Examine the results of one formulation on one block.

    However few rules are selected, a result that is not finite, and not the exact value in the
    format, does not pass, unless NAN101 is ignored by name; nor one beyond the tolerance where that
    is looked for. `bound` is the a-priori bound of each element, in ULP.
    """
    rules, tolerated, top = task.rules, task.tolerated, task.options.top
    errors = Errors.of(results, task.tolerance, bound)
    masks = dict(_masks(results, errors))
    lost = _outside(errors.lost, [masks[code] for code in masks.keys() & rules])
    catching = next((code for code in ("NAN101", "ACC101") if code in rules), None)
    if catching is not None and lost.any():
        masks[catching] = masks.get(catching, False) | lost
    if catching is not None or "NAN101" in tolerated:
        lost = np.zeros_like(lost)
    if "ACC101" in rules:
        # Whatever goes by another name is still inaccurate where nobody asks for that name.
        named = [masks[code] for code in masks.keys() & (rules | tolerated)]
        masks["ACC101"] = masks.get("ACC101", False) | _outside(errors.beyond, named)
    decided = np.zeros(results.got.shape, bool)
    for code in ("ACC101", "UND101", "UND102", "ABS101", "ABS102"):
        decided |= masks.get(code, False)
    decided |= (results.judged.kind == NO_KIND) | _is(results, "silent-error", "subnormal")
    found: dict[str, Found] = {}
    for code, where in masks.items():
        part = _gather(code, where, results, errors, name, top) if code in rules else None
        if part is not None:
            found[code] = part
    if results.is_ranked and rules & {"RNK101", "RNK102"}:
        found |= {code: part for code, part in rank_changes(results, name, top) if code in rules}
    if "HDR101" in rules and name.formulation in _RAW:
        part = _headroom(results, name, task.headroom, top)
        if part is not None:
            found["HDR101"] = part
    measured = errors.measured(results, decided, Findings(found))
    return replace(measured, overlooked=int(np.count_nonzero(lost)))


def _outside(where: Mask, masks: list[Mask]) -> Mask:
    """Return the elements that are in none of the other masks."""
    left = where.copy()
    for mask in masks:
        left &= ~mask
    return left


def _is(results: Results, *kinds: str) -> Mask:
    found = np.zeros(results.got.shape, bool)
    for kind in kinds:
        found |= results.judged.kind == _CODE[kind]
    return found


def _masks(results: Results, errors: Errors) -> Iterator[tuple[str, Mask]]:
    """Yield the elements of each rule that is about elements; a kind that did not occur has none.

    What is 0 or merely inaccurate is judged by the tolerance; a step that overflowed, a division of
    zeros, a logarithm of 0 and a sum that stalled are wrong whatever came of them.
    """
    judged = results.judged
    occurred = {code for code in _CODE.values() if (judged.kind == code).any()}
    if _CODE["overflow"] in occurred:
        yield from _overflows(results)
    for kind, code in (
        ("zero-denominator", "DEN101"),
        ("log-of-zero", "LOG101"),
        ("stalled-sum", "SUM101"),
    ):
        if _CODE[kind] in occurred:
            yield code, _is(results, kind)
    if {_CODE["nan"], _CODE["inf"]} & occurred:
        yield "NAN101", _is(results, "nan", "inf")
    results_beyond = judged.counted & ~judged.wrong & ~np.isfinite(results.got)
    results_beyond &= ~results.exact.infinite & ~np.isnan(results.exact.hi)
    if results_beyond.any():
        yield "OVF104", results_beyond
    zeros = np.zeros(results.got.shape, bool)
    if {_CODE["absorbed"], _CODE["underflow"]} & occurred:
        zeros = _is(results, "absorbed", "underflow")
        probability = results.quantity == "softmax"
        yield "UND101" if probability else "ABS101", zeros & errors.beyond
        within = zeros & ~errors.beyond
        yield (("UND102", within) if probability else ("ABS102", within & ~judged.unavoidable))
    if _CODE["subnormal"] in occurred:
        yield "UND103", _is(results, "subnormal")
    if errors.beyond.any():
        yield "ACC101", errors.beyond & ~zeros & ~_is(results, "stalled-sum", "overflow")


def _overflows(results: Results) -> Iterator[tuple[str, Mask]]:
    """Tell overflows by the step at which they began."""
    here, traced = _is(results, "overflow"), results.judged.traced
    rows, columns = np.nonzero(here)
    steps = np.full(rows.size, "", dtype="U16")
    if traced is not None:
        causes = traced.causes
        operations = causes.events.numbers[traced.place[rows], columns] // causes.stride
        names = np.array([operation.step for operation in causes.tracing.tape], dtype="U16")
        steps = names[operations]
    codes = np.array([_OVERFLOW_AT.get(str(step), "OVF103") for step in steps], dtype="U6")
    for code in np.unique(codes):
        mask = np.zeros_like(here)
        mask[rows[codes == code], columns[codes == code]] = True
        yield str(code), mask


def _gather(
    code: str, where: Mask, results: Results, errors: Errors, name: CaseName, top: int
) -> Found | None:
    # What is unavoidable has no origin, though its row may have been traced.
    untraced = replace(results, judged=replace(results.judged, traced=None))

    def at(row: int, column: int) -> Place:
        known = untraced if results.judged.unavoidable[row, column] else results
        return _place(code, finding(known, row, column), name, results.target)

    return gather(where, errors.ulp, top, at, errors.intolerable)


def _place(code: str, found: Finding, name: CaseName, target: FloatFormat) -> Place:
    """Describe one element; one that only received what went wrong elsewhere, by that place."""
    column, origin = found.column, found.origin
    if code in {"OVF101", "OVF102", "DEN101"} and origin is not None:
        column = origin.column if code == "OVF101" else None
        if code == "OVF101":
            largest = number(working_format(name.arithmetic, target).max_finite)
            message = (
                f"{name.dtype} exp({number(origin.operand)}) > {largest} "
                f"(limit {full(float(origin.limit))})"
            )
        elif code == "OVF102":
            message = (
                f"{name.dtype} sum {number(origin.operand)} > {number(origin.limit)}, though every "
                f"term is finite: {_what(name)} is {number(found.got)}"
            )
        elif name.quantity == GRADIENT:
            message = f"{name.dtype} 0/0 in {_what(name)}: {found.why}"
        else:
            message = f"{name.dtype} every exponential is 0: 0/0 in {_what(name)}"
    else:
        message = f"{name.dtype} {_what(name)} is {beside(found.got, found.exact)}"
        if code == "OVF104":
            message += f": beyond {number(target.max_finite)}, the largest {name.dtype}"
        else:
            message += f", {ulp(found.ulp)} ULP off"
        if found.why and found.kind is not None:
            message += f": {found.why}"
    return Place(found.ulp, found.row, column, message, found.got, found.exact, found.ulp)


def _what(name: CaseName) -> str:
    return name.quantity if name.formulation == GIVEN else f"{name.formulation} {name.quantity}"


def rank_changes(results: Results, name: CaseName, top: int) -> Iterator[tuple[str, Found]]:
    """Yield rows whose largest results are elsewhere than the largest exact values."""
    got, rounded = results.got, results.judged.rounded
    with np.errstate(invalid="ignore"):
        mine = got == got.max(axis=1, keepdims=True)
        true = rounded == rounded.max(axis=1, keepdims=True)
    comparable = mine.any(axis=1) & ~results.invalid[:, 0]
    differs = (mine != true).any(axis=1) & comparable
    moved = differs & ~(mine & true).any(axis=1)
    for code, rows in (("RNK101", moved), ("RNK102", differs & ~moved)):

        def at(row: int, _: int) -> Place:
            largest, exact = _columns(mine[row]), _columns(true[row])
            text = (
                f"{name.dtype} {_what(name)} is largest in {largest}, the exact values in {exact}"
            )
            return Place(0.0, int(results.row_numbers[row]), None, text)

        part = gather(rows[:, None], np.zeros((len(got), 1)), top, at)
        if part is not None:
            yield code, part


def _columns(mask: Mask) -> str:
    columns = [str(column) for column in np.flatnonzero(mask)[:4]]
    more = np.count_nonzero(mask) - len(columns)
    noun = "column" if len(columns) == 1 else "columns"
    return f"{noun} {', '.join(columns)}" + (f" and {more} more" if more else "")


def _headroom(results: Results, name: CaseName, margin: float, top: int) -> Found | None:
    threshold = working_format(name.arithmetic, results.target).overflow_threshold
    limit = log(threshold.numerator) - log(threshold.denominator)
    lse = results.rows.reference.lse
    left = limit - lse
    overflowed = _is(results, "overflow").any(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        where = (left < margin) & ~overflowed & ~results.invalid

    def at(row: int, _: int) -> Place:
        text = (
            f"{name.dtype} the sum of exponentials is {number(float(left[row, 0]), 3)} from "
            f"overflow (log-sum-exp {number(float(lse[row, 0]))}, limit {number(limit)})"
        )
        return Place(-float(left[row, 0]), int(results.row_numbers[row]), None, text)

    return gather(where, -left, top, at)
