"""From results to findings: which elements went wrong, what kind it is, and where it began.

Most elements of most blocks are right or wrong by rounding alone; that is decided from the results.
Only rows that hold something else are computed once more under a trace.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from softmax_tool.arithmetic.history import met
from softmax_tool.arithmetic.masks import both, either
from softmax_tool.arithmetic.selection import row_any
from softmax_tool.arithmetic.tracing import EVENTS, Traced, Tracing, is_subnormal, is_tiny
from softmax_tool.causes import Causes, Events
from softmax_tool.frozen import frozen
from softmax_tool.kinds import CODE, KINDS, NO_KIND, mark
from softmax_tool.masking import choose, put
from softmax_tool.measured import Measured
from softmax_tool.row_sets import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from softmax_tool.arithmetic.history import History
    from softmax_tool.formats import FloatFormat
    from softmax_tool.infinities import Infinities
    from softmax_tool.ulp import Ruler

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


class Computation(Protocol):
    """One case on one block of rows, to be run again on some of them."""

    @property
    def target(self) -> FloatFormat:
        """The format of its results."""

    @property
    def sums_are_wide(self) -> bool:
        """Whether its arithmetic cannot stall."""

    @property
    def least_threshold(self) -> float:
        """What no such threshold is below."""

    def thresholds(self, rows: Array) -> Array:
        """Return the ULP error above which an element of those rows is a silent error."""

    def trace(self, rows: Array) -> tuple[Tracing, Traced]:
        """Compute those rows under a trace."""

    def replayed(self, rows: Array) -> Replayed:
        """Prepare to run those rows again."""


class Replayed(Protocol):
    """Some rows of a case, to be run again and again."""

    def errors(self, last: int) -> Array:
        """Return ULP errors with operations up to `last` rounded and the later ones not."""

    def culprits(self, operation: int, columns: Array) -> Array:
        """Return the column whose rounding in an operation moved each result; 0 for none."""


@frozen
class Judged:
    """The judgement on one block of results.

    Arrays have the results' shape. `kind` indexes `KINDS`, `NO_KIND` where there is none.
    """

    measured: Measured
    wrong: Mask  # counted elements that are not correctly rounded
    counted: Mask  # of valid rows, but for masked elements whose result is exact
    masked: Mask
    kind: NDArray[np.int8]
    unavoidable: Mask
    traced: TracedRows | None

    @property
    def rounded(self) -> Array:
        """The correctly rounded exact values."""
        return self.measured.ruler.rounded

    @property
    def errors(self) -> Array:
        """Errors in ULP."""
        return self.measured.errors


@frozen
class TracedRows:
    """The rows that needed a trace; `place[row]` finds a block's row in it, -1 for none."""

    place: NDArray[np.int64]
    causes: Causes

    @property
    def rows(self) -> NDArray[np.intp]:
        """Which rows of the block these are."""
        return np.flatnonzero(self.place >= 0)


def judge(
    got: Array,
    ruler: Ruler,
    invalid: Mask,
    masked: Mask,
    computation: Computation | None,
    infinities: Infinities | None = None,
) -> Judged:
    """Judge results against exact values.

    Parameters
    ----------
    got : array, shape (rows, classes), or (rows, 1) for a loss
        Results, in the carrier of the format.
    ruler : Ruler
        True values of the same shape.
    invalid : bool array, shape (rows, 1)
        Rows that are NaN by definition; not judged.
    masked : bool array, which broadcasts to the results
        Elements whose logit is -inf; not judged where the result is the exact one.
    computation : Computation or None
        How to run rows again; None for the exact values themselves, which have no operations.
    infinities : Infinities or None
        What is known of results of which none is finite; all true values are, and none is masked.
    """
    measured = Measured(got, ruler, infinities)
    same = measured.right
    aside = both(both(same, masked), ~invalid)
    counted = both(~aside, ~invalid)
    wrong = counted & ~same
    kind = np.full(got.shape, NO_KIND, np.int8)
    unavoidable = _judge_unavoidable(got, ruler, counted & same, kind)
    traced = None
    if computation is not None:
        traced = _judge_wrong(measured, wrong, computation, kind)
    return Judged(measured, wrong, counted, aside, kind, unavoidable, traced)


