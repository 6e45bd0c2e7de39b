"""A candidate of float32 log-softmax: `check` beside a script that compares with SciPy in float64.

The script takes the differences and nothing else: no bounds, no order, no sums of rows.
"""

from __future__ import annotations

from benchmarks.measure import Contender, in_turn, make, run, setting, table

OURS = "check, candidate"
QUANTITY = ("--op", "log-softmax", "--dtype", "float32")


def main() -> None:
    """Make the files, run all in turn, print the table."""
    with setting(__doc__, rows=512, classes=128_256) as chosen:
        shape = chosen.numbers["rows"], chosen.numbers["classes"]
        logits, candidate = chosen.folder / "logits.npy", chosen.folder / "candidate.npy"
        make("npy", logits, *shape, "float32", 12)
        shifted = (*QUANTITY, "--formulation", "shifted", "--output", candidate)
        run(chosen.tool_command("compute", logits, *shifted))
        check = chosen.tool_command("check", logits, *QUANTITY)
        contenders = [
            Contender(OURS, (*check, "--candidate", str(candidate))),
            Contender("check, formulations", check),
            *chosen.peer("SciPy", "scipy_check.py", "scipy", logits, candidate),
        ]
        table(in_turn(contenders, chosen.rounds), OURS)


if __name__ == "__main__":
    main()
