"""Files of logits like a language model's: noise, one class of each row well above the others.

`python -m benchmarks.data KIND PATH ...` writes one: `npy PATH ROWS CLASSES DTYPE MARGIN`,
`labels PATH ROWS CLASSES`, `csv PATH ROWS CLASSES`. The class on top of a row is its label.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SPREAD = 3.0
MARGIN = 12.0
_ELEMENTS_AT_A_TIME = 1 << 22


def blocks(rows: int, classes: int, margin: float = MARGIN) -> Iterator[NDArray[np.float32]]:
    """Yield rows of logits; a margin of 100 makes exp overflow in float32 in every row."""
    random = np.random.default_rng(0)
    step = max(1, _ELEMENTS_AT_A_TIME // classes)
    top = labels(rows, classes)
    for start in range(0, rows, step):
        part = top[start : start + step]
        block = random.standard_normal((len(part), classes), np.float32)
        block *= np.float32(SPREAD)
        block[np.arange(len(part)), part] += np.float32(margin)
        yield block


def labels(rows: int, classes: int) -> NDArray[np.int64]:
    """The class of each row that is on top."""
    return np.random.default_rng(1).integers(0, classes, rows)


def write_npy(path: Path, rows: int, classes: int, dtype: str, margin: float) -> None:
    """Write logits as NPY, a part at a time."""
    description = np.lib.format.dtype_to_descr(np.dtype(dtype))
    header = {"descr": description, "fortran_order": False, "shape": (rows, classes)}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for block in blocks(rows, classes, margin):
            stream.write(block.astype(dtype, copy=False).data)


def write_csv(path: Path, rows: int, classes: int) -> None:
    """Write logits of six decimals as CSV."""
    with path.open("w", encoding="ascii") as stream:
        for block in blocks(rows, classes):
            stream.writelines(",".join(f"{x:.6f}" for x in row) + "\n" for row in block.tolist())


def main(kind: str, path: Path, rows: int, classes: int, *more: str) -> None:
    """Write one file."""
    if kind == "npy":
        dtype, margin = more
        write_npy(path, rows, classes, dtype, float(margin))
    elif kind == "csv":
        write_csv(path, rows, classes)
    else:
        np.save(path, labels(rows, classes))


if __name__ == "__main__":
    _, kind, path, rows, classes, *more = sys.argv
    main(kind, Path(path), int(rows), int(classes), *more)