def _judge_unavoidable(got: Array, ruler: Ruler, right: Mask, kind: NDArray[np.int8]) -> Mask:
    """Mark correctly rounded results that are 0 or subnormal all the same."""
    if not right.any():
        return right
    small = right & is_tiny(got, ruler.target)
    if not small.any():
        return small
    vanished = small & (got == 0) & ruler.exact.nonzero
    subnormal = small & (got != 0)
    mark(kind, vanished, CODE["underflow"])
    mark(kind, subnormal, CODE["subnormal"])
    return np.asarray(vanished | subnormal)


def _judge_wrong(
    measured: Measured, wrong: Mask, computation: Computation, kind: NDArray[np.int8]
) -> TracedRows | None:
    """Give every element that needs one its kind and its first event."""
    got, ruler = measured.got, measured.ruler
    finite = measured.finite
    suspicious, silent = wrong, np.zeros(got.shape, bool)
    if computation.sums_are_wide and finite.any():
        suspicious = wrong & (is_tiny(got, ruler.target) | ~finite)
    # What is 0 or not finite is so called, and not silent.
    far = wrong & finite
    if far.any():
        far &= (measured.errors > computation.least_threshold) & ~((got == 0) & ruler.exact.nonzero)
    rows = np.flatnonzero(row_any(far))
    if rows.size:
        silent[rows] = far[rows] & (measured.errors[rows] > computation.thresholds(rows))
    rows = np.flatnonzero(row_any(suspicious) | row_any(silent))
    if not rows.size:
        return None
    tracing, traced = computation.trace(rows)
    if rows.size < len(got):
        got, wrong, silent = (rows_of(array, rows) for array in (got, wrong, silent))
        ruler = ruler[rows]
    codes = _kinds(got, ruler, wrong, silent, traced.history, tracing)
    causes = Causes(codes, tracing, traced.history, traced.columns)
    unexplained = causes.unexplained()
    if tracing.working != tracing.result:
        unexplained = either(
            unexplained, _was_off_before(traced, codes, causes, ruler, got, tracing)
        )
    if unexplained.any():
        replays = _Replays(causes.events, tracing, traced.columns, unexplained)
        replays.explain(rows, codes, measured.errors[rows], computation)
        causes = replace(causes, replayed=causes.events)
    if rows.size == len(kind):
        np.maximum(kind, codes, out=kind)
    else:
        kind[rows] = np.maximum(kind[rows], codes)
    place = np.full(len(kind), -1, np.int64)
    place[rows] = np.arange(len(rows))
    return TracedRows(place, causes)


def _kinds(
    got: Array,
    ruler: Ruler,
    wrong: Mask,
    silent: Mask,
    history: Mapping[str, History],
    tracing: Tracing,
) -> NDArray[np.int8]:
    """Return the kind of each wrong element: the first in the order of `KINDS` that fits.

    True values are made where one must be looked at.
    """

    def had(event: str) -> Mask:
        return met(history.get(event, ()), got.shape)

    def lost(operation: str) -> Mask:
        return both(had("zero"), _any_of(tracing.singular[operation], got.shape))

    def large() -> Mask:
        return np.asarray(np.abs(ruler.exact.hi) >= ruler.target.smallest_normal)

    conditions: dict[str, Callable[[], Mask]] = {
        "overflow": lambda: had("overflow"),
        "zero-denominator": lambda: both(np.isnan(got), lost("divide")),
        "log-of-zero": lambda: both(~(np.isfinite(got) | ruler.exact.infinite), lost("log")),
        "absorbed": lambda: (got == 0) & large(),
        "underflow": lambda: (got == 0) & ruler.exact.nonzero & ~large(),
        "nan": lambda: np.isnan(got),
        "inf": lambda: np.isinf(got),
        "stalled-sum": lambda: had("stalled"),
        "silent-error": lambda: silent,
        "subnormal": lambda: is_subnormal(got, ruler.target),
    }
    codes, left = np.full(got.shape, NO_KIND, np.int8), wrong
    for kind in KINDS:
        fits = both(left, conditions[kind]())
        if fits.all():
            codes.fill(CODE[kind])
            break
        if fits.any():
            mark(codes, fits, CODE[kind])
            left = left & ~fits
            if not left.any():
                break
    return codes


