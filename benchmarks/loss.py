"""Mean cross-entropy of float32 logits with labels: `compute` beside PyTorch, SciPy and NumPy."""

from __future__ import annotations

from benchmarks.measure import Contender, difference, in_turn, make, setting, table

OURS = "softmax-tool compute"


def main() -> None:
    """Make the files, run all in turn, print the table."""
    with setting(__doc__, rows=512, classes=128_256) as chosen:
        shape = chosen.numbers["rows"], chosen.numbers["classes"]
        logits, labels = chosen.folder / "logits.npy", chosen.folder / "labels.npy"
        make("npy", logits, *shape, "float32", 12)
        make("labels", labels, *shape)
        files = logits, labels
        options = ("--op", "ce", "--reduction", "mean")
        contenders = [
            Contender(OURS, chosen.tool_command("compute", logits, "--labels", labels, *options)),
            *chosen.peer("PyTorch", "torch_loss.py", "torch", *files),
            *chosen.peer("import torch", "torch_import.py", "torch"),
            *chosen.peer("SciPy", "scipy_loss.py", "scipy", *files),
            *chosen.peer("NumPy in blocks, 2 threads", "numpy_loss.py", "numpy", *files),
            *chosen.peer("NumPy, load and max", "numpy_max.py", "numpy", logits),
        ]
        costs = in_turn(contenders, chosen.rounds)
        table(difference("PyTorch without its import", costs, "PyTorch", "import torch"), OURS)


if __name__ == "__main__":
    main()
