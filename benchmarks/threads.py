"""`compare` and `compute` with one thread and with two."""

from __future__ import annotations

from benchmarks.compare import TWO
from benchmarks.measure import Contender, in_turn, make, setting, table


def main() -> None:
    """Make the files, run one thread and two in turn, print the tables."""
    with setting(__doc__, rows=512, classes=128_256) as chosen:
        shape = chosen.numbers["rows"], chosen.numbers["classes"]
        logits, labels = chosen.folder / "logits.npy", chosen.folder / "labels.npy"
        make("npy", logits, *shape, "float32", 12)
        make("labels", labels, *shape)
        report = ("--format", "json", "-o", chosen.folder / "report.json")
        for name, command in (
            ("compare", ("compare", logits, "--dtype", "float32", *TWO, *report)),
            ("compute", ("compute", logits, "--op", "ce", "--labels", labels)),
        ):
            contenders = [
                Contender(
                    f"{name} --threads {count}", chosen.tool_command(*command, "--threads", count)
                )
                for count in (1, 2)
            ]
            table(in_turn(contenders, chosen.rounds), contenders[1].name)


if __name__ == "__main__":
    main()
