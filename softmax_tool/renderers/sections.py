"""Report to sections: what is said, in which order and words, before any format lays it out.

A section is prose, or a table in several variants from the widest to the narrowest; whoever has a
limited width takes the first variant that fits, so that columns are left out or stacked on purpose
and never cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np

from softmax_tool.renderers import display
from softmax_tool.report import CompareReport, ComputeReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal
    from typing import Any

    from numpy.typing import NDArray

    from softmax_tool.report import (
        Case,
        CaseName,
        Finding,
        FormatLimits,
        InputInfo,
        InputRounding,
        KindCounts,
        LimitsReport,
        Loss,
        Pair,
        Report,
        Result,
        Settings,
        ShownRow,
    )

Style = Literal["", "bad", "lost", "faint", "good", "strong", "quiet"]
Align = Literal["left", "right"]

KINDS: Mapping[str, Style] = {
    "overflow": "bad",
    "zero-denominator": "bad",
    "log-of-zero": "bad",
    "absorbed": "lost",
    "underflow": "lost",
    "nan": "bad",
    "inf": "bad",
    "stalled-sum": "lost",
    "silent-error": "lost",
    "subnormal": "faint",
}
"""The kinds in the order in which an element is tested for them, and how each is marked."""

NOTHING = "·"
"""Stands for a count of zero, so that the other counts stand out."""

DIFFERS = "≠"
"""Marks a value that is not the one of the stable formulation, bit for bit."""

DEMONSTRATION = "<demonstration>"
SHOWN_WHOLE = 24
"""A row of up to so many classes is shown whole."""

FINDINGS_ROOM = (44, 30, 20)
"""Widths of a column that lists all kinds, from the widest layout to the narrowest."""

LARGEST = 8
"""So many of the largest logits are shown of a longer row."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text with its mark; `\\n` separates the lines of a cell."""

    text: str
    style: Style = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and on which side its text stands."""

    header: str
    align: Align = "right"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table; `heading` marks one that names those below it; `note` stands beneath."""

    cells: tuple[Cell, ...]
    heading: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    legend: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prose:
    """Lines of text under a title; the one that `stands_out` is the one to remember."""

    title: str
    lines: tuple[str, ...]
    stands_out: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    """One table, or several in a stack, in variants from the widest to the narrowest."""

    variants: tuple[tuple[Grid, ...], ...]


Section = Prose | Tables


def sections(report: Report) -> tuple[Section, ...]:
    """Give everything that a report says, in the order in which it is read."""
    if isinstance(report, CompareReport):
        return tuple(_compare(report))
    if isinstance(report, ComputeReport):
        return tuple(_compute(report))
    return tuple(_limits(report))


def _compare(report: CompareReport) -> Iterator[Section]:
    yield _head("compare", report.input, report.settings, _set_aside(report.cases))
    losses = {loss.name: loss for loss in report.losses}
    tables = [
        _cases_table(dtype, arithmetic, _merged(report.cases, losses, dtype, arithmetic))
        for dtype, arithmetic in _settings_of(report.cases)
    ]
    if tables:
        yield Tables(tuple(zip(*tables, strict=True)))
    yield from _worst(report)
    yield from _after(report.pairs, report.input_rounding, report.verdict)


def _compute(report: ComputeReport) -> Iterator[Section]:
    yield _head("compute", report.input, report.settings, ())
    for row in report.shown:
        yield _row_table(report, row)
    if report.shown_because:
        yield Prose("", (f"shown: {report.shown_because}",))
    yield from _computed(report)
    yield from _after(report.pairs, report.input_rounding, report.verdict)


def _after(
    pairs: Sequence[Pair], roundings: Sequence[InputRounding], verdict: Sequence[str]
) -> Iterator[Section]:
    if pairs:
        yield _pairs_table(pairs)
    touched = [r for r in roundings if r.overflowed or r.underflowed or r.changed or r.new_ties]
    if touched:
        yield _rounding_table(touched)
    if verdict:
        yield Prose("Verdict", tuple(verdict), stands_out=True)


