"""Report to sections: what is said, in which order and words, before any format lays it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.check.report import CheckReport
from softmax_tool.explanation.report import ExplainReport
from softmax_tool.inspection.report import InspectReport
from softmax_tool.renderers.of_check import check
from softmax_tool.renderers.of_compare import compare
from softmax_tool.renderers.of_compute import compute
from softmax_tool.renderers.of_explain import explain
from softmax_tool.renderers.of_inspect import inspect
from softmax_tool.renderers.of_limits import limits
from softmax_tool.report import CompareReport, ComputeReport

if TYPE_CHECKING:
    from softmax_tool.renderers.grids import Section
    from softmax_tool.report import Report


def sections(report: Report) -> tuple[Section, ...]:
    """Give everything that a report says, in the order in which it is read."""
    if isinstance(report, CheckReport):
        return tuple(check(report))
    if isinstance(report, CompareReport):
        return tuple(compare(report))
    if isinstance(report, ComputeReport):
        return tuple(compute(report))
    if isinstance(report, ExplainReport):
        return tuple(explain(report))
    if isinstance(report, InspectReport):
        return tuple(inspect(report))
    return tuple(limits(report))
