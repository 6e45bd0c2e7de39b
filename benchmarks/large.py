"""Times `softmax-tool compare` on large files, as a whole process: wall time and peak memory.

`python benchmarks/large.py [--rows N] [--classes N] [--csv-rows N] [-- OPTION ...]`; options after
`--` go to `compare`. Files are made in a temporary folder and removed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS_AT_A_TIME = 64


def main() -> None:
    """Make each file, measure, print a line."""
    arguments = parsed()
    print("file                          size     wall   CPU time  peak memory   throughput")
    with tempfile.TemporaryDirectory(prefix="softmax-tool-") as folder:
        array = Path(folder) / "logits.npy"
        write_array(array, arguments.rows, arguments.classes)
        report(array, (arguments.rows, arguments.classes), arguments.options)
        array.unlink()
        text = Path(folder) / "logits.csv"
        write_text(text, arguments.csv_rows, arguments.csv_classes)
        report(text, (arguments.csv_rows, arguments.csv_classes), arguments.options)


def parsed() -> argparse.Namespace:
    """Read the sizes; by default 1 GB of float32, and 200 MB of text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--classes", type=int, default=128_256)
    parser.add_argument("--csv-rows", type=int, default=22_000)
    parser.add_argument("--csv-classes", type=int, default=1000)
    parser.add_argument("options", nargs="*", metavar="OPTION")
    found = parser.parse_args()
    found.options = found.options or ["--dtype", "half"]
    return found


def write_array(path: Path, rows: int, classes: int) -> None:
    """Write float32 logits of a normal distribution, a part at a time."""
    random = np.random.default_rng(0)
    array = np.lib.format.open_memmap(path, "w+", np.float32, (rows, classes))
    for start in range(0, rows, ROWS_AT_A_TIME):
        part = array[start : start + ROWS_AT_A_TIME]
        part[...] = 4 * random.standard_normal(part.shape, np.float32)
    array.flush()


def write_text(path: Path, rows: int, classes: int) -> None:
    """Write logits of six digits as CSV."""
    random = np.random.default_rng(1)
    with path.open("w", encoding="ascii") as stream:
        for start in range(0, rows, ROWS_AT_A_TIME):
            part = 4 * random.standard_normal((min(ROWS_AT_A_TIME, rows - start), classes))
            stream.writelines(",".join(f"{x:.6f}" for x in row) + "\n" for row in part.tolist())


def report(path: Path, shape: tuple[int, int], options: list[str]) -> None:
    """Run the tool once on a file and print what it took."""
    command = [sys.executable, "-m", "softmax_tool.cli", "compare", str(path), "--format", "json"]
    size = path.stat().st_size / 1e6
    before = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(process.args)}: exit code {process.returncode}")  # type: ignore[arg-type]
    peak = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    name = f"{path.name} {shape[0]} × {shape[1]}"
    print(
        f"{name:<26} {size:>6.0f} MB {wall:>6.1f} s {used.ru_utime + used.ru_stime:>8.1f} s "
        f"{peak:>9.0f} MB {size / wall:>7.0f} MB/s",
        flush=True,
    )


if __name__ == "__main__":
    main()
