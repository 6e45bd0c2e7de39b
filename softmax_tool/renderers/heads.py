"""What was read and asked for, at the head of a report."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from softmax_tool.ignored import IGNORED_LABEL
from softmax_tool.renderers import display
from softmax_tool.renderers.grids import Prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from softmax_tool.report import Case, InputInfo, Settings


DEMONSTRATION = "<demonstration>"


def head(command: str, read: InputInfo, settings: Settings, extra: Iterable[str]) -> Prose:
    """Say what was read and what was asked for."""
    title, lines = read_lines(command, read)
    asked = (*_asked(settings), *(said for _, said in shown_parts(read, settings)))
    return Prose(title, (*lines, "; ".join(asked), *extra))


def read_lines(command: str, read: InputInfo) -> tuple[str, list[str]]:
    """Say what was read: a title, and lines below it."""
    lines = [f"{display.shape(read.shape)} logits, stored as {display.visible(read.stored_dtype)}"]
    if len(read.shape) > 1 and read.axis % len(read.shape) != len(read.shape) - 1:
        lines[0] += f", classes along axis {read.axis}"
    if read.labels:
        built_in = tuple(read.paths) == (DEMONSTRATION,)
        source = "built in" if built_in else f"from {paths_of(read.labels.paths)}"
        lines.append(f"labels ({read.labels.kind}) {source}")
    return f"{command}: {paths_of(read.paths)}", lines


def paths_of(paths: Sequence[str]) -> str:
    """Name the files that were read, or PATH:COLUMN of one."""
    if tuple(paths) == (DEMONSTRATION,):
        return "the built-in demonstration"
    names = [_path(path) for path in paths]
    if len(names) > 3:
        return f"{names[0]} … {names[-1]} ({display.plural(len(names), 'file')})"
    return ", ".join(names)


def _path(path: str) -> str:
    if path == "-" or path.startswith("-:"):
        return display.visible(f"standard input{path[1:]}")
    return display.visible(path)


def _asked(settings: Settings) -> Iterator[str]:
    if settings.input != "logits":
        yield f"input {settings.input}"
    yield "arithmetic " + ", ".join(settings.arithmetics)
    if {"nll", "ce"} & set(settings.ops):
        yield f"reduction {settings.reduction}"
    if settings.weights is not None:
        yield f"weights from {display.visible(settings.weights)}"
    if settings.label_smoothing:
        yield f"label smoothing {display.number(settings.label_smoothing)}"
    if settings.ignore_index != IGNORED_LABEL:
        yield f"ignore index {settings.ignore_index}"
    if settings.max_ulp is not None:
        yield f"silent error above {display.ulp(settings.max_ulp)} ULP"


def shown_parts(read: InputInfo, settings: Settings) -> Iterator[tuple[bool, str]]:
    """Yield what is shown of rows and of columns, and whether that is anything at all."""
    classes = read.shape[read.axis]
    rows = prod(read.shape) // classes
    for noun, part, total in (("row", settings.rows, rows), ("column", settings.columns, classes)):
        if part is None:
            continue
        if range(total)[slice(*part)]:
            yield True, f"{noun}s {display.bounds(part)} shown"
        else:
            yield False, f"no {noun} shown: {_why_none(part, total)}"


def _why_none(part: tuple[int | None, int | None], total: int) -> str:
    start, stop, _ = slice(*part).indices(total)
    if start < total and stop > 0:
        return f"{display.bounds(part)} is empty"
    return f"there {'is' if total == 1 else 'are'} {display.count(total)}"


def set_aside(cases: Sequence[Case]) -> Iterator[str]:
    """Say what was not judged, of each dtype where rounding to it masks or spoils other rows."""
    masked = _most((case.name.dtype, case.masked) for case in cases)
    invalid = _most((case.name.dtype, case.invalid_rows) for case in cases)
    if any(masked.values()):
        yield f"{_in_each(masked, 'element')} masked (logit -inf), not judged"
    if any(invalid.values()):
        yield f"{_in_each(invalid, 'row')} not judged: a logit is nan or +inf, or all are -inf"


def _most(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the largest count of each dtype: losses leave ignored rows out."""
    most: dict[str, int] = {}
    for dtype, amount in counts:
        most[dtype] = max(most.get(dtype, 0), amount)
    return most


def _in_each(counts: Mapping[str, int], noun: str) -> str:
    """Name counts, one for all dtypes or one for each."""
    different = dict.fromkeys(counts.values())
    if len(different) == 1:
        return display.plural(next(iter(different)), noun)
    return ", ".join(
        f"{display.plural(amount, noun)} in "
        + " and ".join(dtype for dtype, found in counts.items() if found == amount)
        for amount in different
        if amount
    )
