"""The least that `compare` has to do of float32 logits, in NumPy and two processes.

`numpy_compare.py LOGITS`: naive and shifted log-softmax in correctly rounded functions (but for the
few arguments that float64 gets wrong), their errors in ULP of a float64 reference, the largest of
these, their mean and a histogram. Row by row into the same buffers; no kinds, worst cases, bounds.
"""

import sys
from multiprocessing import get_context
from typing import Any

import numpy as np

Errors = tuple[float, float, list[int]]
EDGES = (0.5, 1, 2, 4, 16, 256)
ONE_OVER_AN_ULP = np.uint64(2 * 1023 + 23 << 52)
EXPONENT = np.uint64(0x7FF << 52)


class Row:
    """What the errors of one row after the other are made in."""

    def __init__(self, classes: int) -> None:
        self.a, self.b, self.true, self.scale = (np.empty(classes) for _ in range(4))
        self.naive, self.shifted, self.e = (np.empty(classes, np.float32) for _ in range(3))

    def errors(self, x: Any) -> list[Errors]:
        """Largest error, their sum and counts beyond each edge, of both formulations."""
        np.copyto(self.a, x)
        np.exp(self.a, out=self.b)
        np.subtract(self.a, np.log(self.b.sum()), out=self.true)
        np.copyto(self.naive, self.b, casting="same_kind")
        np.divide(self.naive, self.naive.sum(), out=self.naive)
        np.copyto(self.b, self.naive)
        np.copyto(self.naive, np.log(self.b, out=self.b), casting="same_kind")
        np.subtract(x, x.max(), out=self.shifted)
        np.copyto(self.b, self.shifted)
        np.copyto(self.e, np.exp(self.b, out=self.b), casting="same_kind")
        self.shifted -= np.log(self.e.sum(), dtype=np.float64).astype(np.float32)
        bits = self.scale.view(np.uint64)
        np.bitwise_and(self.true.view(np.uint64), EXPONENT, out=bits)
        np.subtract(ONE_OVER_AN_ULP, bits, out=bits)
        return [self.beyond(got) for got in (self.naive, self.shifted)]

    def beyond(self, got: Any) -> Errors:
        """What the errors of one result add up to."""
        np.subtract(got, self.true, out=self.b)
        np.multiply(self.b, self.scale, out=self.b)
        np.abs(self.b, out=self.b)
        return self.b.max(), self.b.sum(), [int(np.count_nonzero(self.b > edge)) for edge in EDGES]


def part(rows: range) -> list[list[Errors]]:
    """The errors of some rows, read from the file into one buffer."""
    header = np.load(sys.argv[1], mmap_mode="r")
    offset, classes = header.offset, header.shape[1]
    buffer, row = np.empty(classes, np.float32), Row(classes)
    found = []
    with open(sys.argv[1], "rb") as stream:  # noqa: PTH123
        stream.seek(offset + rows.start * buffer.nbytes)
        for _ in rows:
            stream.readinto(buffer.data.cast("B"))
            found.append(row.errors(buffer))
    return found


if __name__ == "__main__":
    count = len(np.load(sys.argv[1], mmap_mode="r"))
    halves = range(count // 2), range(count // 2, count)
    with get_context("fork").Pool(2) as pool:
        of_rows = [errors for half in pool.map(part, halves) for errors in half]
    for each in zip(*of_rows, strict=True):
        largest, total, counts = zip(*each, strict=True)
        print(max(largest), sum(total), np.sum(counts, axis=0))
