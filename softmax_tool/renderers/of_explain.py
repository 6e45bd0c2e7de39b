"""What `explain` has to say: the steps of one row as they would stand on a blackboard."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from softmax_tool.renderers import display
from softmax_tool.renderers.grids import Cell, Column, Grid, Prose, Row, Section, Tables, aligned
from softmax_tool.renderers.heads import paths_of
from softmax_tool.renderers.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.explanation.report import (
        Entry,
        ExplainReport,
        Gradient,
        RowLoss,
        Step,
        Trouble,
        Way,
    )

    Cells = tuple[Column, list[Cell]]

TEXTBOOK = "<textbook>"
_VANISHED = 1e-300
_LONG_PATTERN = 40  # longer than the bits of a float32
MARK = "◂"
"""Stands beside a value with which something goes wrong."""


def explain(report: ExplainReport) -> Iterator[Section]:
    """Go through the steps, say what the numbers mean, and what happened last."""
    yield _head(report)
    yield _logits(report)
    for number, step in enumerate(report.steps, 2):
        yield _step(report, number, step)
    if report.losses:
        yield _losses(report, len(report.steps) + 2)
    if report.gradient is not None:
        yield _gradient(report, report.gradient, len(report.steps) + 3)
    meaning = tuple(_meaning(report))
    if meaning:
        yield Prose("What the numbers mean", meaning)
    yield Prose("What happened", report.story, stands_out=True)


def _head(report: ExplainReport) -> Prose:
    settings, read = report.settings, report.input
    path = "the textbook's row" if read.paths == (TEXTBOOK,) else paths_of(read.paths)
    label = "" if report.label is None else f", label {report.label}"
    ignored = " (ignored: no loss)" if report.ignored else ""
    classes = display.plural(report.classes, "class", "classes")
    return Prose(
        f"explain: {path}, row {display.count(settings.row)}",
        (
            f"{classes}, stored as {display.visible(read.stored_dtype)}{label}{ignored}",
            f"computed in {settings.dtype}, arithmetic {settings.arithmetic}",
        ),
    )


def _logits(report: ExplainReport) -> Tables:
    logits, dtype = report.logits, report.settings.dtype
    rounded = aligned([display.full(x.rounded) for x in logits])
    first: Cells = (Column("class", "left"), [_class(report, x.column) for x in logits])
    read: Cells = (Column("x\nas read"), aligned([display.full(x.read) for x in logits]))
    held: Cells = (
        Column(f"x in\n{dtype}"),
        [Cell(_above(cell.text, x.bits)) for cell, x in zip(rounded, logits, strict=True)],
    )
    moved: list[Cells] = []
    if any(x.difference for x in logits):
        texts = [display.number(x.difference, 3) if x.difference else "" for x in logits]
        moved.append((Column("moved\nby"), aligned(texts)))
    legend = (_folded(report),) if report.folded else ()
    layouts = ([first, read, held, *moved], [first, held, *moved], [first, held])
    return Tables(tuple((_grid("1  The logits", x, legend),) for x in layouts))


def _folded(report: ExplainReport) -> str:
    classes = display.plural(report.folded, "class", "classes")
    return (
        f"… {classes} not shown, though all are computed with; these are the largest, the label, "
        "where it first breaks, and the worst (--column shows another)"
    )


def _class(report: ExplainReport, column: int) -> Cell:
    notes = []
    if column == report.label and not report.ignored:
        notes.append("label")
    if column == report.settings.column:
        notes.append(MARK)
    return Cell(" ".join([str(column), *notes]), "strong" if notes else "")


def _step(report: ExplainReport, number: int, step: Step) -> Tables:
    title = f"{number}  {step.title}"
    first: Cells = (
        Column("class", "left"),
        [Cell("all")] if step.columns is None else [_class(report, c) for c in step.columns],
    )
    notes = _notes(report, step.name)
    exact = _exact_columns(step)
    together: list[Cells] = [first]
    measured: list[Cells] = [first]
    for place, way in enumerate(step.ways):
        value = (Column(f"{_short(way)}\n{way.expression}"), _values(way.entries))
        truth = (
            [(Column(f"exact\n{way.expression}"), _truths(way.entries))] if place in exact else []
        )
        together += [value, *truth]
        measured += [value, *_errors(way.entries), *truth]
    apart = tuple(
        _grid(
            title if not place else f"{title}, {_short(way)}",
            [
                first,
                (Column(f"{_short(way)}\n{way.expression}"), _values(way.entries)),
                *(
                    [(Column(f"exact\n{way.expression}"), _truths(way.entries))]
                    if place in exact
                    else []
                ),
            ],
            (),
            notes if not place else (),
        )
        for place, way in enumerate(step.ways)
    )
    whole = (_grid(title, columns, (), notes) for columns in (measured, together))
    return Tables((*((grid,) for grid in whole), apart))


def _exact_columns(step: Step) -> set[int]:
    """Return which ways are followed by the true values: the last of those that share them."""
    last = {tuple(map(_truth_text, way.entries)): place for place, way in enumerate(step.ways)}
    return set(last.values())


def _short(way: Way) -> str:
    if way.formulation.startswith("log-of-"):
        return f"of {way.formulation.removeprefix('log-of-')}"
    return "log-softmax" if way.quantity == "log-softmax" else way.formulation


def _values(entries: Sequence[Entry]) -> list[Cell]:
    numbers = aligned([display.on_board(entry.value) for entry in entries])
    return [_value(cell.text, entry) for cell, entry in zip(numbers, entries, strict=True)]


def _errors(entries: Sequence[Entry]) -> list[Cells]:
    """Give the column of errors, where the values are results."""
    if entries[0].ulp is None:
        return []
    return [(Column("off by\nULP"), [Cell(_error(x.ulp), "quiet") for x in entries])]


def _error(ulp: float | None) -> str:
    """Print an error; of a true value that float64 cannot hold it is known to be more than 0."""
    return "> 0" if ulp and ulp < _VANISHED else display.ulp(ulp)


def _value(text: str, entry: Entry) -> Cell:
    word = entry.kind or entry.event
    lines = [_above(text, entry.bits)]
    if word and word != text.strip():
        lines.append(word)
    return Cell("\n".join(lines), KINDS.get(word, "lost") if word else "")


def _above(text: str, pattern: str | None) -> str:
    """Put a value above its bits, a long fraction beneath them in two halves."""
    if pattern is None:
        return text
    if len(pattern) <= _LONG_PATTERN:
        return f"{text}\n{pattern}"
    head, fraction = pattern.rsplit(" ", 1)
    half = len(fraction) // 2
    return f"{text}\n{head}\n{fraction[:half]}\n{fraction[half:]}"


def _truths(entries: Sequence[Entry]) -> list[Cell]:
    return [Cell(cell.text, "good") for cell in aligned([_truth_text(x) for x in entries])]


def _truth_text(entry: Entry) -> str:
    return display.near_one(entry.exact, entry.exact_minus_one)


def _notes(report: ExplainReport, step: str) -> tuple[str, ...]:
    """Say beneath a step what went wrong at it, and on which way; each event once."""
    found: dict[object, str] = {}
    for trouble in report.trouble:
        if trouble.quantity != "gradient" and _stands_at(trouble) == step:
            way = "naive" if trouble.formulation.endswith("naive") else "shifted"
            event = (way, trouble.at_column, trouble.operand, trouble.limit)
            found.setdefault(event, f"{MARK} {way}: {trouble.why}")
    return tuple(found.values())


def _stands_at(trouble: Trouble) -> str:
    """Name the step of the board at which a way goes wrong."""
    if trouble.step in {"log", "subtract"}:
        return "log-sum" if trouble.at_column is None else "log"
    return trouble.step or ("divide" if trouble.quantity == "softmax" else "log")


def _losses(report: ExplainReport, number: int) -> Tables:
    losses = report.losses
    values = aligned([display.on_board(x.nll) for x in losses])
    name: Cells = (Column("log-softmax by", "left"), [Cell(x.formulation) for x in losses])
    nll: Cells = (
        Column("nll\n−log p"),
        [_loss(cell.text, x) for cell, x in zip(values, losses, strict=True)],
    )
    ce = [Cell("the same bits" if x.identical else display.full(x.ce)) for x in losses]
    exact: Cells = (Column("exact"), [Cell(display.on_board(x.exact), "good") for x in losses])
    errors: Cells = (Column("off by\nULP"), [Cell(_error(x.ulp), "quiet") for x in losses])
    title = f"{number}  Pick the label, change the sign: the loss of class {report.label}"
    legend = ("cross-entropy is log-softmax and then nll: the same operations, the same bits",)
    layouts = ([name, nll, (Column("ce"), ce), exact, errors], [name, nll, exact])
    return Tables(tuple((_grid(title, x, legend),) for x in layouts))


def _loss(text: str, loss: RowLoss) -> Cell:
    whole = _above(text, loss.bits) + (f"\n{loss.kind}" if loss.kind else "")
    return Cell(whole, KINDS.get(loss.kind, "lost") if loss.kind else "")


def _gradient(report: ExplainReport, gradient: Gradient, number: int) -> Tables:
    title = f"{number}  What learning follows: the gradient, softmax less the one-hot label t"
    first: Cells = (Column("class", "left"), [_class(report, x) for x in gradient.columns])
    names = [_through(way.formulation) for way in gradient.ways]
    values = [
        (Column(f"through\n{name}"), _values(way.entries))
        for name, way in zip(names, gradient.ways, strict=True)
    ]
    truth: Cells = (Column("exact\np − t"), _truths(gradient.ways[-1].entries))
    measured = [
        [value, *_errors(way.entries)] for value, way in zip(values, gradient.ways, strict=True)
    ]
    notes = tuple(_notes_back(report, gradient))
    apart = tuple(
        _grid(
            f"{number}  The gradient, through {name}" if place else title,
            [first, *columns, truth],
            (),
            notes if name == names[-1] else (),
        )
        for place, (name, columns) in enumerate(zip(names, measured, strict=True))
    )
    together = ([first, *chain.from_iterable(measured), truth], [first, *values, truth])
    return Tables((*((_grid(title, x, (), notes),) for x in together), apart))


def _notes_back(report: ExplainReport, gradient: Gradient) -> Iterator[str]:
    """Say beneath the gradients where each goes wrong, be it on the way there or back."""
    for trouble in report.trouble:
        if trouble.quantity == "gradient":
            yield f"{MARK} {_through(trouble.formulation)}: {trouble.why}"
    shares: dict[str, list[str]] = {}
    for way in gradient.ways:
        if way.lost_share is not None:
            lost = display.fraction(way.lost_share)
            shares.setdefault(lost, []).append(_through(way.formulation))
    told = [f"{lost} through {', '.join(ways)}" for lost, ways in shares.items()]
    if told:
        yield f"lost of the row's gradient: {'; '.join(told)}"


def _through(formulation: str) -> str:
    """Name a way back in so few words that three fit side by side."""
    if formulation.startswith("log-of-"):
        return f"log of {formulation.removeprefix('log-of-')}"
    return "log-softmax"


def _grid(
    title: str, columns: Sequence[Cells], legend: tuple[str, ...], footer: tuple[str, ...] = ()
) -> Grid:
    lines = zip(*(cells for _, cells in columns), strict=True)
    heads = tuple(column for column, _ in columns)
    return Grid(title, heads, tuple(Row(tuple(x)) for x in lines), legend, footer)


def _meaning(report: ExplainReport) -> Iterator[str]:
    """Say what entropy, information and argmax are, in the figures of the row."""
    told = report.information
    if told.entropy is not None and told.entropy_bits is not None and told.perplexity is not None:
        choices = display.near_one(told.perplexity, told.perplexity_minus_one)
        yield (
            f"entropy of the row, −Σ p log p: {display.on_board(told.entropy)} nats, "
            f"{display.on_board(told.entropy_bits)} bits: as uncertain as a choice among "
            f"{choices} equal classes"
        )
    if told.information is not None and told.information_bits is not None:
        assert told.probability is not None  # noqa: S101  (there is a label)
        p = display.near_one(told.probability, told.probability_minus_one)
        yield (
            f"−log p of the label, p = {p}: "
            f"{display.on_board(told.information)} nats, {display.on_board(told.information_bits)} "
            "bits of information: what it would take to be told that it is this class"
        )
        yield (
            "it is also the cross-entropy −Σ t log p of the row against the one-hot label t, in "
            "which every other term is 0"
        )
    if told.entropy is not None:
        yield from _ranks(report)


def _ranks(report: ExplainReport) -> Iterator[str]:
    argmax = report.argmax
    before = _classes(argmax.read, argmax.counts["read"])
    if argmax.kept:
        yield (
            f"argmax: {before} before softmax and after it: softmax keeps the order, so that "
            "choosing the largest needs none"
        )
        return
    rounded = _classes(argmax.rounded, argmax.counts["rounded"])
    each = ", ".join(
        f"{name} softmax {_classes(found, argmax.counts[name])}"
        for name, found in argmax.after.items()
    )
    yield (
        f"argmax: {before} as read, {rounded} in {report.settings.dtype}; after {each}. The true "
        "softmax keeps the order of the rounded logits."
    )


def _classes(named: Sequence[int], count: int) -> str:
    """Name the classes of the largest value, and say how many more there are.

    Examples
    --------
    >>> _classes((), 0), _classes((3,), 1), _classes((0, 1, 4), 3)
    ('no class', 'class 3', 'the 3 classes 0, 1 and 4')
    >>> _classes((0, 1), 9)
    'the 9 classes 0, 1 and 7 more'
    """
    if count < 2:
        return f"class {named[0]}" if named else "no class"
    most, last = named[:-1], str(named[-1])
    if count > len(named):
        most, last = tuple(named), f"{display.count(count - len(named))} more"
    return f"the {display.count(count)} classes {', '.join(map(str, most))} and {last}"
