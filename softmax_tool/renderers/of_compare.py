"""What `compare` has to say, in the order in which it is read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from softmax_tool.frozen import frozen
from softmax_tool.renderers import display
from softmax_tool.renderers.grids import (
    Cell,
    Column,
    Grid,
    Section,
    Style,
    Tables,
    aligned,
    grouped,
    noted,
)
from softmax_tool.renderers.heads import head, set_aside
from softmax_tool.renderers.kinds import (
    FINDINGS_ROOM,
    KINDS,
    NOTHING,
    findings,
    headed,
    how_many,
    kind_column,
    loss_cell,
    unavoidable_legend,
)
from softmax_tool.renderers.pairs import closing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from softmax_tool.report import Case, CaseName, CompareReport, Finding, Loss


def compare(report: CompareReport) -> Iterator[Section]:
    """Say which formulation survives, where the worst elements broke, and the verdict last."""
    yield head("compare", report.input, report.settings, set_aside(report.cases))
    losses = {loss.name: loss for loss in report.losses}
    tables = [
        _cases_table(dtype, arithmetic, _merged(report.cases, losses, dtype, arithmetic))
        for dtype, arithmetic in _settings_of(report.cases)
    ]
    if tables:
        yield Tables(tuple(zip(*tables, strict=True)))
    yield from _worst(report)
    yield from closing(report.pairs, report.input_rounding, report.verdict)


@frozen
class _Line:
    """One computation as a line of a table: a case, and its loss where it is one."""

    quantity: str
    case: Case
    loss: Loss | None


def _settings_of(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    """Yield the (dtype, arithmetic) pairs that occur, in their order; `exact` has no arithmetic."""
    named = dict.fromkeys(
        (case.name.dtype, case.name.arithmetic) for case in cases if case.name.arithmetic
    )
    computed = {dtype for dtype, _ in named}
    for case in cases:
        if case.name.dtype not in computed:
            named.setdefault((case.name.dtype, ""))
    for dtype, arithmetic in named:
        yield dtype, arithmetic or ""


def _merged(
    cases: Sequence[Case], losses: Mapping[CaseName, Loss], dtype: str, arithmetic: str
) -> list[_Line]:
    lines = [
        _Line(case.name.quantity, case, losses.get(case.name))
        for case in cases
        if case.name.dtype == dtype and case.name.arithmetic in {arithmetic, None}
    ]
    return _with_losses_merged(lines)


def _with_losses_merged(lines: Sequence[_Line]) -> list[_Line]:
    """Make nll and ce of a formulation one line where all their numbers are equal."""
    twins = {line.case.name.formulation: line for line in lines if line.case.name.quantity == "ce"}
    merged: list[_Line] = []
    joined: set[str] = set()
    for line in lines:
        formulation = line.case.name.formulation
        twin = twins.get(formulation)
        if line.quantity == "nll" and twin and _numbers(line) == _numbers(twin):
            merged.append(replace(line, quantity="nll, ce"))
            joined.add(formulation)
        elif not (line.quantity == "ce" and formulation in joined):
            merged.append(line)
    order = {name: place for place, name in enumerate(dict.fromkeys(x.quantity for x in merged))}
    return sorted(
        merged, key=lambda line: (order[line.quantity], line.case.name.arithmetic is None)
    )


def _numbers(line: _Line) -> str:
    """Give all numbers of a line as text, in which nan equals nan."""
    case = replace(line.case, name=None, worst=())  # type: ignore[arg-type]
    loss = line.loss and (line.loss.value, line.loss.exact, line.loss.ulp, line.loss.kinds)
    return repr((case, loss))


def _cases_table(dtype: str, arithmetic: str, lines: Sequence[_Line]) -> tuple[Grid, ...]:
    """Lay out the cases of one dtype, widest first; every dtype has as many variants."""
    kinds = [kind for kind in KINDS if any(kind in line.case.kinds for line in lines)]
    columns: dict[str, tuple[Column, list[Cell]]] = {
        "formulation": (
            Column("", "left"),
            [Cell(f"  {line.case.name.formulation}") for line in lines],
        ),
        "hit": (Column("rows\nhit"), [_hit(line.case) for line in lines]),
        "worst": (Column("worst\nULP"), [_worst_ulp(line.case) for line in lines]),
        "at": (Column("at row,\nclass"), [Cell(_place(_worst_of(line.case))) for line in lines]),
        "mean": (Column("mean\nULP"), [Cell(_mean(line.case)) for line in lines]),
        "right": (
            Column("correctly\nrounded"),
            [Cell(display.share(line.case.correctly_rounded, line.case.judged)) for line in lines],
        ),
        "ranks": (
            Column("rank\nchanges"),
            [Cell(how_many(line.case.rank_changes)) for line in lines],
        ),
        "loss": (Column("loss"), [loss_cell(line.loss) for line in lines]),
        "loss ulp": (
            Column("loss\nULP"),
            [Cell(display.ulp(line.loss.ulp) if line.loss else "") for line in lines],
        ),
    }
    for room in FINDINGS_ROOM:
        columns[f"findings {room}"] = (
            Column("findings", "left"),
            [findings(line.case.kinds, kinds, room) for line in lines],
        )
    for kind in kinds:
        columns[f"kind {kind}"] = (
            Column(headed(kind), repeats=True),  # among the findings
            kind_column([line.case.kinds.get(kind) for line in lines], kind),
        )
    by_kind = [f"kind {kind}" for kind in kinds]
    ranks = ["ranks"] if any(line.case.rank_changes for line in lines) else []
    loss = ["loss"] if any(line.loss for line in lines) else []
    loss_ulp = ["loss ulp"] if loss else []
    at = ["at"] if any(line.case.worst for line in lines) else []
    wide, middle, narrow = ([f"findings {room}"] if kinds else [] for room in FINDINGS_ROOM)
    layouts = [
        [*by_kind, "hit", "worst", *at, "mean", "right", *ranks, *loss, *loss_ulp],
        [*by_kind, "hit", "worst", *at, "mean", "right", *ranks, *loss],
        [*by_kind, "hit", "worst", *at, "right", *ranks, *loss],
        [*by_kind, "hit", "worst", "right", *loss],
        [*wide, "hit", "worst", *at, "right", *ranks, *loss],
        [*wide, "hit", "worst", "right", *loss],
        [*middle, "hit", "worst", "right", *loss],
        [*narrow, "hit", "worst", "right", *loss],
        [*narrow, "hit", "worst", *loss],
        [*narrow, "worst"],
    ]
    title = f"{dtype}, {arithmetic}" if arithmetic else dtype
    groups = [line.quantity for line in lines]
    legend = unavoidable_legend(line.case.kinds for line in lines)
    return tuple(
        grouped(title, [columns[name] for name in ("formulation", *layout)], groups, legend)
        for layout in layouts
    )


def _hit(case: Case) -> Cell:
    if not case.rows_hit:
        return Cell(NOTHING, "quiet")
    return Cell(f"{display.count(case.rows_hit)}/{display.count(case.rows)}")


def _worst_of(case: Case) -> Finding | None:
    same = [finding for finding in case.worst if finding.ulp == case.max_ulp]
    return next(iter(same or case.worst), None)


def _worst_ulp(case: Case) -> Cell:
    style: Style = "bad" if math.isinf(case.max_ulp) else ""
    return Cell(display.ulp(case.max_ulp), style)


def _place(finding: Finding | None) -> str:
    if finding is None:
        return ""
    if finding.column is None:
        return str(finding.row)
    return f"{finding.row}, {finding.column}"


def _mean(case: Case) -> str:
    if case.mean_ulp is None:
        return ""
    beside = f" + {display.count(case.infinite_ulp)} inf" if case.infinite_ulp else ""
    return display.ulp(case.mean_ulp) + beside


def _worst(report: CompareReport) -> Iterator[Section]:
    ranked = _ranked(report)
    listed = [(met[0], finding) for met, finding in ranked[: report.settings.top]]
    if not listed:
        return
    title = "Worst cases"
    if len(ranked) > len(listed):
        title += f": {len(listed)} of {len(ranked)} kept, --top lists more"
    notes = [_explained(finding, met[1:]) for met, finding in ranked[: report.settings.top]]
    columns: dict[str, tuple[Column, list[Cell]]] = {
        "dtype": (
            Column("dtype", "left", repeats=len(report.settings.dtypes) == 1),
            [Cell(x.case.name.dtype) for x, _ in listed],
        ),
        "arithmetic": (
            Column("arithmetic", "left"),
            [Cell(x.case.name.arithmetic or "") for x, _ in listed],
        ),
        "case": (
            Column("computed", "left"),
            [Cell(f"{x.quantity} {x.case.name.formulation}") for x, _ in listed],
        ),
        "at": (Column("row,\nclass"), [Cell(_place(finding)) for _, finding in listed]),
        "logit": (
            Column("logit"),
            aligned([None if f.logit is None else display.number(f.logit) for _, f in listed]),
        ),
        "got": (Column("got"), aligned([display.number(f.got) for _, f in listed])),
        "exact": (Column("exact"), aligned([_brief(f.exact) for _, f in listed])),
        "ulp": (Column("ULP"), [Cell(display.ulp(f.ulp), _ulp_style(f)) for _, f in listed]),
    }
    arithmetic = ["arithmetic"] if len(report.settings.arithmetics) > 1 else []
    several = ["dtype"] if len(report.settings.dtypes) > 1 else []
    layouts = [
        ["dtype", *arithmetic, "case", "at", "logit", "got", "exact", "ulp"],
        ["dtype", *arithmetic, "case", "at", "got", "exact", "ulp"],
        [*several, "case", "at", "got", "exact", "ulp"],
        [*several, "case", "at", "got", "exact"],
    ]
    yield Tables(
        tuple((noted(title, [columns[name] for name in layout], notes),) for layout in layouts)
    )


def _brief(value: float | Decimal) -> str:
    return display.number(value, 4)


def _ulp_style(finding: Finding) -> Style:
    return KINDS.get(finding.kind or "", "")


def _ranked(report: CompareReport) -> list[tuple[list[_Line], Finding]]:
    """Order findings: the worst of every computation first, the largest ULP error first.

    Formulations that went wrong at the same element in the same way are one entry.
    """
    losses = {loss.name: loss for loss in report.losses}
    found: list[tuple[int, float, int, _Line, Finding]] = []
    lines = [
        line
        for dtype, arithmetic in _settings_of(report.cases)
        for line in _merged(report.cases, losses, dtype, arithmetic)
        if line.case.name.arithmetic is not None
    ]
    for order, line in enumerate(lines):
        kept = [finding for finding in line.case.worst if finding.kind is not None]
        found += [(place, -finding.ulp, order, line, finding) for place, finding in enumerate(kept)]
    merged: dict[tuple[str, ...], tuple[list[_Line], Finding]] = {}
    for *_, line, finding in sorted(found, key=lambda item: item[:3]):
        name = line.case.name
        went = (finding.row, finding.column, finding.kind, finding.got, finding.ulp)
        key = (line.quantity, name.dtype, name.arithmetic or "", repr(went))
        merged.setdefault(key, ([], finding))[0].append(line)
    return list(merged.values())


def _explained(finding: Finding, others: Sequence[_Line]) -> str:
    what = finding.kind or "rounding"
    if finding.origin is not None:
        what += f" at {finding.origin.step}"
        if finding.propagated and finding.origin.column != finding.column:
            what += f" of row {finding.origin.row}"
            if finding.origin.column is not None:
                what += f", class {finding.origin.column}"
    text = f"{what}: {finding.why}" if finding.why else what
    if others:
        text += f" (also {', '.join(line.case.name.formulation for line in others)})"
    return text