def _was_off_before(
    traced: Traced,
    codes: NDArray[np.int8],
    causes: Causes,
    ruler: Ruler,
    got: Array,
    tracing: Tracing,
) -> Mask:
    """Return which subnormal results were off by most of their error before the last rounding.

    That is to the format of the results, from a wider one: what it is that lost bits there need not
    have moved the result.
    """
    last = tracing.tape[traced.operation]
    off = codes == CODE["subnormal"]
    if last.stored is None or not off.any():
        return np.zeros(codes.shape, bool)
    moved = np.abs(last.stored.astype(np.float64) - last.result)
    if moved.shape[1] > codes.shape[1]:  # of which a loss picks one
        moved = np.take_along_axis(moved, np.maximum(traced.columns - 1, 0), axis=1)
    here = causes.events.numbers // causes.stride == traced.operation
    return np.asarray(off & here & (2 * moved < np.abs(got - ruler.exact.hi)))


def _any_of(masks: list[Mask], shape: tuple[int, ...]) -> Mask:
    """Return where any operation met a singular operand, spread over rows where shapes differ."""
    result = np.zeros((shape[0], 1), bool)
    for mask in masks:
        fits = mask.shape[1] in {1, shape[1]}
        result = either(result, mask if fits else row_any(mask))
    return result


@frozen
class _Replays:
    """Finds where errors without an event began, and writes it into `events`."""

    events: Events
    tracing: Tracing
    columns: NDArray[np.int64]
    unexplained: Mask

    def explain(
        self, rows: Array, codes: NDArray[np.int8], errors: Array, computation: Computation
    ) -> None:
        """Replay with ever more operations rounded, until the element is wrong.

        Wrong is a silent error that is above its threshold, anything else when half of its error
        is there.
        """
        unexplained = self.unexplained
        local = np.flatnonzero(row_any(unexplained))
        above = np.nextafter(computation.thresholds(rows[local]), np.inf)
        limits = choose(codes[local] == CODE["silent-error"], above, errors[local] / 2)
        replayed = computation.replayed(rows[local])
        # Beside a result near 0, what hardly rounds may be off by more than the limit.
        noise = replayed.errors(-1)
        limits = np.where(noise >= limits, np.minimum(2 * noise, errors[local]), limits)
        columns = np.broadcast_to(self.columns, (len(codes), self.columns.shape[1]))[local]
        for last in range(len(self.tracing.tape)):
            wrong = unexplained[local] & (replayed.errors(last) >= limits)
            if wrong.any():
                culprits = np.zeros(codes.shape, np.int64)
                culprits[local] = np.where(wrong, replayed.culprits(last, columns), 0)
                self._write(last, culprits)
                unexplained = unexplained & (culprits == 0)
            if not unexplained.any():
                return

    def _write(self, operation: int, culprits: NDArray[np.int64]) -> None:
        """Name the element's event at that operation: that of the column which moved it.

        Without any it was rounding, there or in what belongs to the row; or a clamp.
        """
        made, found = self.tracing.tape[operation], culprits != 0
        # Of an operation with one value a row, that value; it may belong to a column.
        columns = choose(
            culprits < 0, np.broadcast_to(made.columns[:, :1], (len(found), 1)), culprits
        )
        classes = np.full(found.shape, -1, np.int8)
        for code, name in enumerate(EVENTS):
            mask = self.tracing.happened.get((name, operation))
            if mask is not None:
                places = np.minimum(np.maximum(columns - 1, 0), mask.shape[1] - 1)
                mask = np.broadcast_to(mask, (len(found), mask.shape[1]))
                mark(classes, np.take_along_axis(mask, places, axis=1) & (classes == -1), code)
        put(self.events.numbers, operation * self.tracing.stride + columns, found)
        put(self.events.classes, classes, found)
