"""How time and memory grow: with the elements, with very wide and very many rows, with findings.

Sizes are powers of ten of elements, from `--smallest` to `--largest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.compare import TWO
from benchmarks.measure import Contender, in_turn, make, setting, table

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Setting

CLEAN, FAILING = 12, 100


def main() -> None:
    """Measure one shape after the other; no two files are on disk at a time."""
    with setting(__doc__, smallest=6, largest=8, wide_rows=100, tall_rows=10**7) as chosen:
        numbers = chosen.numbers
        for power in range(numbers["smallest"], numbers["largest"] + 1):
            measure(chosen, 10 ** (power - 3), 1000, CLEAN)
        measure(chosen, numbers["wide_rows"], 10**6, CLEAN)
        measure(chosen, numbers["tall_rows"], 10, CLEAN)
        findings(chosen, 10 ** (numbers["largest"] - 4))


def measure(chosen: Setting, rows: int, classes: int, margin: int) -> None:
    """Print what `compare` and `compute` take on one file, an element; 0 rows are left out."""
    if not rows:
        return
    logits = chosen.folder / "logits.npy"
    make("npy", logits, rows, classes, "float32", margin)
    costs = in_turn(_contenders(chosen, logits), chosen.rounds)
    elements = rows * classes
    for name, cost in costs.items():
        print(
            f"{rows:>9} × {classes:<9} {name:28} {cost.wall:8.2f} s"
            f"{cost.wall * 1e9 / elements:8.1f} ns wall"
            f"{cost.processor * 1e9 / elements:8.1f} ns CPU an element"
            f"{cost.peak / 1e6:6.0f} MB",
            flush=True,
        )
    logits.unlink()


def findings(chosen: Setting, rows: int) -> None:
    """Print what it costs that every row fails, and to list the worst cases."""
    clean, failing = chosen.folder / "clean.npy", chosen.folder / "failing.npy"
    make("npy", clean, rows, 1000, "float32", CLEAN)
    make("npy", failing, rows, 1000, "float32", FAILING)
    contenders = [
        Contender(f"{name}, --top {top}", (*_comparing(chosen, path), "--top", str(top)))
        for name, path in (("clean", clean), ("every row fails", failing))
        for top in (10, 0)
    ]
    table(in_turn(contenders, chosen.rounds), contenders[0].name)


def _contenders(chosen: Setting, logits: Path) -> list[Contender]:
    computing = ("compute", logits, "--op", "softmax", "--formulation", "shifted")
    return [
        Contender("compare naive and shifted", _comparing(chosen, logits)),
        Contender("compute softmax", chosen.tool_command(*computing)),
    ]


def _comparing(chosen: Setting, logits: Path) -> tuple[str, ...]:
    report = ("--format", "json", "-o", chosen.folder / "report.json")
    return chosen.tool_command("compare", logits, "--dtype", "float32", *TWO, *report)


if __name__ == "__main__":
    main()
