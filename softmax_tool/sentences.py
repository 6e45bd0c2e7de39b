"""Findings and results as plain sentences: why an element is wrong, and what to do about it.

Every number in them is one of the report; a number becomes text in `renderers.display` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.renderers.display import full, number

if TYPE_CHECKING:
    from softmax_tool.formats import FloatFormat
    from softmax_tool.report import Origin


def why(
    kind: str | None, origin: Origin | None, operation: str | None, target: FloatFormat
) -> str:
    """Return one phrase on why an element is wrong.

    `operation` is the name of the operation that `origin` is about, as an arithmetic calls it.
    """
    if kind is None:
        return "rounding, within the bound"
    if origin is None or operation is None:
        return ""
    operand, limit = number(origin.operand), _edge(origin.limit)
    where = "" if origin.column is None else f" in column {origin.column}"
    if kind == "stalled-sum":
        if origin.column is None:
            return f"the running sum misses its addends by {operand}, more than {limit}"
        return f"adding {operand}{where} leaves the running sum as it was: half its ULP is {limit}"
    if operation in {"exp", "log", "log1p"} and kind in _CROSSED_BY_EXP:
        return f"{operation}({operand}){where} {_CROSSED_BY_EXP[kind].format(limit, target.name)}"
    return f"{_EXPRESSION[operation]} {operand}{where}: {_reason(kind, operation, limit, target)}"


def _edge(limit: object) -> str:
    """Print a limit in full where it is a float: the edges of a format differ in the last digits."""
    return full(limit) if isinstance(limit, float) else str(limit)


_CROSSED_BY_EXP = {
    "overflow": "overflows: {1} does from {0} on",
    "underflow": "is 0: {1} gives 0 up to {0}",
    "zero-denominator": "is 0, and so is every other: {1} gives 0 up to {0}",
    "log-of-zero": "is 0, and log(0) = -inf: {1} gives 0 up to {0}",
    "subnormal": "is subnormal and loses bits: {1} does up to {0}",
}

_EXPRESSION = {
    "exp": "exp of",
    "log": "log of",
    "log1p": "log1p of",
    "sum": "sum",
    "divide": "quotient",
    "add": "sum",
    "subtract": "difference",
    "multiply": "product",
    "maximum": "probability",
}


def _reason(kind: str, operation: str, limit: str, target: FloatFormat) -> str:
    if kind == "overflow":
        return f"beyond {limit}, the largest {target.name}"
    if operation == "maximum":
        return f"raised to {limit} by the clamp"
    if kind == "absorbed":
        if operation == "divide":
            return f"rounds to 1, as from {limit} on"
        return f"lost beside a term whose half ULP is {limit}"
    if kind in {"underflow", "zero-denominator", "log-of-zero"}:
        return f"rounds to 0, as up to {limit}"
    if kind == "subnormal":
        return f"below {limit}, the smallest normal {target.name}: loses bits"
    return f"rounded with half an ULP of {limit}"


def verdict(*_: object) -> tuple[str, ...]:
    return ()
