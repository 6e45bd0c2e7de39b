"""Report to CSV: one flat table a command."""

from __future__ import annotations

import csv
from dataclasses import fields
from decimal import Decimal
from itertools import repeat
from typing import TYPE_CHECKING

from softmax_tool.renderers.kinds import KINDS
from softmax_tool.report import FormatLimits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, TextIO

    from softmax_tool.check.report import CheckReport
    from softmax_tool.explanation.report import ExplainReport
    from softmax_tool.inspection.report import InspectReport
    from softmax_tool.report import (
        Case,
        CaseName,
        CompareReport,
        ComputeReport,
        LimitsReport,
        Loss,
        Report,
        ShownRow,
    )

    Cell = str | int | float | Decimal | bool | None

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""

STATISTICS = (
    "rows",
    "elements",
    "judged",
    "rows_hit",
    "masked",
    "invalid_rows",
    "rank_changes",
    "correctly_rounded",
    "max_ulp",
    "mean_ulp",
    "infinite_ulp",
    "max_abs_error",
    "max_rel_error",
    "bound_ratio",
    "bound_elements",
    "lost_share",
)


def render(report: Report, stream: TextIO) -> None:
    """Write the report as CSV with a header line.

    `compare`: a line a case: its statistics, how many elements each kind has (and how many of
    those no formulation can avoid), its reduced loss. `compute`: a line an element of the rows
    shown, a column a result, and one a loss, which repeats the loss of the row in each of its
    lines and is empty where the row is ignored; with nothing but losses, a line a row. `check`: a
    line a finding. `explain`: a line a value of a step. `inspect`, `limits`: a line a dtype.
    """
    header: Sequence[str]
    lines: Iterator[Sequence[Cell]]
    writer = csv.writer(stream, lineterminator="\n")
    if report.command == "compute":
        writer.writerow(map(cell, _compute_header(report)))
        stream.writelines(_elements(report) if report.results else _rows(report))
        return
    if report.command == "compare":
        header, lines = _compare(report)
    elif report.command == "check":
        header, lines = _check(report)
    elif report.command == "explain":
        header, lines = _explain(report)
    elif report.command == "inspect":
        header, lines = _inspect(report)
    else:
        header, lines = _limits(report)
    writer.writerow(map(cell, header))
    writer.writerows(map(cell, line) for line in lines)


def cell(value: Cell) -> str:
    """Print a cell: numbers so that they read back, names so that no spreadsheet runs them.

    Examples
    --------
    >>> cell(-0.1), cell("-0.1"), cell("=1+1"), cell(None), cell(True), cell(float("-inf"))
    ('-0.1', "'-0.1", "'=1+1", '', 'true', '-inf')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:e}"
    if isinstance(value, str):
        return "'" + value if value.startswith(FORMULA) else value
    return repr(value)  # so that numbers read back


def _compare(report: CompareReport) -> tuple[list[str], Iterator[list[Cell]]]:
    losses = {loss.name: loss for loss in report.losses}
    return (
        [
            *("quantity", "formulation", "dtype", "arithmetic"),
            *STATISTICS,
            *(f"{kind}{part}" for kind in KINDS for part in ("", " unavoidable")),
            *("loss", "loss_exact", "loss_ulp"),
        ],
        (_case(case, losses.get(case.name)) for case in report.cases),
    )


def _case(case: Case, loss: Loss | None) -> list[Cell]:
    counts: list[Cell] = []
    for kind in KINDS:
        found = case.kinds.get(kind)
        counts += [found.elements, found.unavoidable] if found else [0, 0]
    return [
        *_name(case.name),
        *(getattr(case, name) for name in STATISTICS),
        *counts,
        *([loss.value, loss.exact, loss.ulp] if loss else [None, None, None]),
    ]


def _name(name: CaseName) -> list[Cell]:
    return [name.quantity, name.formulation, name.dtype, name.arithmetic]


def _compute_header(report: ComputeReport) -> list[str]:
    header = ["row", "column", "label", "logit"]
    names = [result.name for result in report.results] + [loss.name for loss in report.losses]
    for each in names:
        name = f"{each.quantity}/{each.formulation}/{each.dtype}"
        header += [name, f"{name} kind"]
    return header


# Of elements there may be millions. All cells are numbers and names of kinds, which hold nothing to
# be quoted, so that a writer need not look at each; and an array gives all of its numbers at once.
def _elements(report: ComputeReport) -> Iterator[str]:
    for row in report.shown:
        number, label, losses = cell(row.row), cell(row.label), _row_losses(row)
        found: list[Iterable[str]] = [repeat(number), map(repr, row.columns), repeat(label)]
        found += [map(repr, row.logits.astype(float).tolist())]
        for values, kinds in zip(row.values, row.kinds, strict=True):
            found += [map(repr, values.tolist()), kinds.tolist()]
        yield from map(_line, zip(*found, *map(repeat, losses), strict=False))


def _rows(report: ComputeReport) -> Iterator[str]:
    for row in report.shown:
        yield _line([cell(row.row), "", cell(row.label), "", *_row_losses(row)])


def _line(cells: Iterable[str]) -> str:
    return ",".join(cells) + "\n"


def _row_losses(row: ShownRow) -> list[str]:
    found: list[str] = []
    for value, kind in zip(row.losses, row.loss_kinds, strict=True):
        found += ["", ""] if row.ignored else [cell(value), cell(kind)]
    return found


def _check(report: CheckReport) -> tuple[list[str], Iterator[list[Cell]]]:
    names = ["code", "name", "row", "column", "message", "got", "exact", "ulp"]
    return names, ([getattr(finding, name) for name in names] for finding in report.findings)


def _explain(report: ExplainReport) -> tuple[list[str], Iterator[list[Cell]]]:
    way_names = ("quantity", "formulation", "expression", "dtype")
    entry_names = ("value", "exact", "exact_minus_one", "ulp", "event", "kind", "bits")
    return ["step", "column", *way_names, *entry_names], (
        [
            step.name,
            column,
            *(getattr(way, name) for name in way_names),
            *(getattr(entry, name) for name in entry_names),
        ]
        for step in report.steps
        for way in step.ways
        for column, entry in zip(step.columns or [None], way.entries, strict=True)
    )


def _inspect(report: InspectReport) -> tuple[list[str], Iterator[list[Cell]]]:
    names = [field.name for room in report.headroom[:1] for field in fields(room)]
    return names, ([getattr(room, name) for name in names] for room in report.headroom)


def _limits(report: LimitsReport) -> tuple[list[str], Iterator[list[Cell]]]:
    names = list(FormatLimits.__dataclass_fields__)
    return names, ([_flat(getattr(limits, name)) for name in names] for limits in report.formats)


def _flat(value: Any) -> Cell:
    return " ".join(value) if isinstance(value, tuple) else value
