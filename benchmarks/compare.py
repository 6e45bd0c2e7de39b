"""`compare` of float32 logits, and of float16 ones in half, beside a PyTorch script.

The script takes log(naive softmax), log-softmax and a float64 reference, and how far the two are
off at most and on average; it has no ULP, no kinds and no worst cases. Of float32, a NumPy script
does the least that is needed for errors in ULP and a histogram of them.
"""

from __future__ import annotations

from benchmarks.measure import Contender, in_turn, make, setting, table

TWO = ("--op", "log-softmax", "--formulation", "naive", "--formulation", "shifted")


def main() -> None:
    """Make a file of each format, run all in turn on it, print the tables."""
    with setting(__doc__, rows=512, classes=128_256) as chosen:
        shape = chosen.numbers["rows"], chosen.numbers["classes"]
        for dtype in ("float32", "float16"):
            logits = chosen.folder / f"{dtype}.npy"
            make("npy", logits, *shape, dtype, 12)
            report = ("--dtype", dtype, "--format", "json", "-o", chosen.folder / "report.json")
            command = chosen.tool_command("compare", logits, *report)
            ours = "compare, log-softmax naive and shifted"
            contenders = [
                Contender(ours, (*command, *TWO)),
                Contender("compare, everything", command),
                *chosen.peer("PyTorch", "torch_compare.py", "torch", logits),
            ]
            if dtype == "float32":
                least = "the least of it in NumPy, 2 processes"
                contenders += chosen.peer(least, "numpy_compare.py", "numpy", logits)
            print(f"{dtype}, {shape[0]} × {shape[1]}, {logits.stat().st_size / 1e6:.0f} MB")
            table(in_turn(contenders, chosen.rounds), ours)
            logits.unlink()


if __name__ == "__main__":
    main()
