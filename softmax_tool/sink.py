"""Whole results on their way out: every array of a command, block by block, to a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from softmax_tool.formats import find_format
from softmax_tool.formulations import LOSSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from softmax_tool.blocks import BlockOutcome
    from softmax_tool.plan import Options, Plan
    from softmax_tool.report import CaseName, InputInfo, Loss

    Array = NDArray[Any]


class ArraySink(Protocol):
    """Takes whole results as they come: one array a case, in row order."""

    def begin(self, names: Sequence[CaseName], dtypes: Sequence[np.dtype[Any]]) -> None:
        """Say what will come."""

    def write(self, index: int, start_row: int, array: Array) -> None:
        """Take rows of one array: (rows, classes) of a result, (rows,) of a loss, or a scalar."""

    def finish(self, shapes: Sequence[tuple[int, ...]], axis: int) -> None:
        """Say that all has come, with the final shapes and the place of the class axis."""


class Outlet:
    """Hands every case's values on to a sink, elementwise results as they come."""

    def __init__(self, plan: Plan, options: Options, sink: ArraySink) -> None:
        self._names, self._sink = plan.cases, sink
        self._by_row = options.reduction == "none"
        sink.begin(self._names, [find_format(name.dtype).storage for name in self._names])

    def add(self, start: int, outcome: BlockOutcome) -> None:
        """Hand on one block, whose first row has the number `start`."""
        for index, (name, case) in enumerate(zip(self._names, outcome.cases, strict=True)):
            if name.quantity not in LOSSES:
                self._sink.write(index, start, _stored(name, case.values))
            elif self._by_row and case.loss is not None:
                self._sink.write(index, start, _stored(name, case.loss.per_row))

    def finish(self, info: InputInfo, losses: Sequence[Loss]) -> None:
        """Hand on reduced losses, and say what shapes everything has."""
        reduced = {loss.name: loss.value for loss in losses}
        shapes: list[tuple[int, ...]] = []
        for index, name in enumerate(self._names):
            if name.quantity not in LOSSES:
                shapes.append(info.shape)
            elif self._by_row:
                shapes.append(tuple(n for axis, n in enumerate(info.shape) if axis != info.axis))
            else:
                storage = find_format(name.dtype).storage
                self._sink.write(index, 0, np.asarray(reduced[name], storage))
                shapes.append(())
        self._sink.finish(shapes, info.axis)


def _stored(name: CaseName, values: Array) -> Array:
    return np.ascontiguousarray(find_format(name.dtype).stored(values))
