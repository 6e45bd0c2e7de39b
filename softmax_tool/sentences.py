"""Why an element, or a sum over rows, is wrong: the event, its operand and the limit it crossed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.renderers.display import full, number

if TYPE_CHECKING:
    from softmax_tool.formats import FloatFormat
    from softmax_tool.report import Number, Origin, ReductionEvent

ROUNDING = "rounding"  # the event of an element that no other event explains
BEYOND = "beyond"  # of one that takes more digits to explain than are looked at


def why(
    kind: str | None,
    origin: Origin | None,
    event: str,
    operation: str,
    rounded_to: FloatFormat | None,
    target: FloatFormat,
    *,
    goes_back: bool = False,
) -> str:
    """Return one phrase on why an element is wrong.

    `event` is a class of events of a trace, `ROUNDING`, or `BEYOND`; `operation` is the name of the
    operation that `origin` is about, as an arithmetic calls it; `rounded_to` is the format whose
    limit was crossed there, `target` that of the results. `goes_back` tells of a gradient.
    """
    if kind is None:
        return "rounding, within the bound"
    if origin is None:
        return "is lost beside what is larger by more than 30 digits" if event == BEYOND else ""
    what = (
        _EXPRESSION.get((operation, event))
        or _EXPRESSION.get((operation, origin.step))
        or _EXPRESSION[operation, ""]
    )
    named = what.format(number(origin.operand))
    where = "" if origin.column is None else f" in column {origin.column}"
    if event == "invalid":
        terms = f"{number(origin.operand)} {_SIGN[operation]} {number(origin.limit)}"
        return f"{terms}{where} is not a number"
    takes_argument = operation == "exp" and event in _EXP
    template = _EXP[event] if takes_argument else _EVENT[event]
    if operation in {"maximum", "where_not_below"}:
        template = "is raised to {limit} by the clamp"
    if operation == "divide" and event == "absorbed":
        template = "rounds to 1, as all do from {limit} on"
    if event == "stalled" and origin.column is None:
        named = "the running sum"
        template = f"is off by {number(origin.operand)}, a wide one by at most {{limit}}"
    name = target.name if rounded_to is None else rounded_to.name
    if takes_argument and name != target.name:
        name = f"{name}, in which it is taken,"
    reason = template.format(limit=_edge(origin.limit), name=name)
    consequence = _CONSEQUENCE.get(kind, "")
    if goes_back and kind == "zero-denominator":
        consequence = ", and is divided by on the way"
    return f"{named}{where} {reason}{consequence}"


def said(event: ReductionEvent) -> str:
    """Return what a sum over rows does, after what it is a sum of."""
    if event.kind == "overflow":
        return f"overflows: {number(event.operand)} is beyond {number(event.limit)}"
    return (
        f"is off by {number(event.operand)}, in a wide accumulator by at most {number(event.limit)}"
    )


# What the operand of an origin is, by operation and event, or by operation and step.
_EXPRESSION = {
    ("exp", ""): "exp({})",
    ("log", ""): "log({})",
    ("log1p", ""): "log1p({})",
    ("sum", ""): "the sum {}",
    ("sum", "absorbed"): "the rest of the sum, {},",
    ("sum", "stalled"): "the addend {}",
    ("divide", ""): "the quotient {}",
    ("add", ""): "the sum {}",
    ("add", "lse"): "the log-sum-exp {}",
    ("subtract", ""): "the difference {}",
    ("subtract", "shift"): "the shifted logit {}",
    ("multiply", ""): "the product {}",
    ("multiply", "given"): "the weight or target {}",
    ("maximum", ""): "the probability {}",
    ("where_not_below", ""): "the probability {}",
}

_EXP = {
    "overflow": "overflows: {name} does from {limit} on",
    "zero": "is 0: {name} gives 0 up to {limit}",
    "subnormal": "is subnormal and loses bits: {name} does up to {limit}",
}

_SIGN = {"divide": "/", "multiply": "·", "add": "+", "subtract": "−", "sum": "+"}

_EVENT = {
    "overflow": "is beyond {limit}, the largest {name}",
    "zero": "rounds to 0, as all do up to {limit}",
    "subnormal": "is below {limit}, the smallest normal {name}, and loses bits",
    "absorbed": "is lost beside the largest term, half of whose ULP is {limit}",
    "stalled": "leaves the running sum where it was: half of its ULP is {limit}",
    "given": "was given: the largest {name} is {limit}",
    ROUNDING: "is rounded too coarsely: half of its ULP is {limit}",
}

_CONSEQUENCE = {
    "log-of-zero": ", and log(0) = -inf",
    "zero-denominator": ", and so is every other: 0/0",
}


def _edge(limit: Number) -> str:
    """Print a limit in full where it is a float: edges of formats differ in the last digits."""
    return full(limit) if isinstance(limit, float) else str(limit).lower()