# What was read ------------------------------------------------------------------------------------


def _head(command: str, read: InputInfo, settings: Settings, extra: Iterable[str]) -> Prose:
    lines = [f"{display.shape(read.shape)} logits, stored as {display.visible(read.stored_dtype)}"]
    if len(read.shape) > 1 and read.axis % len(read.shape) != len(read.shape) - 1:
        lines[0] += f", classes along axis {read.axis}"
    if read.labels:
        built_in = tuple(read.paths) == (DEMONSTRATION,)
        source = "built in" if built_in else f"from {_paths(read.labels.paths)}"
        lines.append(f"labels ({read.labels.kind}) {source}")
    lines.append("; ".join(_asked(settings)))
    return Prose(f"{command}: {_paths(read.paths)}", (*lines, *extra))


def _paths(paths: Sequence[str]) -> str:
    if tuple(paths) == (DEMONSTRATION,):
        return "the built-in demonstration"
    names = ["standard input" if path == "-" else display.visible(path) for path in paths]
    if len(names) > 3:
        return f"{names[0]} … {names[-1]} ({display.plural(len(names), 'file')})"
    return ", ".join(names)


def _asked(settings: Settings) -> Iterator[str]:
    yield "arithmetic " + ", ".join(settings.arithmetics)
    if {"nll", "ce"} & set(settings.ops):
        yield f"reduction {settings.reduction}"
    if settings.weights is not None:
        yield f"weights from {display.visible(settings.weights)}"
    if settings.label_smoothing:
        yield f"label smoothing {display.number(settings.label_smoothing)}"
    if settings.ignore_index != -100:
        yield f"ignore index {settings.ignore_index}"
    if settings.max_ulp is not None:
        yield f"silent error above {display.ulp(settings.max_ulp)} ULP"
    if settings.rows is not None:
        yield f"rows {display.bounds(settings.rows)} shown"
    if settings.columns is not None:
        yield f"columns {display.bounds(settings.columns)} shown"


def _set_aside(cases: Sequence[Case]) -> Iterator[str]:
    masked = max((case.masked for case in cases), default=0)
    invalid = max((case.invalid_rows for case in cases), default=0)
    if masked:
        yield f"{display.plural(masked, 'element')} masked (logit -inf), not judged"
    if invalid:
        rows = display.plural(invalid, "row")
        yield f"{rows} not judged: a logit is nan or +inf, or all are -inf"


