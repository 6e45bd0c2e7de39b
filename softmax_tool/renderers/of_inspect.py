"""What `inspect` has to say: what was read, in which dtype it survives, and what the labels add."""

from __future__ import annotations

from math import expm1
from typing import TYPE_CHECKING

from softmax_tool.renderers import display
from softmax_tool.renderers.grids import Cell, Column, Prose, Section, Tables, aligned, table
from softmax_tool.renderers.heads import paths_of
from softmax_tool.renderers.kinds import how_many

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from softmax_tool.inspection.report import ClassCount, Headroom, InspectReport, LabelFindings

    Lines = list[tuple[str, str]]


def inspect(report: InspectReport) -> Iterator[Section]:
    """Say what the values are, where they fit, and the verdict last."""
    read = report.input
    yield Prose(
        f"inspect: {paths_of(read.paths)}",
        (f"{display.shape(read.shape)}, stored as {display.visible(read.stored_dtype)}",),
    )
    yield _pairs("Values", _values(report))
    yield _headroom(report.headroom)
    if report.labels is not None:
        yield from _labels(report, report.labels)
    yield Prose("Verdict", report.verdict, stands_out=True)


def _pairs(title: str, lines: Lines) -> Tables:
    columns = [
        (Column("", "left"), [Cell(name) for name, _ in lines]),
        (Column("", "left"), [Cell(text) for _, text in lines]),
    ]
    return Tables(((table(title, columns),),))


def _values(report: InspectReport) -> Lines:
    extent, looks = report.range, report.looks_like
    by_logarithm = report.settings.input == "probs"
    lines = [
        ("rows × classes", f"{display.count(report.rows)} × {display.count(report.classes)}"),
        ("finite values", _span(extent.stored_smallest, extent.stored_largest)),
    ]
    if by_logarithm:
        lines += [
            ("their logarithms", _span(extent.smallest, extent.largest)),
            ("largest of each row, log", _span(extent.smallest_maximum, extent.largest_maximum)),
            ("widest row, log", _optional(extent.widest_span)),
            ("negative", how_many(report.negatives)),
        ]
    else:
        lines += [
            ("largest of each row", _span(extent.smallest_maximum, extent.largest_maximum)),
            ("widest row", _optional(extent.widest_span)),
        ]
    lines += [
        ("nan", how_many(report.nans)),
        ("+inf", how_many(report.positive_infinities)),
        ("0 (masked)" if by_logarithm else "-inf (masked)", how_many(report.masked)),
        ("rows nan by definition", how_many(report.invalid_rows)),
        ("rows whose maximum ties", how_many(report.tied_rows)),
    ]
    counts = {
        "logits": looks.logits,
        "probabilities": looks.probabilities,
        "log-probabilities": looks.log_probabilities,
        "nothing (nan, +inf)": looks.undecided,
    }
    alike = ", ".join(f"{name} {display.count(rows)}" for name, rows in counts.items() if rows)
    lines.append(("rows look like", alike))
    return lines if report.loss is None else [*lines, ("loss that takes them", report.loss)]


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "none"
    return (
        display.number(low) if low == high else f"{display.number(low)} to {display.number(high)}"
    )


def _optional(value: float | None) -> str:
    return "none" if value is None else display.number(value)


def _headroom(rooms: tuple[Headroom, ...]) -> Tables:
    columns = {
        "dtype": (Column("", "left"), [Cell(room.dtype, "strong") for room in rooms]),
        "edge": (
            Column("exp finite\nup to"),
            aligned([display.full(room.exp_last_finite) for room in rooms]),
        ),
        "room": (
            Column("headroom of\nlargest logit"),
            [
                Cell(cell.text, "bad" if room.headroom is not None and room.headroom < 0 else "")
                for cell, room in zip(
                    aligned([_optional(room.headroom) for room in rooms]), rooms, strict=True
                )
            ],
        ),
        "beyond": (
            Column("logits\nbeyond"),
            [Cell(how_many(room.overflowed), "bad" if room.overflowed else "") for room in rooms],
        ),
        "naive": (Column("rows survive\nnaive"), [_survive(room.naive, room) for room in rooms]),
        "shifted": (
            Column("rows survive\nshifted"),
            [_survive(room.shifted, room) for room in rooms],
        ),
    }
    layouts = (
        ("dtype", "edge", "room", "beyond", "naive", "shifted"),
        ("dtype", "room", "beyond", "naive", "shifted"),
        ("dtype", "naive", "shifted"),
    )
    title = "Which dtype would they survive in?"
    return Tables(tuple((table(title, [columns[name] for name in x]),) for x in layouts))


