"""From the judgement on a block to the values that add: summaries of cases, pairs and rounding."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import sentences
from softmax_tool.arithmetic.history import NEVER, met
from softmax_tool.arithmetic.masks import both
from softmax_tool.arithmetic.selection import row_any, row_max
from softmax_tool.distances import Distances
from softmax_tool.distinct import count
from softmax_tool.exact import decimals
from softmax_tool.formulations import GRADIENT, LOSSES
from softmax_tool.frozen import frozen
from softmax_tool.kinds import KINDS, NO_KIND, occurring
from softmax_tool.masking import kept
from softmax_tool.origins import Cause
from softmax_tool.peaks import changed_rows
from softmax_tool.rational import exactly_right
from softmax_tool.report import Finding
from softmax_tool.summary import Summary, worst_of
from softmax_tool.tiling import TILE
from softmax_tool.ulp import TINIEST, UlpStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from softmax_tool.diagnose import Judged
    from softmax_tool.distinct import Counts
    from softmax_tool.exact import Exact
    from softmax_tool.formats import FloatFormat
    from softmax_tool.report import Number
    from softmax_tool.rows import Rows

    Array = NDArray[Any]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

# Its errors have no bound; those of a sum that stalls do.
_OVERFLOW, _SILENT = KINDS.index("overflow"), KINDS.index("silent-error")
_NOWHERE = np.zeros((1, 1), bool)


@frozen
class Results:
    """One case on one block: what was computed, what is true, and the judgement."""

    target: FloatFormat
    quantity: str
    got: Array  # (rows, classes), or (rows, 1) for a loss
    judged: Judged
    invalid: Mask  # (rows, 1)
    rows: Rows
    row_numbers: NDArray[np.int64]  # global
    columns: NDArray[np.int64] | None  # of a loss: the label of each row; None where it has none
    listed: Mask  # elements that the list of worst cases may name; broadcasts to `got`
    coefficients: Array | None = None  # of a loss with plain labels: the weight of each row

    @property
    def exact(self) -> Exact:
        """The true values."""
        return self.judged.measured.ruler.exact

    @property
    def is_ranked(self) -> bool:
        """Whether the largest result of a row is what the row says."""
        return self.quantity in {"softmax", "log-softmax"}

    @property
    def is_loss(self) -> bool:
        return self.quantity in LOSSES


def summarise(
    results: Results,
    bound: Callable[[], Array | None] | None,
    top: int,
    listed: float = 0.0,
) -> Summary:
    """Add up one block of one case.

    `bound` makes the a-priori bound of each element, if any; without it errors are not added up,
    and only what has a kind is listed. Where the list of worst cases is full of errors of earlier
    rows, none of which is below `listed`, what is no more than that is not listed either.
    """
    judged, got = results.judged, results.got
    weights = results.rows.weights
    avoidable = (judged.kind != NO_KIND) & ~judged.unavoidable
    summary = Summary(
        top=top,
        rows=len(got),
        elements=got.size if weights is None else int(weights.sum()),
        judged=count(judged.counted, weights),
        kinds=_count_kinds(judged, weights),
        masked=count(judged.masked, weights),
        invalid_rows=int(np.count_nonzero(results.invalid)),
        rows_hit=int(np.count_nonzero(row_any(avoidable))),
        lost_share=lost_share(results, avoidable=True) if results.quantity == GRADIENT else None,
    )
    if bound is None:
        return replace(summary, worst=worst_cases(results, top, range(len(KINDS)), listed))
    right = count(judged.counted & ~judged.wrong, weights)
    ulp = judged.measured.statistics(judged.counted, weights)
    exactly = _exactly_right(results)
    ulp = ulp.with_exact(count(exactly, weights) if exactly.any() else 0)
    return _with_errors(
        replace(summary, correctly_rounded=right), results, ulp, bound, listed, exactly
    )


def _exactly_right(results: Results) -> Mask:
    """Return which results are exactly right; it broadcasts to them."""
    judged = results.judged
    measured = judged.measured
    if measured.infinities is not None:
        return _NOWHERE
    right = judged.counted & (measured.errors == 0)
    if not right.any():
        return _NOWHERE
    exact, logits = results.exact, results.rows.logits
    return exactly_right(right, measured.finite, exact, logits, results.quantity)


def _with_errors(
    summary: Summary,
    results: Results,
    ulp: UlpStatistics,
    bound: Callable[[], Array | None],
    listed: float,
    exactly: Mask,
) -> Summary:
    """Add up errors as well: those in ULP, of what is counted, distances, changes of rank.

    A largest error is 0 only where all of these results are `exactly` right.
    """
    judged = results.judged
    summary = replace(
        summary,
        rank_changes=_rank_changes(results) if results.is_ranked else 0,
        ulp=ulp,
        worst=worst_cases(results, summary.top, listed=listed) if ulp.largest > listed else (),
    )
    if not (judged.counted & judged.measured.finite).any():
        return summary
    distances = Distances.of(results.got, results.exact)
    usable = judged.counted & np.isfinite(distances.absolute)
    max_abs = _largest(distances.absolute, usable, exactly)
    max_rel = _largest(distances.relative(), usable & results.exact.nonzero, exactly)
    bound_ratio, bound_elements = _bound_ratio(distances, bound, usable, results, exactly)
    return replace(
        summary,
        max_abs_error=max_abs,
        max_rel_error=max_rel,
        bound_ratio=bound_ratio,
        bound_elements=bound_elements,
    )


def lost_share(results: Results, *, avoidable: bool) -> float | None:
    """Return the largest share of a row's gradient that is lost: Σ min(|got − g|, |g|) / Σ |g|.

    What is not finite is lost altogether; None where no row has a gradient that is not 0. Of what
    is `avoidable`, both sums are over entries that the format holds: those that do not round to 0.
    True values in float64 leave it some 10⁻¹⁵ off.
    """
    true = np.abs(results.exact.hi)
    if avoidable:
        true = np.where(results.judged.rounded == 0, 0.0, true)
    with np.errstate(all="ignore"):
        missing = Distances.of(results.got, results.exact).absolute
        lost = np.where(np.isfinite(missing), np.minimum(missing, true), true).sum(axis=1)
        whole = true.sum(axis=1)
    there = np.isfinite(whole) & (whole > 0)
    return float((lost[there] / whole[there]).max()) if there.any() else None


def _bound_ratio(
    distances: Distances,
    make_bound: Callable[[], Array | None],
    usable: Mask,
    results: Results,
    exactly: Mask,
) -> tuple[float | None, int]:
    bounded = usable & (results.judged.kind != _OVERFLOW)
    bounded &= ~_past_overflow(results, bounded)
    bound = make_bound() if bounded.any() else None
    if bound is None:
        return None, 0
    bounded &= np.isfinite(bound)
    bounded &= (distances.absolute != 0) | (bound != 0)  # 0 / 0: an exact value of 0 that was met
    ratio = _largest(distances.over(bound), bounded, exactly)
    return ratio, count(bounded, results.rows.weights)


def _past_overflow(results: Results, among: Mask) -> Mask:
    """Tell on the way to which of some elements something overflowed.

    An infinity may leave no trace in what is wrong and finite, nor in the sum that ends the way
    back of a gradient: there it is enough that it is in the row.
    """
    past, traced = np.zeros(among.shape, bool), results.judged.traced
    if traced is None or not among[traced.rows].any():
        return past
    causes = traced.causes
    overflowed = np.zeros((len(traced.rows), 1), bool)
    for (event, _), mask in causes.tracing.happened.items():
        if event == "overflow":
            overflowed |= row_any(mask)
    if overflowed.any():
        hidden = (results.judged.kind[traced.rows] == _SILENT) | (results.quantity == GRADIENT)
        shown = met(causes.history.get("overflow", ()), causes.codes.shape)
        past[traced.rows] = among[traced.rows] & ((overflowed & hidden) | shown)
    return past


def _largest(errors: Array, among: Mask, exactly: Mask) -> float | None:
    """Return the largest of some errors, None where there are none.

    It is 0 only where they are `exactly` right.
    """
    if not among.any():
        return None
    largest = float(kept(errors, among).max())
    return TINIEST if largest == 0 and (among & ~exactly).any() else largest


def _count_kinds(judged: Judged, weights: Counts | None) -> tuple[tuple[int, int, int, int], ...]:
    counts = [(0, 0, 0, 0)] * len(KINDS)
    some_unavoidable = judged.unavoidable.any()
    for code in occurring(judged.kind):
        here = judged.kind == code
        avoidable, unavoidable = here, 0
        if some_unavoidable:
            avoidable = here & ~judged.unavoidable
            unavoidable = count(here & judged.unavoidable, weights)
        rows = int(np.count_nonzero(row_any(here)))
        roots = _count_roots(judged, code, avoidable, weights)
        counts[code] = (count(here, weights), rows, roots, unavoidable)
    return tuple(counts)


def _count_roots(judged: Judged, code: int, among: Mask, weights: Counts | None) -> int:
    """Count the events that some elements of a kind go back to, those of rows that were traced."""
    if judged.traced is None:
        return 0
    rows = judged.traced.rows
    if len(rows) < len(among):
        among, weights = among[rows], None if weights is None else weights[rows]
    return judged.traced.causes.count_roots(code, among, weights)


def _rank_changes(results: Results) -> int:
    """Count rows whose set of largest results is not that of the correctly rounded values."""
    if results.judged.measured.infinities is not None:
        return results.judged.measured.infinities.rank_changes
    got, rounded = results.got, results.judged.rounded
    # None is equal to NaN.
    mine, true = np.flatnonzero(got == row_max(got)), np.flatnonzero(rounded == row_max(rounded))
    return changed_rows(mine, true, got.shape[1])


def worst_cases(
    results: Results,
    top: int,
    kinds: Iterable[int] = (NO_KIND, *range(len(KINDS))),
    listed: float = 0.0,
) -> tuple[Finding, ...]:
    """Return the worst elements, at most one of each kind in a row, so that many rows show."""
    judged = results.judged
    wrong = judged.wrong & (judged.errors > listed) if listed else judged.wrong
    if top == 0 or not wrong.any():
        return ()
    found: list[Finding] = []
    for code in kinds:
        among = both(wrong & (judged.kind == code), results.listed)
        if not among.any():
            continue
        for row, column in _worst_of_rows(results, code, among, top):
            found.append(finding(results, row, column))
    return worst_of(found, top)


def _worst_of_rows(results: Results, code: int, among: Mask, top: int) -> list[tuple[int, int]]:
    """Return the `top` rows with the largest errors of a kind among some, and where these are.

    Within a row it is the largest error; of several, one that began there before one that spread
    there, then the first.
    """
    errors = kept(results.judged.errors, among) - ~among
    largest = row_max(errors)[:, 0]
    rows = np.flatnonzero(largest >= 0)
    if len(rows) > top:
        # Equal errors at the limit all stay; the first of them are taken below.
        limit = np.partition(largest, -top)[-top]
        rows = rows[largest[rows] >= limit]
    equal = errors[rows] == largest[rows, None]
    roots = _began_there(results, code, rows, equal)
    began_there = row_any(roots)[:, 0]
    columns = np.where(began_there, roots.argmax(axis=1), equal.argmax(axis=1))
    order = np.argsort(-largest[rows], kind="stable")[:top]
    return [(int(rows[i]), int(columns[i])) for i in order]


def _began_there(results: Results, code: int, rows: Indices, among: Mask) -> Mask:
    """Tell which elements of a kind, in some rows, go back to nothing but their own column."""
    traced = results.judged.traced
    if traced is None or code == NO_KIND:
        return among
    if not results.is_loss and (traced.place[rows] >= 0).all():
        own = traced.causes.own(code)
        if own is not None:
            return both(among, own[traced.place[rows]])
    roots = np.zeros(among.shape, bool)
    places, columns = np.nonzero(among)
    for start in range(0, len(places), TILE):  # a part at a time: each takes a hundred bytes
        some = places[start : start + TILE], columns[start : start + TILE]
        roots[some] = ~_propagated(results, rows[some[0]], some[1])
    return roots


def _propagated(results: Results, rows: Indices, columns: Indices) -> Mask:
    """Tell which single elements only received what began in another column or in the sum."""
    propagated, traced = np.zeros(len(rows), bool), results.judged.traced
    if traced is None:
        return propagated
    known = (traced.place[rows] >= 0) & (results.judged.kind[rows, columns] != NO_KIND)
    rows, columns = rows[known], columns[known]
    place, causes, own = traced.place[rows], traced.causes, columns
    if results.is_loss:
        own = np.array([-1]) if results.columns is None else results.columns[rows]
        if causes.tracing.distinct is not None:
            own = causes.tracing.distinct[place].places(own[:, None])[:, 0]
    events = causes.at(place, columns)
    propagated[known] = causes.column_of(events.numbers[:, 0]) != own + 1
    return propagated


def finding(results: Results, row: int, column: int) -> Finding:
    """Describe one element: what was computed, what is true, where and why it went wrong."""
    judged = results.judged
    got = float(results.got[row, column])
    code = int(judged.kind[row, column])
    kind = KINDS[code] if code != NO_KIND else None
    own_column, logit = _own_logit(results, row, column)
    number = int(results.row_numbers[row])
    cause, traced = Cause(), judged.traced
    # What is correctly rounded, though 0 or subnormal, went wrong at no step.
    if kind is not None and traced is not None and judged.wrong[row, column]:
        place, tracing = int(traced.place[row]), traced.causes.tracing
        events = traced.causes.at(np.array([place]), np.array([column]))
        event, event_class = int(events.numbers[0, 0]), int(events.classes[0, 0])
        cause = Cause(event=sentences.BEYOND)
        if event != NEVER:
            cause = Cause.of(tracing, event, event_class, place, number)
    propagated = cause.origin is not None and cause.origin.column != own_column
    exact = exact_number(results, row, column)
    ulp = float(judged.errors[row, column])
    why = sentences.why(kind, *cause, results.target, goes_back=results.quantity == GRADIENT)
    return Finding(number, own_column, logit, got, exact, ulp, kind, cause.origin, propagated, why)


def _own_logit(results: Results, row: int, column: int) -> tuple[int | None, float | None]:
    """Return the class that an element is of, and its logit; of a loss those of the label."""
    if not results.is_loss:
        return results.rows.column(row, column), float(results.rows.logits[row, column])
    if results.columns is None:
        return None, None
    label = int(results.columns[row])
    return label, float(results.rows.logits[row, label])


def exact_number(results: Results, row: int, column: int) -> Number:
    """Return one true value; as a decimal where float64 cannot hold its magnitude."""
    exact = results.exact
    value = float(exact.hi[row, column])
    vanished = value == 0 and bool(exact.nonzero[row, column])
    beyond = abs(value) == float("inf") and not exact.infinite[row, column]
    if not (vanished or beyond):
        return value
    logits, column = results.rows.whole_logits[row], results.rows.column(row, column)
    if results.quantity == GRADIENT:
        return _exact_gradient(results, row, column)
    if results.quantity == "softmax":
        return decimals.softmax(logits, column)
    if not results.is_loss:
        return decimals.log_softmax(logits, column)
    if results.columns is None or results.coefficients is None:
        return value
    y = decimals.log_softmax(logits, int(results.columns[row]))
    return decimals.times(y, -float(results.coefficients[row, 0]))


def _exact_gradient(results: Results, row: int, column: int) -> Number:
    """Return an entry too small for float64: c p, of the target c times its log-probability.

    That is all but 1 − p where it is so small. Where several classes are targets it is left at 0.
    """
    if results.columns is None or results.coefficients is None:
        return float(results.exact.hi[row, column])
    logits, c = results.rows.logits[row], float(results.coefficients[row, 0])
    if column == results.columns[row]:
        return decimals.times(decimals.log_softmax(logits, column), c)
    return decimals.times(decimals.softmax(logits, column), c)
