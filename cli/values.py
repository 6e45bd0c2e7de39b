"""Whole arrays of `compute`: on their way to a file, and kept for a report that writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from softmax_tool.report import CaseName, ComputeReport
    from softmax_tool.writers.arrays import ArrayWriter, ValuesWriter


class Values:
    """A sink for arrays that hands each block to every writer; leaving it early forgets them all.

    Parameters
    ----------
    path : str or None
        The file that the arrays go to.
    keep : bool
        Whether `put_into` is to have them.
    """

    def __init__(self, path: str | None, *, keep: bool) -> None:
        self._path = path
        self._keep = keep
        self._names: tuple[CaseName, ...] = ()
        self._kept: ValuesWriter | None = None
        self._writers: list[ArrayWriter] = []

    @property
    def wanted(self) -> bool:
        """Whether anybody wants the arrays."""
        return self._keep or self._path is not None

    def begin(self, names: Sequence[CaseName], dtypes: Sequence[np.dtype[Any]]) -> None:
        """Open the writers, now that it is known which arrays there are."""
        from softmax_tool.writers.arrays import open_arrays, open_values  # noqa: PLC0415  # 1 ms

        self._names = tuple(names)
        if self._path is not None:
            keys = [f"{name.quantity}/{name.formulation}/{name.dtype}" for name in names]
            self._writers.append(open_arrays(self._path, keys, dtypes))
        if self._keep:
            self._kept = open_values(dtypes)
            self._writers.append(self._kept)

    def write(self, index: int, start_row: int, block: NDArray[Any]) -> None:
        """Take the next block of array `index`."""
        for writer in self._writers:
            writer.write(index, start_row, block)

    def finish(self, shapes: Sequence[tuple[int, ...]], axis: int) -> None:
        """Write the file, and keep what is to be kept."""
        for writer in self._writers:
            writer.finish(shapes, axis)

    def put_into(self, report: ComputeReport) -> ComputeReport:
        """Give the report with whole values, where they were kept."""
        if self._kept is None:
            return report
        arrays = dict(zip(self._names, self._kept.arrays, strict=True))
        results = (replace(result, values=arrays[result.name]) for result in report.results)
        return replace(report, results=tuple(results))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.abort()
