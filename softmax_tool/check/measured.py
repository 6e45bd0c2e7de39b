"""How far the results of one subject are off, as values that add."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.check.found import Findings
from softmax_tool.check.tolerance import Seen
from softmax_tool.distances import Distances
from softmax_tool.frozen import frozen
from softmax_tool.summary import largest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.check.tolerance import Tolerance
    from softmax_tool.tally import Results

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


@frozen
class Largest:
    """The largest errors of some elements: in ULP, absolute, and relative."""

    ulp: float | None = None
    absolute: float | None = None
    relative: float | None = None

    def __add__(self, other: Largest) -> Largest:
        return Largest(
            largest(self.ulp, other.ulp),
            largest(self.absolute, other.absolute),
            largest(self.relative, other.relative),
        )


@frozen
class Measured:
    """One computation, candidate or baseline over the rows seen so far.

    `wrong` is of the finite elements that are not correctly rounded and that a tolerance decides
    about; `largest_ulp` is of all. `overlooked` counts results that are not finite and that no
    selected rule is about; `allowed_ulp` is the largest a-priori bound of an element.
    """

    rows: int = 0
    elements: int = 0
    judged: int = 0
    correctly_rounded: int = 0
    beyond: int = 0
    overlooked: int = 0
    allowed_ulp: float = 0.0
    largest_ulp: float = 0.0
    finite: Largest = Largest()
    wrong: Largest = Largest()
    seen: Seen = Seen()
    findings: Findings = field(default_factory=Findings)

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            self.rows + other.rows,
            self.elements + other.elements,
            self.judged + other.judged,
            self.correctly_rounded + other.correctly_rounded,
            self.beyond + other.beyond,
            self.overlooked + other.overlooked,
            max(self.allowed_ulp, other.allowed_ulp),
            max(self.largest_ulp, other.largest_ulp),
            self.finite + other.finite,
            self.wrong + other.wrong,
            self.seen + other.seen,
            self.findings + other.findings,
        )


@frozen
class Errors:
    """The errors of one block of results, and which of them are too large."""

    ulp: Array
    absolute: Array
    relative: Array
    beyond: Mask  # finite, not correctly rounded, and beyond the tolerance
    lost: Mask  # not finite, and not what the exact value rounds to
    intolerable: Mask  # lost, or finite where the exact value is not: beyond every tolerance
    bound: Array  # in ULP

    @classmethod
    def of(cls, results: Results, tolerance: Tolerance, bound: Array) -> Errors:
        """Measure results; `bound` is the a-priori bound of each element in ULP."""
        judged = results.judged
        distances = Distances.of(results.got, results.exact)
        absolute, relative = distances.absolute, distances.relative()
        finite = np.isfinite(results.got)
        # Nothing finite is near these; distances from them may be nan, which no limit is below.
        nowhere = results.exact.infinite | np.isnan(results.exact.hi)
        beyond = nowhere | tolerance.beyond(judged.errors, absolute, relative, bound)
        wrong, lost = beyond & judged.wrong & finite, judged.wrong & ~finite
        never = lost | (wrong & nowhere)
        return cls(judged.errors, absolute, relative, wrong, lost, never, bound)

    def measured(self, results: Results, decided: Mask, findings: Findings) -> Measured:
        """Add up a block; a tolerance decides about the elements of a mask."""
        judged, exact = results.judged, results.exact
        rows, columns = results.got.shape
        counted = judged.counted
        finite = counted & np.isfinite(self.absolute)
        return Measured(
            rows=rows,
            elements=rows * columns,
            judged=int(np.count_nonzero(counted)),
            correctly_rounded=int(np.count_nonzero(counted & ~judged.wrong)),
            beyond=int(np.count_nonzero(self.beyond)),
            allowed_ulp=float(self.bound.max(where=counted, initial=0.0)),
            largest_ulp=_largest_among(judged.errors, counted),
            finite=self._largest(finite),
            wrong=self._largest(decided & judged.wrong & finite),
            seen=_seen(results, counted & np.isfinite(exact.hi)),
            findings=findings,
        )

    def _largest(self, among: Mask) -> Largest:
        if not among.any():
            return Largest()
        every = self.ulp, self.absolute, self.relative
        return Largest(*(_largest_among(errors, among) for errors in every))


def _largest_among(values: Array, among: Mask) -> float:
    """Return the largest of values none of which is negative; 0 where there are none."""
    some = values if among.all() else np.where(among, values, 0.0)
    return float(some.max(initial=0.0))


def _seen(results: Results, among: Mask) -> Seen:
    y = np.where(among, np.abs(results.exact.hi), 0.0)
    in_ulp = results.judged.measured.ruler.in_ulp(y)
    return Seen(float(y.max(initial=0.0)), float(in_ulp.max(initial=0.0)))
