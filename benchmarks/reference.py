"""Time the exact reference, in nanoseconds an element on one thread, beside NumPy's exp.

Softmax and log-softmax of every element, and processor time; medians of runs taken in turn:
`python -m benchmarks.reference [ROUNDS]`.
"""

from __future__ import annotations

import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool import exact
from softmax_tool.block_size import ELEMENTS
from softmax_tool.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

SHAPES = tuple((max(1, ELEMENTS // classes), classes) for classes in (128_256, 1000, 10))
CALLS = 8  # on blocks of the size that the engine works on


def both(logits: NDArray[np.float64], target: FloatFormat) -> None:
    """Make the true softmax and log-softmax: elements are made when they are asked for."""
    reference = exact.reference(logits, target)
    _ = reference.softmax, reference.log_softmax


def nanoseconds(work: Callable[[], object], elements: int) -> float:
    """Return the processor time of one call, an element."""
    start = time.process_time_ns()
    for _ in range(CALLS):
        work()
    return (time.process_time_ns() - start) / (CALLS * elements)


def main(rounds: int) -> None:
    """Run every job in turn, `rounds` times, and print medians."""
    random = np.random.default_rng(1)
    jobs: dict[str, tuple[Callable[[], object], int]] = {}
    for shape in SHAPES:
        x = random.normal(size=shape) * 5
        jobs[f"np.exp, float64, {shape[0]} x {shape[1]}"] = partial(np.exp, x), x.size
        for target in FORMATS.values():
            logits = target.round(x).astype(np.float64)
            name = f"reference for {target.name}, {shape[0]} x {shape[1]}"
            jobs[name] = partial(both, logits, target), x.size
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, (work, elements) in jobs.items():
            times[name].append(nanoseconds(work, elements))
    for name, measured in times.items():
        print(f"{name:45} {statistics.median(measured):7.1f} ns an element")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
