"""Report to JSON: one object that keeps every bit, written piece by piece."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from numpy.typing import NDArray

    from softmax_tool.check.report import CheckedCase, CheckReport
    from softmax_tool.explanation.report import ExplainReport
    from softmax_tool.inspection.report import InspectReport
    from softmax_tool.report import (
        Case,
        CaseName,
        CompareReport,
        ComputeReport,
        Finding,
        InputInfo,
        KindCounts,
        LimitsReport,
        Loss,
        Pair,
        ReductionEvent,
        Report,
        Result,
    )

SCHEMA = 1
"""Grows by one whenever a field changes its meaning or goes away."""

TOOL = "softmax-tool"


def render(report: Report, stream: TextIO) -> None:
    """Write one JSON object and a line feed.

    Raises
    ------
    ValueError
        For a `compute` report whose results carry no values.
    """
    stream.writelines(_pieces(to_dict(report), ""))
    stream.write("\n")


def to_dict(report: Report) -> dict[str, Any]:
    """Give the report as the object to be written: plain values, and arrays left as they are."""
    if report.command == "check":
        own = _check(report)
        return _head(report.command) | {"input": _input(report.input)} | own
    if report.command == "limits":
        return _head(report.command) | _limits(report)
    if report.command == "compare":
        own = _compare(report)
    elif report.command == "compute":
        own = _compute(report)
    else:
        return _head(report.command) | _whole(report)
    return (
        _head(report.command)
        | {"input": _input(report.input), "settings": _plain(report.settings)}
        | own
        | {
            "pairs": [_pair(pair) for pair in report.pairs],
            "input_rounding": [_plain(rounding) for rounding in report.input_rounding],
            "formats": [_plain(limits) for limits in report.formats],
            "looks_like": _plain(report.looks_like),
            "verdict": list(report.verdict),
        }
    )


def _head(command: str) -> dict[str, Any]:
    return {"schema": SCHEMA, "tool": TOOL, "version": VERSION, "command": command}


def _input(read: InputInfo) -> dict[str, Any]:
    return {
        "paths": list(read.paths),
        "shape": [None, *read.shape[1:]] if read.uncounted else list(read.shape),
        "stored_dtype": read.stored_dtype,
        "labels": None if read.labels is None else _plain(read.labels),
    }


def _whole(report: ExplainReport | InspectReport) -> dict[str, Any]:
    """Give a report whose fields are its JSON, `command` and the axis of the input apart."""
    plain: dict[str, Any] = _plain(report)
    del plain["command"]
    return plain | {"input": _input(report.input)}


def _limits(report: LimitsReport) -> dict[str, Any]:
    return {
        "input": None,
        "settings": {"dtypes": [limits.dtype for limits in report.formats]},
        "formats": [_plain(limits) for limits in report.formats],
    }


def _compare(report: CompareReport) -> dict[str, Any]:
    return {
        "cases": [_case(case) for case in report.cases],
        "losses": [
            _loss(loss)
            | {
                "exact": _plain(loss.exact),
                "exact_is_tiny": loss.exact_is_tiny,
                "ulp": _plain(loss.ulp),
            }
            for loss in report.losses
        ],
    }


def _compute(report: ComputeReport) -> dict[str, Any]:
    return {
        "results": [_result(result) for result in report.results],
        "losses": [_loss(loss) for loss in report.losses],
    }


def _check(report: CheckReport) -> dict[str, Any]:
    return {
        "settings": _plain(report.settings),
        "candidate": _plain(report.candidate),
        "baseline": _plain(report.baseline),
        "cases": [_checked(case) for case in report.cases],
        "rules": [_plain(rule) for rule in report.rules],
        "findings": [_plain(finding) for finding in report.findings],
        "warnings": list(report.warnings),
        "suggestions": list(report.suggestions),
        "verdict": list(report.verdict),
        "passed": report.passed,
        "exit_code": report.exit_code,
    }


def _checked(case: CheckedCase) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(case)
    name: dict[str, Any] = plain.pop("name")
    return {"subject": plain.pop("subject"), **name, **plain}


def _name(name: CaseName) -> dict[str, Any]:
    return {
        "quantity": name.quantity,
        "formulation": name.formulation,
        "dtype": name.dtype,
        "arithmetic": name.arithmetic,
    }


def _result(result: Result) -> dict[str, Any]:
    if result.values is None:
        name = result.name
        raise ValueError(f"no values of {name.quantity} {name.formulation} to write")
    return _name(result.name) | {
        "elements": result.elements,
        "rows": result.rows,
        "kinds": _kinds(result.kinds),
        "values": result.values,
    }


def _loss(loss: Loss) -> dict[str, Any]:
    return _name(loss.name) | {
        "reduction": loss.reduction,
        "value": _plain(loss.value),
        "per_row": loss.per_row,
        "kinds": _kinds(loss.kinds),
        "reduced": _reduced(loss.reduced),
    }


def _reduced(event: ReductionEvent | None) -> dict[str, Any] | None:
    if event is None:
        return None
    return {
        "kind": event.kind,
        "step": "reduce",
        "operand": _plain(event.operand),
        "limit": _plain(event.limit),
        "of_divisors": event.of_divisors,
    }


def _case(case: Case) -> dict[str, Any]:
    return _name(case.name) | {
        "rows": case.rows,
        "elements": case.elements,
        "judged": case.judged,
        "rows_hit": case.rows_hit,
        "kinds": _kinds(case.kinds),
        "masked": case.masked,
        "invalid_rows": case.invalid_rows,
        "rank_changes": case.rank_changes,
        "correctly_rounded": case.correctly_rounded,
        "max_ulp": _plain(case.max_ulp),
        "mean_ulp": _plain(case.mean_ulp),
        "infinite_ulp": case.infinite_ulp,
        "ulp_histogram": [[_plain(edge), amount] for edge, amount in case.ulp_histogram],
        "max_abs_error": _plain(case.max_abs_error),
        "max_rel_error": _plain(case.max_rel_error),
        "bound_ratio": _plain(case.bound_ratio),
        "bound_elements": case.bound_elements,
        "lost_share": _plain(case.lost_share),
        "worst": [_finding(finding) for finding in case.worst],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {field.name: _plain(getattr(finding, field.name)) for field in fields(finding)}


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "dtype": pair.dtype,
        "arithmetic": pair.arithmetic,
        "a": {"quantity": pair.a[0], "formulation": pair.a[1]},
        "b": {"quantity": pair.b[0], "formulation": pair.b[1]},
        "elements": pair.elements,
        "identical": pair.identical,
        "differing": pair.differing,
        "max_abs_difference": _plain(pair.max_abs_difference),
        "max_ulp_difference": _plain(pair.max_ulp_difference),
        "identical_in": dict(pair.identical_in),
    }


def _kinds(kinds: Mapping[str, KindCounts]) -> dict[str, Any]:
    return {kind: _plain(counts) for kind, counts in kinds.items()}


def _plain(value: Any) -> Any:
    """Turn a frozen value into what JSON has: non-finite floats and Decimals become strings.

    Examples
    --------
    >>> _plain((0.5, float("-inf"), Decimal("2.455E-437"), None, 3))
    [0.5, '-inf', '2.455e-437', None, 3]
    """
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:e}"
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else repr(float(value))
    return value


def _pieces(node: Any, margin: str) -> Iterator[str]:
    """Yield the text of a node: objects and lists of objects over several lines, rows on one."""
    inner = margin + "  "
    if isinstance(node, np.ndarray):
        yield from _array(node, margin)
    elif isinstance(node, dict) and node:
        separator = "{\n"
        for key, value in node.items():
            yield f"{separator}{inner}{json.dumps(key)}: "
            yield from _pieces(value, inner)
            separator = ",\n"
        yield f"\n{margin}}}"
    elif isinstance(node, list) and _needs_lines(node):
        separator = "[\n"
        for item in node:
            yield f"{separator}{inner}"
            yield from _pieces(item, inner)
            separator = ",\n"
        yield f"\n{margin}]"
    else:
        yield json.dumps(node, allow_nan=False)


def _needs_lines(node: list[Any]) -> bool:
    if any(isinstance(item, dict) for item in node):
        return True
    return any(isinstance(item, str) for item in node) and sum(map(len, map(str, node))) > 60


def _array(array: NDArray[Any], margin: str) -> Iterator[str]:
    if array.ndim == 0:
        yield json.dumps(_plain(float(array)), allow_nan=False)
    elif array.ndim == 1:
        yield _row(array)
    else:
        inner = margin + "  "
        separator = "[\n"
        for part in array:
            yield f"{separator}{inner}"
            yield from _array(part, inner)
            separator = ",\n"
        yield f"\n{margin}]"


def _row(row: NDArray[Any]) -> str:
    wide = np.asarray(row, dtype=np.float64)
    values = wide.tolist()
    for place in np.flatnonzero(~np.isfinite(wide)).tolist():
        values[place] = repr(values[place])
    return json.dumps(values, allow_nan=False)
