"""What `compute` has to say, in the order in which it is read."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from softmax_tool.excerpt import LARGEST, excerpt
from softmax_tool.frozen import frozen
from softmax_tool.renderers import display
from softmax_tool.renderers.grids import (
    Cell,
    Column,
    Grid,
    Prose,
    Section,
    Style,
    Tables,
    aligned,
    grouped,
    table,
)
from softmax_tool.renderers.heads import head
from softmax_tool.renderers.kinds import (
    FINDINGS_ROOM,
    KINDS,
    findings,
    headed,
    kind_column,
    loss_cell,
    unavoidable_legend,
)
from softmax_tool.renderers.pairs import closing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from softmax_tool.report import CaseName, ComputeReport, KindCounts, Loss, Result, ShownRow


DIFFERS = "≠"
"""Marks a value that is not the one of the stable formulation, bit for bit."""


def compute(report: ComputeReport) -> Iterator[Section]:
    """Say the values row by row, then what happened over all rows, and the verdict last."""
    yield head("compute", report.input, report.settings, ())
    for row in report.shown:
        yield _row_table(report, excerpt(row, report.settings.columns, KINDS))
    if report.shown_because:
        yield Prose("", (f"shown: {report.shown_because}",))
    yield from _computed(report)
    yield from closing(report.pairs, report.input_rounding, report.verdict)


def _heading(name: CaseName) -> tuple[str, str]:
    """Name a result in the words of tutorials: log(softmax) is not log-softmax."""
    if name.quantity == "log-softmax" and name.formulation.startswith("log-of-"):
        return "log(softmax)", name.formulation.removeprefix("log-of-")
    return name.quantity, name.formulation


def _row_table(report: ComputeReport, row: ShownRow) -> Tables:
    folded = _folded(report, row)
    values = [_values(report, row, place) for place in range(len(report.results))]
    fixed: list[tuple[Column, list[Cell]]] = [
        (Column("class", "left"), [_class_cell(row, column) for column in row.columns]),
        (Column("logit"), aligned([display.number(float(logit)) for logit in row.logits])),
    ]
    legend = [folded] if folded else []
    if any(part.differs for column in values for part in column):
        legend.append(f"{DIFFERS} not bit-identical to the shifted formulation")
    losses = tuple(_row_losses(report, row))
    headings = [_heading(result.name) for result in report.results]
    beside = [_one_line(column) for column in values]
    below = [_two_lines(column) for column in values]
    narrow = [_narrow(column) for column in values]
    title = _row_title(row)

    def grid(cells: Sequence[list[Cell]], places: Sequence[int], *, last: bool = True) -> Grid:
        chosen = [(Column("\n".join(headings[place])), cells[place]) for place in places]
        made = table(title, [*fixed, *chosen], tuple(legend) if last else ())
        return replace(made, footer=losses) if last else made

    def stack(parts: Sequence[Sequence[int]]) -> tuple[Grid, ...]:
        grids = [grid(narrow, part, last=part is parts[-1]) for part in parts]
        return (grids[0], *(replace(x, title=f"{title}, continued") for x in grids[1:]))

    everything = range(len(headings))
    variants: list[tuple[Grid, ...]] = [
        (grid(cells, everything),) for cells in (beside, below, narrow)
    ]
    if headings:
        quantities = _grouped_places([result.name.quantity for result in report.results])
        titles = _grouped_places([quantity for quantity, _ in headings])
        variants += [stack(quantities), stack(titles), stack([[place] for place in everything])]
    return Tables(tuple(variants))


def _grouped_places(names: Sequence[str]) -> list[list[int]]:
    """Group the places of equal neighbours.

    Examples
    --------
    >>> _grouped_places(["softmax", "softmax", "nll"])
    [[0, 1], [2]]
    """
    numbered = groupby(range(len(names)), key=names.__getitem__)
    return [list(places) for _, places in numbered]


@frozen
class _Value:
    """A value with what is wrong with it, in words."""

    text: str
    kind: str
    differs: bool

    @property
    def word(self) -> str:
        """The kind, unless the value says it already."""
        return "" if self.kind == self.text else self.kind

    @property
    def style(self) -> Style:
        """How the kind is marked."""
        return KINDS.get(self.kind, "lost" if self.kind else "")


def _values(report: ComputeReport, row: ShownRow, place: int) -> list[_Value]:
    values, kinds = row.values[place], row.kinds[place]
    stable = _stable(report, place)
    texts = aligned([display.number(float(value)) for value in values])
    return [
        _Value(
            cell.text,
            str(kinds[here]),
            stable is not None and _differ(values[here], row.values[stable][here]),
        )
        for here, cell in enumerate(texts)
    ]


def _stable(report: ComputeReport, place: int) -> int | None:
    """Find the result to hold another one against: `shifted` of the same quantity."""
    name = report.results[place].name
    if name.formulation in {"shifted", "exact"}:
        return None
    for other, result in enumerate(report.results):
        if result.name.quantity == name.quantity and result.name.formulation == "shifted":
            return other
    return None


def _differ(one: float, other: float) -> bool:
    return bool(one != other) and not (math.isnan(one) and math.isnan(other))


def _one_line(values: Sequence[_Value]) -> list[Cell]:
    """Put value, mark and word beside each other."""
    width = max((len(value.word) for value in values), default=0)
    return [
        Cell(text + (f" {value.word:<{width}}" if width else ""), value.style)
        for text, value in zip(_marked(values), values, strict=True)
    ]


def _two_lines(values: Sequence[_Value]) -> list[Cell]:
    """Put value and mark above the word."""
    return [
        Cell(text + (f"\n{value.word}" if value.word else ""), value.style)
        for text, value in zip(_marked(values), values, strict=True)
    ]


def _narrow(values: Sequence[_Value]) -> list[Cell]:
    """Put the value above mark and word."""
    below = [f"{DIFFERS if value.differs else ''} {value.word}".strip() for value in values]
    return [
        Cell(value.text + (f"\n{words}" if words else ""), value.style)
        for value, words in zip(values, below, strict=True)
    ]


def _marked(values: Sequence[_Value]) -> list[str]:
    if not any(value.differs for value in values):
        return [value.text for value in values]
    return [f"{value.text} {DIFFERS if value.differs else ' '}" for value in values]


def _class_cell(row: ShownRow, column: int) -> Cell:
    if column == row.label:
        return Cell(f"{column} label", "strong")
    return Cell(str(column))


def _row_title(row: ShownRow) -> str:
    title = f"row {row.row}"
    if row.ignored:
        return (
            f"{title}, label {row.label}: ignored" if row.label is not None else f"{title}, ignored"
        )
    return title if row.label is None else f"{title}, label {row.label}"


def _folded(report: ComputeReport, row: ShownRow) -> str:
    """Say how many classes are not shown, and why these are."""
    left_out = row.classes - len(row.columns)
    if not left_out:
        return ""
    told = f"… {display.plural(left_out, 'class', 'classes')} not shown"
    if report.settings.columns is not None:
        return told
    label = ", the label," if row.label is not None else ""
    return (
        f"{told}; these are the {LARGEST} largest logits{label} and the first value of each kind "
        "(--columns A:B shows others)"
    )


def _row_losses(report: ComputeReport, row: ShownRow) -> list[str]:
    """Say the losses of one row, a line a quantity, one for both where they are the same."""
    said: dict[str, list[str]] = {}
    for loss, value, kind in zip(report.losses, row.losses, row.loss_kinds, strict=True):
        text = display.number(value)
        word = f" {kind}" if kind and kind != text else ""
        said.setdefault(loss.name.quantity, []).append(f"{loss.name.formulation} {text}{word}")
    if "nll" in said and said["nll"] == said.get("ce"):
        said = {"nll, ce" if name == "nll" else name: x for name, x in said.items() if name != "ce"}
    return [f"{quantity} of this row: {', '.join(parts)}" for quantity, parts in said.items()]


def _computed(report: ComputeReport) -> Iterator[Section]:
    """Sum up: what happened in each result over all rows, and the losses."""
    parts: list[Result | Loss] = [*report.results, *report.losses]
    dtype = next((part.name.dtype for part in parts), "")
    kinds = [kind for kind in KINDS if any(kind in part.kinds for part in parts)]
    lines: list[tuple[str, str, Mapping[str, KindCounts], Cell]] = [
        (result.name.quantity, result.name.formulation, result.kinds, Cell(""))
        for result in report.results
        if kinds
    ]
    lines += [
        (quantity, loss.name.formulation, loss.kinds, loss_cell(loss))
        for quantity, loss in _computed_losses(report.losses)
    ]
    if not kinds and not report.losses:
        yield Prose(
            "", (f"over all rows, {dtype}: no element overflows, underflows or is subnormal",)
        )
        return
    first = (Column("", "left"), [Cell(f"  {formulation}") for _, formulation, _, _ in lines])
    by_kind = [
        (
            Column(headed(kind), repeats=True),
            kind_column([found.get(kind) for _, _, found, _ in lines], kind),
        )
        for kind in kinds
    ]
    folded = (
        Column("findings", "left"),
        [findings(found, kinds, FINDINGS_ROOM[1]) for _, _, found, _ in lines],
    )
    loss = [(Column("loss"), [cell for *_, cell in lines])] if report.losses else []
    title = f"Over all rows, {dtype}"
    groups = [quantity for quantity, *_ in lines]
    legend = unavoidable_legend(found for _, _, found, _ in lines)
    yield Tables(
        (
            (grouped(title, [first, *by_kind, *loss], groups, legend),),
            (grouped(title, [first, folded, *loss], groups, legend),),
        )
    )


def _computed_losses(losses: Sequence[Loss]) -> list[tuple[str, Loss]]:
    """Name the quantities of losses; nll and ce are one where they agree everywhere."""

    def told(quantity: str) -> list[str]:
        return [
            repr((x.name.formulation, x.value, x.per_row is None, x.kinds))
            for x in losses
            if x.name.quantity == quantity
        ]

    if told("nll") and told("nll") == told("ce") and all(x.per_row is None for x in losses):
        return [("nll, ce", x) for x in losses if x.name.quantity == "nll"]
    return [(x.name.quantity, x) for x in losses]
