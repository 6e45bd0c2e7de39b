"""The kinds of what goes wrong: their order, their marks, and how counts of them are printed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from softmax_tool.renderers import display
from softmax_tool.renderers.grids import Cell, Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from softmax_tool.report import KindCounts, Loss


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


FINDINGS_ROOM = (44, 30, 20)
"""Widths of a column that lists all kinds, from the widest layout to the narrowest."""


def headed(kind: str) -> str:
    """Break the name of a kind at its last hyphen, for a narrow column."""
    return "-\n".join(kind.rsplit("-", 1))


def kind_column(counts: Sequence[KindCounts | None], kind: str) -> list[Cell]:
    """Print avoidable counts, and the unavoidable ones in brackets, each aligned by itself."""
    avoidable = [
        how_many(count.elements - count.unavoidable) if count else NOTHING for count in counts
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


def findings(found: Mapping[str, KindCounts], kinds: Sequence[str], room: int) -> Cell:
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


def how_many(amount: int) -> str:
    """Print a count, zero as a sign that hardly shows."""
    return display.count(amount) if amount else NOTHING


def unavoidable_legend(all_kinds: Iterable[Mapping[str, KindCounts]]) -> tuple[str, ...]:
    """Explain the counts in brackets, where there are any."""
    if any(count.unavoidable for kinds in all_kinds for count in kinds.values()):
        return ("(n) unavoidable: the correctly rounded result itself is 0 or subnormal",)
    return ()


def loss_cell(loss: Loss | None) -> Cell:
    """Print a reduced loss."""
    if loss is None:
        return Cell("")
    if loss.value is None:
        return Cell("per row", "quiet")
    return Cell(display.number(loss.value), "" if math.isfinite(loss.value) else "bad")
