"""Every trap: kind, step, operand, limit, column of each element, from the independent oracle."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.blocks import judge_case
from softmax_tool.kinds import KINDS, NO_KIND
from softmax_tool.plan import Options, ieee_formats, plan
from softmax_tool.readers import from_arrays
from softmax_tool.tally import finding
from tests.golden import rows
from tests.golden.words import load, words

if TYPE_CHECKING:
    from softmax_tool.report import Finding
    from softmax_tool.tally import Results

TRAPS = load("traps")["traps"]


def judged(trap: dict[str, Any], result: dict[str, Any]) -> Results:
    """Run one case on one row through the package."""
    x = np.array([rows.logits(trap["row"])])
    weights = trap.get("weights")
    options = Options(
        dtypes=(result["dtype"],),
        ops=(result["quantity"],),
        formulations=(result["formulation"],),
        arithmetics=(result["arithmetic"],),
        weights=None if weights is None else np.array([float.fromhex(w) for w in weights]),
        label_smoothing=float.fromhex(trap.get("smoothing", "0x0.0p+0")),
    )
    labels = np.array([result["label"]]) if "label" in result else None
    source = from_arrays(x, labels)
    return judge_case(
        next(iter(source.blocks(1))), plan(source, options, ieee_formats, None), options
    )


def differences(results: Results, element: dict[str, Any]) -> list[str]:
    """Say in what an element is not as the oracle has it."""
    column = 0 if results.is_loss else element["column"]
    code = results.judged.kind[0, column]
    kind = KINDS[code] if code != NO_KIND else None
    found = []
    got = words(results.target.stored(results.got[0, column : column + 1]))
    if got != element["got"]:
        found.append(f"got {got}, not {element['got']}")
    if kind != element["kind"]:
        return [*found, f"kind {kind}, not {element['kind']}"]
    if kind is None:
        return found
    if bool(results.judged.unavoidable[0, column]) != element["unavoidable"]:
        found.append("unavoidable")
    if element["unavoidable"]:
        return found
    mine: Finding = finding(results, 0, column)
    if mine.origin is None:
        return [*found, "no origin"]
    if element["step"] is None:
        return found
    if mine.origin.step != element["step"]:
        found.append(f"step {mine.origin.step}, not {element['step']}")
    if mine.origin.column != element["origin_column"]:
        found.append(f"column {mine.origin.column}, not {element['origin_column']}")
    for name in ("operand", "limit"):
        value, expected = getattr(mine.origin, name), element[name]
        if not isinstance(value, Decimal) and value.hex() != float.fromhex(expected).hex():
            found.append(f"{name} {value}, not {float.fromhex(expected)}")
    if mine.propagated != element["propagated"]:
        found.append(f"propagated {mine.propagated}")
    return found


@pytest.mark.parametrize("trap", TRAPS, ids=lambda t: t["id"])
def test_trap(trap: dict[str, Any]) -> None:
    wrong = []
    for result in trap["results"]:
        results = judged(trap, result)
        case = "/".join(result[k] for k in ("quantity", "formulation", "dtype", "arithmetic"))
        for element in result["elements"]:
            wrong += [f"{case}[{element['column']}]: {d}" for d in differences(results, element)]
    assert not wrong, "\n".join(wrong)