def _survive(rows: int, room: Headroom) -> Cell:
    if not room.rows:
        return Cell("none of 0")
    if rows == room.rows:
        return Cell("all", "good")
    return Cell(f"{display.count(rows)} of {display.count(room.rows)}", "bad")


def _labels(report: InspectReport, labels: LabelFindings) -> Iterator[Section]:
    assert report.input.labels is not None  # noqa: S101  (labels come from somewhere)
    lines: Lines = [
        ("from", f"{paths_of(report.input.labels.paths)} ({report.input.labels.kind})"),
        ("rows counted", display.count(labels.kept)),
        ("rows ignored", how_many(labels.ignored)),
    ]
    undefined = report.rows - labels.kept - labels.ignored
    if undefined:
        lines.append(("rows nan", f"{display.count(undefined)}, counted only by class"))
    if labels.classes_present:
        lines += [
            (
                "classes that occur",
                f"{display.count(labels.classes_present)} of {display.count(report.classes)}",
            ),
            ("most common", _counts(labels.most_common)),
            ("least common", _counts(labels.least_common)),
        ]
    yield _pairs("Labels", [*lines, *_agreement(labels)])
    if labels.worst:
        yield _worst(labels)


def _agreement(labels: LabelFindings) -> Lines:
    """Say how well labels and logits agree; nothing where no row is kept."""
    if labels.mean_loss is None or labels.perplexity is None or labels.mean_entropy is None:
        return []
    accuracy = (
        f"{display.share(labels.correct, labels.kept)}, {display.plural(labels.correct, 'row')}"
    )
    if labels.tied:
        accuracy += f"; {display.plural(labels.tied, 'row')} more if ties go well"
    loss = _nonzero(labels.mean_loss, tiny=labels.mean_loss_is_tiny)
    entropy = _nonzero(labels.mean_entropy, tiny=labels.mean_entropy_is_tiny)
    return [
        ("accuracy", accuracy),
        ("mean loss", f"{loss} nats (guessing: {display.number(labels.uniform_loss)})"),
        ("perplexity", _perplexity(labels.perplexity, labels.mean_loss, labels.mean_loss_is_tiny)),
        ("mean entropy", f"{entropy} nats"),
    ]


def _perplexity(value: float | Decimal, loss: float, is_tiny: bool) -> str:
    """Print the exponential of a loss; where that looks like 1 and is not, by its distance."""
    if is_tiny:
        return "> 1"
    looks_like_one = display.number(value) == "1" and loss > 0
    return display.near_one(1.0, expm1(loss)) if looks_like_one else display.number(value)


def _nonzero(value: float, *, tiny: bool) -> str:
    return "> 0" if tiny else display.number(value)


def _counts(found: tuple[ClassCount, ...]) -> str:
    return ", ".join(f"class {x.label}: {display.count(x.rows)}" for x in found)


def _worst(labels: LabelFindings) -> Tables:
    worst = labels.worst
    losses = [_nonzero(x.loss, tiny=x.loss_is_tiny) for x in worst]
    columns = [
        (Column("row"), [Cell(display.count(x.row)) for x in worst]),
        (Column("label"), [Cell(str(x.label)) for x in worst]),
        (Column("largest\nlogit"), [Cell(str(x.predicted)) for x in worst]),
        (Column("loss"), aligned(losses)),
    ]
    if labels.classes_present is None:
        del columns[1]  # probabilities as labels
    return Tables(((table("Rows of largest loss (explain --row shows one)", columns),),))