# The cases of compare -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
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
    return sorted(merged, key=lambda line: order[line.quantity])


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
            [Cell(_amount(line.case.rank_changes)) for line in lines],
        ),
        "loss": (Column("loss"), [_loss_cell(line.loss) for line in lines]),
        "loss ulp": (
            Column("loss\nULP"),
            [Cell(display.ulp(line.loss.ulp) if line.loss else "") for line in lines],
        ),
    }
    for room in FINDINGS_ROOM:
        columns[f"findings {room}"] = (
            Column("findings", "left"),
            [_findings(line.case.kinds, kinds, room) for line in lines],
        )
    for kind in kinds:
        columns[f"kind {kind}"] = (
            Column(_headed(kind)),
            _kind_column([line.case.kinds.get(kind) for line in lines], kind),
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
    legend = _unavoidable_legend(line.case.kinds for line in lines)
    return tuple(
        _grouped(title, [columns[name] for name in ("formulation", *layout)], groups, legend)
        for layout in layouts
    )


def _headed(kind: str) -> str:
    """Break the name of a kind at its last hyphen, for a narrow column."""
    return "-\n".join(kind.rsplit("-", 1))


def _grouped(
    title: str,
    columns: Sequence[tuple[Column, Sequence[Cell]]],
    groups: Sequence[str],
    legend: tuple[str, ...],
) -> Grid:
    rows: list[Row] = []
    lines = zip(*(cells for _, cells in columns), strict=True)
    for quantity, members in groupby(zip(groups, lines, strict=True), key=lambda pair: pair[0]):
        blank = tuple(Cell("") for _ in columns[1:])
        rows.append(Row((Cell(quantity, "strong"), *blank), heading=True))
        rows += [Row(tuple(cells)) for _, cells in members]
    return Grid(title, tuple(column for column, _ in columns), tuple(rows), legend)


def _kind_column(counts: Sequence[KindCounts | None], kind: str) -> list[Cell]:
    """Print avoidable counts, and the unavoidable ones in brackets, each aligned by itself."""
    avoidable = [
        _amount(count.elements - count.unavoidable) if count else NOTHING for count in counts
    ]
    beyond = [
        f" ({display.count(count.unavoidable)})" if count and count.unavoidable else ""
        for count in counts
    ]
    width = max(map(len, beyond), default=0)
    return [
        Cell(f"{amount}{rest:>{width}}", _kind_style(kind, count))
        for amount, rest, count in zip(avoidable, beyond, counts, strict=True)
    ]


def _kind_style(kind: str, count: KindCounts | None) -> Style:
    if count is None or count.elements == count.unavoidable:
        return "quiet"
    return KINDS[kind]


def _findings(found: Mapping[str, KindCounts], kinds: Sequence[str], room: int) -> Cell:
    """Print all kinds in one cell: the avoidable ones each, the others in one sum in brackets."""
    avoidable = {
        kind: found[kind].elements - found[kind].unavoidable for kind in kinds if kind in found
    }
    occurred = [kind for kind, amount in avoidable.items() if amount]
    words = [f"{kind} {display.count(avoidable[kind])}" for kind in occurred]
    beyond = sum(count.unavoidable for count in found.values())
    if beyond:
        words.append(f"({display.count(beyond)})")
    text = "\n".join(_packed(words, room)) or NOTHING
    return Cell(text, KINDS[occurred[0]] if occurred else "quiet")


def _packed(words: Sequence[str], room: int) -> list[str]:
    """Put words on as few lines of at most `room` characters as their order allows.

    Examples
    --------
    >>> _packed(["overflow 12", "underflow 3", "(40)"], 20)
    ['overflow 12', 'underflow 3, (40)']
    """
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 2 + len(word) <= room:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return lines


def _amount(amount: int) -> str:
    return display.count(amount) if amount else NOTHING


def _unavoidable_legend(all_kinds: Iterable[Mapping[str, KindCounts]]) -> tuple[str, ...]:
    if any(count.unavoidable for kinds in all_kinds for count in kinds.values()):
        return ("(n) unavoidable: the correctly rounded result itself is 0 or subnormal",)
    return ()


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


def _loss_cell(loss: Loss | None) -> Cell:
    if loss is None:
        return Cell("")
    if loss.value is None:
        return Cell("per row", "quiet")
    return Cell(display.number(loss.value), "" if math.isfinite(loss.value) else "bad")


# The worst cases ----------------------------------------------------------------------------------


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
        "dtype": (Column("dtype", "left"), [Cell(x.case.name.dtype) for x, _ in listed]),
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
            _aligned([None if f.logit is None else display.number(f.logit) for _, f in listed]),
        ),
        "got": (Column("got"), _aligned([display.number(f.got) for _, f in listed])),
        "exact": (Column("exact"), _aligned([_brief(f.exact) for _, f in listed])),
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
        tuple((_noted(title, [columns[name] for name in layout], notes),) for layout in layouts)
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


def _noted(
    title: str, columns: Sequence[tuple[Column, Sequence[Cell]]], notes: Sequence[str]
) -> Grid:
    lines = zip(*(cells for _, cells in columns), strict=True)
    rows = (Row(tuple(cells), note=note) for cells, note in zip(lines, notes, strict=True))
    return Grid(title, tuple(column for column, _ in columns), tuple(rows))


