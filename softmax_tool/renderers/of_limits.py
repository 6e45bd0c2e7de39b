"""What `limits` has to say, in the order in which it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.renderers import display
from softmax_tool.renderers.grids import Cell, Column, Prose, Tables, aligned, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from softmax_tool.renderers.grids import Section
    from softmax_tool.report import FormatLimits, LimitsReport

    Cells = tuple[Column, list[Cell]]
    Formats = Sequence[FormatLimits]


def limits(report: LimitsReport) -> Iterator[Section]:
    """Say where exp changes its nature in each format, then their range and precision."""
    formats = report.formats
    for grid in (
        table(
            "Where exp(x) changes",
            [_names(formats), *_exp_columns(formats)],
            ("two neighbouring numbers of the format each: every x is one it can represent",),
        ),
        table("Range", [_names(formats), *_range_columns(formats)], _without_infinity(formats)),
        table("Precision", [_names(formats), *_precision_columns(formats)]),
    ):
        yield Tables(((grid,),))
    yield Prose("", tuple(f"{x.dtype}: also {', '.join(x.aliases)}" for x in formats if x.aliases))


def _names(formats: Formats) -> Cells:
    return Column("", "left"), [Cell(x.dtype, "strong") for x in formats]


def _exp_columns(formats: Formats) -> list[Cells]:
    return [
        _edges("is 0 up to\n> 0 from", formats, lambda x: (x.exp_last_zero, x.exp_first_nonzero)),
        _edges(
            "subnormal up to\nnormal from",
            formats,
            lambda x: (x.exp_last_subnormal, x.exp_first_normal),
        ),
        _edges(
            "last finite\nfirst overflow",
            formats,
            lambda x: (x.exp_last_finite, x.exp_first_overflow),
        ),
    ]


def _edges(
    header: str, formats: Formats, ends: Callable[[FormatLimits], tuple[float, float]]
) -> Cells:
    """Print two neighbouring numbers, one above the other, with every digit."""
    cells = aligned([display.full(end) for x in formats for end in ends(x)])
    pairs = zip(cells[::2], cells[1::2], strict=True)
    return Column(header), [Cell(f"{first.text}\n{second.text}") for first, second in pairs]


def _range_columns(formats: Formats) -> list[Cells]:
    return [
        (Column("max finite"), [Cell(display.number(x.max_finite)) for x in formats]),
        (Column("smallest\nnormal"), [Cell(display.number(x.smallest_normal)) for x in formats]),
        (
            Column("smallest\nsubnormal"),
            [Cell(display.number(x.smallest_subnormal)) for x in formats],
        ),
    ]


def _without_infinity(formats: Formats) -> tuple[str, ...]:
    without = [x.dtype for x in formats if not x.has_inf]
    return (f"{', '.join(without)}: no infinity, overflow gives nan",) if without else ()


def _precision_columns(formats: Formats) -> list[Cells]:
    return [
        (Column("bits"), [Cell(str(x.bits)) for x in formats]),
        (
            Column("of the significand,\nhidden one included"),
            [Cell(str(x.precision)) for x in formats],
        ),
        (Column("unit\nroundoff"), [Cell(f"2^-{x.precision}") for x in formats]),
        (
            Column("a sum of ones\nstops at"),
            [Cell(display.count(int(x.sum_of_ones_stalls_at))) for x in formats],
        ),
    ]
