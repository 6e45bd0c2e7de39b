"""log-softmax of a CSV into an NPY, beside reading the CSV with NumPy, pandas and polars."""

from __future__ import annotations

from benchmarks.measure import Contender, difference, in_turn, make, setting, table

OURS = "softmax-tool compute"


def main() -> None:
    """Make the file, run all in turn, print the table."""
    with setting(__doc__, rows=100_000, classes=100) as chosen:
        logits = chosen.folder / "logits.csv"
        make("csv", logits, chosen.numbers["rows"], chosen.numbers["classes"])
        options = ("--op", "log-softmax", "--formulation", "shifted", "--dtype", "float32")
        command = chosen.tool_command(
            "compute", logits, *options, "--output", chosen.folder / "results.npy"
        )
        one = "softmax-tool compute --threads 1"
        contenders = [
            Contender(OURS, command),
            Contender(one, (*command, "--threads", "1")),
            *chosen.peer("NumPy, loadtxt", "numpy_loadtxt.py", "numpy", logits),
            *chosen.peer("import numpy", "numpy_import.py", "numpy"),
            *chosen.peer("pandas, read_csv", "pandas_read.py", "pandas", logits),
            *chosen.peer("polars, read_csv", "polars_read.py", "polars", logits),
        ]
        costs = in_turn(contenders, chosen.rounds)
        print(f"{logits.stat().st_size / 1e6:.0f} MB")
        table(difference("loadtxt alone", costs, "NumPy, loadtxt", "import numpy"), OURS)


if __name__ == "__main__":
    main()
