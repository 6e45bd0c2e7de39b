"""What stands below every report: pairs of computations, the rounding of the input, the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.renderers import display
from softmax_tool.renderers.grids import Cell, Column, Prose, Section, Tables, table
from softmax_tool.renderers.kinds import how_many

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.report import InputRounding, Pair


def closing(
    pairs: Sequence[Pair], roundings: Sequence[InputRounding], verdict: Sequence[str]
) -> Iterator[Section]:
    """Say how pairs compare and what rounding the input did, and close with the verdict."""
    if pairs:
        yield _pairs_table(pairs)
    touched = [r for r in roundings if r.overflowed or r.underflowed or r.changed or r.new_ties]
    if touched:
        yield _rounding_table(touched)
    if verdict:
        yield Prose("Verdict", tuple(verdict), stands_out=True)


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
            Column("finite ones\nby at most"),
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
    largest = ["abs"] if any(pair.max_abs_difference is not None for pair in pairs) else []
    in_ulp = ["ulp"] if any(pair.max_ulp_difference is not None for pair in pairs) else []
    layouts = [
        ["dtype", *arithmetic, "pair", "differ", *largest, *in_ulp, *rounded],
        ["dtype", *arithmetic, "pair", "differ", *in_ulp, *rounded],
        ["dtype", "pair", "differ", *rounded],
        ["dtype", "pair", "differ", *in_ulp],
        ["dtype", "pair", "differ"],
    ]
    title = "Bit for bit: do two ways agree?"
    return Tables(tuple((table(title, [columns[name] for name in x]),) for x in layouts))


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
            [Cell(how_many(r.overflowed), "bad" if r.overflowed else "") for r in roundings],
        ),
        (
            Column("became\n0"),
            [Cell(how_many(r.underflowed), "lost" if r.underflowed else "") for r in roundings],
        ),
        (Column("changed"), [Cell(how_many(r.changed)) for r in roundings]),
        (Column("rows with\nnew ties"), [Cell(how_many(r.new_ties)) for r in roundings]),
        (Column("smallest"), [Cell(_optional(r.min_logit)) for r in roundings]),
        (Column("largest"), [Cell(_optional(r.max_logit)) for r in roundings]),
    ]
    title = "What rounding the logits to the dtype did to them"
    return Tables(((table(title, columns),), (table(title, columns[:5]),)))


def _optional(value: float | None) -> str:
    return "" if value is None else display.number(value)