def _table(
    title: str,
    columns: Sequence[tuple[Column, Sequence[Cell]]],
    legend: tuple[str, ...] = (),
) -> Grid:
    lines = zip(*(cells for _, cells in columns), strict=True)
    return Grid(
        title, tuple(column for column, _ in columns), tuple(Row(tuple(x)) for x in lines), legend
    )


def _aligned(texts: Sequence[str | None]) -> list[Cell]:
    """Pad numbers so that their decimal points stand one below the other; nan and inf have none."""
    after = [len(text) - _point(text) if text and _is_finite(text) else 0 for text in texts]
    width = max(after, default=0)
    return [
        Cell(text + " " * (width - beyond) if _is_finite(text) else text)
        for text, beyond in zip((text or "" for text in texts), after, strict=True)
    ]


def _is_finite(text: str) -> bool:
    return text[-1:].isdigit()


def _point(text: str) -> int:
    """Find where the digits before the decimal point end.

    Examples
    --------
    >>> _point("-1.5"), _point("12"), _point("3e-07")
    (2, 2, 1)
    """
    ends = (place for place, letter in enumerate(text) if letter not in "-0123456789")
    return next(ends, len(text))


# Pairs, input rounding ----------------------------------------------------------------------------


def _pairs_table(pairs: Sequence[Pair]) -> Tables:
    columns: dict[str, tuple[Column, list[Cell]]] = {
        "dtype": (Column("dtype", "left"), [Cell(pair.dtype) for pair in pairs]),
        "arithmetic": (
            Column("arithmetic", "left"),
            [Cell(pair.arithmetic or "") for pair in pairs],
        ),
        "pair": (Column("compared", "left"), [Cell(_compared(pair)) for pair in pairs]),
        "differ": (Column("differ"), [_differing(pair) for pair in pairs]),
        "abs": (
            Column("by at\nmost"),
            [Cell(_difference(pair.max_abs_difference)) for pair in pairs],
        ),
        "ulp": (Column("in\nULP"), [Cell(display.ulp(pair.max_ulp_difference)) for pair in pairs]),
        "narrower": (
            Column("identical once\nrounded to", "left"),
            [Cell(_narrower(pair)) for pair in pairs],
        ),
    }
    several = len({pair.arithmetic for pair in pairs}) > 1
    arithmetic = ["arithmetic"] if several else []
    rounded = ["narrower"] if any(pair.identical_in for pair in pairs) else []
    layouts = [
        ["dtype", *arithmetic, "pair", "differ", "abs", "ulp", *rounded],
        ["dtype", *arithmetic, "pair", "differ", "ulp", *rounded],
        ["dtype", "pair", "differ", *rounded],
        ["dtype", "pair", "differ"],
    ]
    title = "Bit for bit: do two ways agree?"
    return Tables(tuple((_table(title, [columns[name] for name in x]),) for x in layouts))


def _compared(pair: Pair) -> str:
    (quantity, first), (other, second) = pair.a, pair.b
    if quantity == other:
        return f"{quantity}: {first} | {second}".replace(" | ", ", ")
    if first == second:
        return f"{quantity}, {other}: {first}"
    return f"{quantity} {first}, {other} {second}"


def _differing(pair: Pair) -> Cell:
    if pair.identical:
        return Cell("identical", "good")
    if not pair.differing:
        return Cell("only in the sign of 0")
    return Cell(f"{display.count(pair.differing)} of {display.count(pair.elements)}")


def _difference(value: float | None) -> str:
    return "" if value is None else display.number(value, 3)


def _narrower(pair: Pair) -> str:
    if not pair.identical_in:
        return ""
    return ", ".join(name if same else f"not {name}" for name, same in pair.identical_in.items())


