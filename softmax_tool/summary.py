"""Sums over blocks: frozen values that add, in any order and grouping to the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.frozen import frozen
from softmax_tool.kinds import KINDS
from softmax_tool.report import Finding, KindCounts
from softmax_tool.ulp import UlpStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable

    Counts = tuple[int, int, int, int]  # elements, rows, roots, unavoidable

_NO_KINDS: tuple[Counts, ...] = ((0, 0, 0, 0),) * len(KINDS)


def largest(*values: float | None) -> float | None:
    """Return the largest of values, of which None stands for "there is none"."""
    there = [value for value in values if value is not None]
    return max(there) if there else None


def smallest(*values: float | None) -> float | None:
    """Return the smallest of values, of which None stands for "there is none"."""
    there = [value for value in values if value is not None]
    return min(there) if there else None


def _severity(finding: Finding) -> tuple[float, int, int]:
    """Order findings: largest error first, then by place."""
    column = -1 if finding.column is None else finding.column
    return -finding.ulp, finding.row, column


def worst_of(findings: Iterable[Finding], top: int) -> tuple[Finding, ...]:
    """Return the `top` worst findings, worst first."""
    return tuple(sorted(findings, key=_severity)[:top])


@frozen
class Summary:
    """All that is known of one case over the rows seen so far."""

    top: int
    rows: int = 0
    elements: int = 0
    judged: int = 0
    kinds: tuple[Counts, ...] = _NO_KINDS
    masked: int = 0
    invalid_rows: int = 0
    rank_changes: int = 0
    rows_hit: int = 0
    correctly_rounded: int = 0
    ulp: UlpStatistics = UlpStatistics()
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    bound_ratio: float | None = None
    bound_elements: int = 0
    lost_share: float | None = None
    worst: tuple[Finding, ...] = ()

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            max(self.top, other.top),
            self.rows + other.rows,
            self.elements + other.elements,
            self.judged + other.judged,
            _all_added(self.kinds, other.kinds),
            self.masked + other.masked,
            self.invalid_rows + other.invalid_rows,
            self.rank_changes + other.rank_changes,
            self.rows_hit + other.rows_hit,
            self.correctly_rounded + other.correctly_rounded,
            self.ulp + other.ulp,
            largest(self.max_abs_error, other.max_abs_error),
            largest(self.max_rel_error, other.max_rel_error),
            largest(self.bound_ratio, other.bound_ratio),
            self.bound_elements + other.bound_elements,
            largest(self.lost_share, other.lost_share),
            worst_of((*self.worst, *other.worst), max(self.top, other.top))
            if other.worst
            else self.worst,
        )

    def kind_counts(self) -> dict[str, KindCounts]:
        """Return the kinds that occurred."""
        return {
            kind: KindCounts(*counts)
            for kind, counts in zip(KINDS, self.kinds, strict=True)
            if counts[0]
        }


def _all_added(a: tuple[Counts, ...], b: tuple[Counts, ...]) -> tuple[Counts, ...]:
    if b == _NO_KINDS:
        return a
    return tuple(_add(mine, its) for mine, its in zip(a, b, strict=True))


def _add(a: Counts, b: Counts) -> Counts:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])


@frozen
class PairSummary:
    """Two cases element by element, over the rows seen so far."""

    elements: int = 0
    differing: int = 0
    max_abs_difference: float | None = None
    max_ulp_difference: float | None = None
    differs_in: tuple[bool, ...] = ()  # rounded to each known narrower format

    def __add__(self, other: PairSummary) -> PairSummary:
        narrower = zip(
            self.differs_in or (False,) * len(other.differs_in),
            other.differs_in or (False,) * len(self.differs_in),
            strict=True,
        )
        return PairSummary(
            self.elements + other.elements,
            self.differing + other.differing,
            largest(self.max_abs_difference, other.max_abs_difference),
            largest(self.max_ulp_difference, other.max_ulp_difference),
            tuple(a or b for a, b in narrower),
        )


@frozen
class RoundingSummary:
    """What rounding the input to a format did, over the rows seen so far."""

    overflowed: int = 0
    underflowed: int = 0
    changed: int = 0
    new_ties: int = 0
    min_logit: float | None = None
    max_logit: float | None = None
    far_apart: int = 0

    def __add__(self, other: RoundingSummary) -> RoundingSummary:
        return RoundingSummary(
            self.overflowed + other.overflowed,
            self.underflowed + other.underflowed,
            self.changed + other.changed,
            self.new_ties + other.new_ties,
            smallest(self.min_logit, other.min_logit),
            largest(self.max_logit, other.max_logit),
            self.far_apart + other.far_apart,
        )