def _rounding_table(roundings: Sequence[InputRounding]) -> Tables:
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("dtype", "left"), [Cell(r.dtype) for r in roundings]),
        (
            Column("became\n±inf"),
            [Cell(_amount(r.overflowed), "bad" if r.overflowed else "") for r in roundings],
        ),
        (
            Column("became\n0"),
            [Cell(_amount(r.underflowed), "lost" if r.underflowed else "") for r in roundings],
        ),
        (Column("changed"), [Cell(_amount(r.changed)) for r in roundings]),
        (Column("rows with\nnew ties"), [Cell(_amount(r.new_ties)) for r in roundings]),
        (Column("smallest"), [Cell(_optional(r.min_logit)) for r in roundings]),
        (Column("largest"), [Cell(_optional(r.max_logit)) for r in roundings]),
    ]
    title = "What rounding the logits to the dtype did to them"
    return Tables(((_table(title, columns),), (_table(title, columns[:5]),)))


def _optional(value: float | None) -> str:
    return "" if value is None else display.number(value)


# The rows of compute ------------------------------------------------------------------------------


def _heading(name: CaseName) -> tuple[str, str]:
    """Name a result in the words of tutorials: log(softmax) is not log-softmax."""
    if name.quantity == "log-softmax" and name.formulation.startswith("log-of-"):
        return "log(softmax)", name.formulation.removeprefix("log-of-")
    return name.quantity, name.formulation


def _row_table(report: ComputeReport, row: ShownRow) -> Tables:
    columns, folded = _columns_shown(report, row)
    values = [_values(report, row, place, columns) for place in range(len(report.results))]
    fixed: list[tuple[Column, list[Cell]]] = [
        (Column("class", "left"), [_class_cell(row, column) for column in columns]),
        (Column("logit"), _aligned([display.number(float(row.logits[c])) for c in columns])),
    ]
    legend = [folded] if folded else []
    if any(part.differs for column in values for part in column):
        legend.append(f"{DIFFERS} not bit-identical to the shifted formulation")
    legend += _row_losses(report, row)
    headings = [_heading(result.name) for result in report.results]
    beside = [_one_line(column) for column in values]
    below = [_two_lines(column) for column in values]
    narrow = [_narrow(column) for column in values]
    title = _row_title(row)

    def grid(cells: Sequence[list[Cell]], places: Sequence[int], *, last: bool = True) -> Grid:
        chosen = [(Column("\n".join(headings[place])), cells[place]) for place in places]
        return _table(title, [*fixed, *chosen], tuple(legend) if last else ())

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


@dataclass(frozen=True, slots=True)
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


def _values(
    report: ComputeReport, row: ShownRow, place: int, columns: Sequence[int]
) -> list[_Value]:
    values, kinds = row.values[place], row.kinds[place]
    stable = _stable(report, place)
    texts = _aligned([display.number(float(values[column])) for column in columns])
    return [
        _Value(
            cell.text,
            str(kinds[column]),
            stable is not None and _differ(values[column], row.values[stable][column]),
        )
        for cell, column in zip(texts, columns, strict=True)
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


def _columns_shown(report: ComputeReport, row: ShownRow) -> tuple[list[int], str]:
    """Choose the classes to show: all, those asked for, or the ones that matter."""
    classes = len(row.logits)
    if report.settings.columns is not None:
        chosen = list(range(classes)[slice(*report.settings.columns)])
        left_out = classes - len(chosen)
        text = f"… {display.plural(left_out, 'class', 'classes')} not shown" if left_out else ""
        return chosen, text
    if classes <= SHOWN_WHOLE:
        return list(range(classes)), ""
    order = np.argsort(-np.nan_to_num(np.asarray(row.logits, np.float64)), kind="stable")
    interesting = {int(column) for column in order[:LARGEST]}
    if row.label is not None and 0 <= row.label < classes:
        interesting.add(row.label)
    interesting |= {first for kinds in row.kinds for first in _first_of_each_kind(kinds)}
    left_out = classes - len(interesting)
    return sorted(interesting), (
        f"… {display.plural(left_out, 'class', 'classes')} not shown; these are the {LARGEST} "
        "largest logits, the label, and the first value of each kind (--columns A:B shows others)"
    )


def _first_of_each_kind(kinds: NDArray[Any]) -> Iterator[int]:
    for kind in dict.fromkeys(np.unique(kinds).tolist()):
        if kind:
            yield int(np.flatnonzero(kinds == kind)[0])


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
    ]
    lines += [
        (quantity, loss.name.formulation, loss.kinds, _loss_cell(loss))
        for quantity, loss in _computed_losses(report.losses)
    ]
    if not lines:
        return
    first = (Column("", "left"), [Cell(f"  {formulation}") for _, formulation, _, _ in lines])
    by_kind = [
        (Column(_headed(kind)), _kind_column([found.get(kind) for _, _, found, _ in lines], kind))
        for kind in kinds
    ]
    folded = (
        Column("findings", "left"),
        [_findings(found, kinds, FINDINGS_ROOM[1]) for _, _, found, _ in lines],
    )
    loss = [(Column("loss"), [cell for *_, cell in lines])] if report.losses else []
    title = f"Over all rows, {dtype}"
    groups = [quantity for quantity, *_ in lines]
    legend = _unavoidable_legend(found for _, _, found, _ in lines)
    yield Tables(
        (
            (_grouped(title, [first, *by_kind, *loss], groups, legend),),
            (_grouped(title, [first, folded, *loss], groups, legend),),
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


# The edges of formats -----------------------------------------------------------------------------


def _limits(report: LimitsReport) -> Iterator[Section]:
    formats = report.formats
    names = (Column("", "left"), [Cell(x.dtype, "strong") for x in formats])

    def table(
        title: str, *columns: tuple[Column, list[Cell]], legend: tuple[str, ...] = ()
    ) -> Grid:
        return _table(title, [names, *columns], legend)

    def column(header: str, text: Callable[[FormatLimits], str]) -> tuple[Column, list[Cell]]:
        return Column(header), [Cell(text(x)) for x in formats]

    def edges(
        header: str, before: Callable[[FormatLimits], float], after: Callable[[FormatLimits], float]
    ) -> tuple[Column, list[Cell]]:
        texts = [display.full(end(x)) for x in formats for end in (before, after)]
        padded = [cell.text for cell in _aligned(texts)]
        pairs = zip(padded[::2], padded[1::2], strict=True)
        return Column(header), [Cell(f"{first}\n{second}") for first, second in pairs]

    without_inf = [x.dtype for x in formats if not x.has_inf]
    legend = (f"{', '.join(without_inf)}: no infinity, overflow gives nan",) if without_inf else ()
    range_table = table(
        "Range",
        column("max finite", lambda x: display.number(x.max_finite)),
        column("smallest\nnormal", lambda x: display.number(x.smallest_normal)),
        column("smallest\nsubnormal", lambda x: display.number(x.smallest_subnormal)),
        legend=legend,
    )
    precision_table = table(
        "Precision",
        column("bits", lambda x: str(x.bits)),
        column("of the significand,\nhidden one included", lambda x: str(x.precision)),
        column("unit\nroundoff", lambda x: f"2^-{x.precision}"),
        column("a sum of ones\nstops at", lambda x: display.count(int(x.sum_of_ones_stalls_at))),
    )
    exp_table = table(
        "Where exp(x) changes",
        edges("is 0 up to\n> 0 from", lambda x: x.exp_last_zero, lambda x: x.exp_first_nonzero),
        edges(
            "subnormal up to\nnormal from",
            lambda x: x.exp_last_subnormal,
            lambda x: x.exp_first_normal,
        ),
        edges(
            "last finite\nfirst overflow",
            lambda x: x.exp_last_finite,
            lambda x: x.exp_first_overflow,
        ),
        legend=("two neighbouring numbers of the format each: every x is one it can represent",),
    )
    yield Tables(((exp_table,),))
    yield Tables(((range_table,),))
    yield Tables(((precision_table,),))
    yield Prose("", tuple(f"{x.dtype}: also {', '.join(x.aliases)}" for x in formats if x.aliases))
