"""The whole way from a source to a report: blocks, threads, order, progress."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import crew, declared, weight_rounding
from softmax_tool.ahead import thread_count
from softmax_tool.arithmetic import working_format
from softmax_tool.block_size import block_rows
from softmax_tool.blocks import Earlier
from softmax_tool.counting import label_counts
from softmax_tool.declared import Sighting
from softmax_tool.errors import UsageError
from softmax_tool.exact.number import of_number
from softmax_tool.formats import FORMATS, exp_edges, find_format, narrower_than
from softmax_tool.formulations import EXACT, GRADIENT, LOSSES
from softmax_tool.input_info import input_info, nothing_to_look_at, row_count
from softmax_tool.job import Job
from softmax_tool.plan import Options, Plan, ieee_formats, plan, stored_format
from softmax_tool.reduced_loss import LossRows, ReducedLoss
from softmax_tool.report import (
    Case,
    CaseName,
    CompareReport,
    ComputeReport,
    FormatLimits,
    InputInfo,
    InputRounding,
    LimitsReport,
    Loss,
    Pair,
    Result,
    Settings,
)
from softmax_tool.screening import Seen
from softmax_tool.shown import ShownRows
from softmax_tool.sink import Outlet
from softmax_tool.summary import PairSummary, RoundingSummary, Summary
from softmax_tool.ulp import HISTOGRAM_EDGES, TINIEST, Ruler
from softmax_tool.verdict import verdict
from softmax_tool.whole_rows import ChosenRows, are_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.blocks import BlockOutcome
    from softmax_tool.formats import FloatFormat
    from softmax_tool.job import Done
    from softmax_tool.outcomes import CaseOutcome
    from softmax_tool.readers import Source
    from softmax_tool.report import InputLooks
    from softmax_tool.sink import ArraySink
    from softmax_tool.whole_rows import RowStore

    Array = NDArray[Any]
    Progress = Callable[[int, int | None], None]

DEMONSTRATION = "<demonstration>"


def compare(
    source: Source,
    options: Options,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CompareReport:
    """Compare formulations with each other and with the exact values."""
    plan_ = plan(source, options, ieee_formats, None)
    options = _counted_from_the_start(options, source)
    options, source = _with_label_counts(options, plan_, source)
    totals = _Totals(plan_, options)
    job = Job(plan_, options, totals.pairs, show_rows=False, keep_values=False)
    for done in _work(job, source, totals, threads):
        totals.add(done.outcome)
        if progress is not None:
            progress(totals.rows, row_count(source))
    info = input_info(source)
    cases = tuple(totals.case(index) for index in range(len(plan_.cases)))
    losses = totals.losses(_label_shape(info))
    pairs, rounding = totals.pair_reports(), totals.rounding_reports()
    edges = _edges(plan_)
    looks = totals.sighting.looks()
    settings = _settings(plan_, options, info)
    said = verdict(cases, losses, pairs, rounding, edges, settings)
    sentences = (*_remarks(plan_, options, looks), *said)
    return CompareReport(info, settings, cases, losses, pairs, rounding, sentences, edges, looks)


def _counted_from_the_start(options: Options, source: Source) -> Options:
    """Return options whose slices count from 0; rows of a stream cannot be counted from its end."""
    rows, total = options.rows, row_count(source)
    if rows is not None and any(end is not None and end < 0 for end in rows):
        if total is None:
            raise UsageError(
                "--rows counts from the end, but how many rows there are is known only then; "
                "count from 0, or save the input as NPY"
            )
        rows = slice(*rows).indices(total)[:2]
    columns = options.columns
    if columns is not None:
        columns = slice(*columns).indices(source.classes)[:2]
    return replace(options, rows=rows, columns=columns)


def _with_label_counts(options: Options, plan_: Plan, source: Source) -> tuple[Options, Source]:
    """Count the rows that a mean is over, if a gradient is: what comes last divides all of it."""
    if GRADIENT not in plan_.ops or options.reduction != "mean":
        return options, source
    rows = block_rows(plan_, options, source)
    counts, source = label_counts(source, options.ignore_index, rows)
    return replace(options, label_counts=counts), source


def compute(
    source: Source,
    options: Options,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    values: ArraySink | None = None,
    store: RowStore | None = None,
) -> ComputeReport:
    """Compute quantities, and say what went wrong on the way.

    Whole rows that are asked for wait in the `store`, which is open as long as they are read, or
    else in memory.
    """
    plan_ = plan(source, options, stored_format, ("naive", "shifted"), measured=False)
    if len(plan_.models) > 1:
        raise UsageError("compute takes one arithmetic; use compare to set several side by side")
    options, source = _with_label_counts(options, plan_, source)
    totals = _Totals(plan_, options)
    chosen = ChosenRows(options, store)
    sink = Outlet(plan_, options, values) if values is not None else None
    job = Job(plan_, options, totals.pairs, show_rows=True, keep_values=sink is not None)
    for done in _work(job, source, totals, threads):
        totals.add(done.outcome)
        totals.shown.add(done.shown, totals.rows)
        if done.whole is not None:
            chosen.add(done.whole, totals.rows)
        if sink is not None:
            sink.add(done.start, done.outcome)
        if progress is not None:
            progress(totals.rows, row_count(source))
    info = input_info(source)
    losses = totals.losses(_label_shape(info))
    if sink is not None:
        sink.finish(info, losses)
    cases = tuple(totals.case(index) for index in range(len(plan_.cases)))
    results = tuple(
        Result(case.name, None, case.kinds, case.elements, case.rows)
        for case in cases
        if case.name.quantity not in LOSSES
    )
    pairs, rounding = totals.pair_reports(), totals.rounding_reports()
    edges = _edges(plan_)
    looks = totals.sighting.looks()
    settings = _settings(plan_, options, info)
    shown = chosen if are_whole(options) else totals.shown
    said = verdict(cases, losses, pairs, rounding, edges, settings, measured=plan_.measured)
    sentences = (*_remarks(plan_, options, looks), *said)
    return ComputeReport(
        info,
        settings,
        results,
        losses,
        shown.rows(totals.rows),
        shown.because(totals.rows),
        pairs,
        rounding,
        sentences,
        edges,
        looks,
    )


def demonstration() -> Source:
    """Return the built-in example: the textbook's rows, the traps, and some rows of real digits."""
    from importlib.resources import files  # noqa: PLC0415  # 3 ms that few need

    from softmax_tool.readers import from_arrays  # noqa: PLC0415

    folder = files("softmax_tool.demonstration")
    with (folder / "logits.npy").open("rb") as stream:
        logits = np.load(stream, allow_pickle=False)
    with (folder / "labels.npy").open("rb") as stream:
        labels = np.load(stream, allow_pickle=False)
    return from_arrays(logits, labels, name=DEMONSTRATION)


def limits(dtypes: Sequence[str] | None = None) -> LimitsReport:
    """Return the edges of formats, all known ones by default."""
    formats = dict.fromkeys(find_format(name) for name in dtypes or FORMATS)
    return LimitsReport(tuple(map(_limits_of, formats)))


def _edges(plan_: Plan) -> tuple[FormatLimits, ...]:
    """Return the edges of the dtypes, and of what else an arithmetic of them works in."""
    working = (working_format(v.model.name, v.target) for v in plan_.variants)
    return tuple(_limits_of(target) for target in dict.fromkeys((*plan_.formats, *working)))


def _limits_of(target: FloatFormat) -> FormatLimits:
    edges = exp_edges(target)
    return FormatLimits(
        dtype=target.name,
        aliases=target.aliases,
        bits=target.bits,
        precision=target.precision,
        emin=target.emin,
        emax=target.emax,
        max_finite=target.max_finite,
        has_inf=target.has_inf,
        smallest_normal=target.smallest_normal,
        smallest_subnormal=target.smallest_subnormal,
        unit_roundoff=target.unit_roundoff,
        exp_last_finite=edges.last_finite,
        exp_first_overflow=edges.first_overflow,
        exp_last_zero=edges.last_zero,
        exp_first_nonzero=edges.first_nonzero,
        exp_last_subnormal=edges.last_subnormal,
        exp_first_normal=edges.first_normal,
        sum_of_ones_stalls_at=2.0**target.precision,
    )


def _work(job: Job, source: Source, totals: _Totals, threads: int | None) -> Iterator[Done]:
    """Do the job on every portion, several at a time, and hand out what is done in row order."""
    items = (
        (portion, totals.earlier())
        for portion in source.portions(block_rows(job.plan, job.options, source))
    )
    elements = source.elements
    many = elements is not None and elements >= _MANY_ELEMENTS
    for done in crew.in_order(job, items, thread_count(threads), many=many):
        source.note(done.noticed)
        totals.sighting += done.sighting
        yield done
    if not totals.rows:
        raise nothing_to_look_at(source)


# Fewer are done before another process has started.
_MANY_ELEMENTS = 1 << 21


def _remarks(plan_: Plan, options: Options, looks: InputLooks) -> Iterator[str]:
    """Say what is to be known of the input before its results."""
    yield from declared.remarks(options.input, looks)
    yield from weight_rounding.remarks(options.weights, plan_.formats, plan_.ops)


def _label_shape(info: InputInfo) -> tuple[int, ...]:
    return tuple(n for axis, n in enumerate(info.shape) if axis != info.axis)


def _settings(plan_: Plan, options: Options, info: InputInfo) -> Settings:
    return Settings(
        ops=plan_.ops,
        formulations=plan_.formulations,
        dtypes=tuple(target.name for target in plan_.formats),
        arithmetics=tuple(model.name for model in plan_.models),
        axis=info.axis,
        reduction=options.reduction,
        ignore_index=options.ignore_index,
        label_smoothing=options.label_smoothing,
        weights=options.weights_name,
        max_ulp=options.max_ulp,
        top=options.top,
        rows=options.rows,
        columns=options.columns,
        input=options.input,
    )


# Which formulations are worth setting side by side: naive against stable, log(softmax) against
# log-softmax, and nll of log-softmax against cross-entropy.
_SIDE_BY_SIDE = (
    (("softmax", "naive"), ("softmax", "shifted")),
    (("log-softmax", "log-of-naive"), ("log-softmax", "shifted")),
    (("log-softmax", "log-of-shifted"), ("log-softmax", "shifted")),
    (("ce", "log-of-naive"), ("ce", "shifted")),
    (("nll", "shifted"), ("ce", "shifted")),
)


def _pairs_of(cases: tuple[CaseName, ...]) -> tuple[tuple[int, int], ...]:
    """Return indices of the cases to compare: the usual pairs, and any two that are alone."""
    index = {(c.dtype, c.arithmetic, c.quantity, c.formulation): i for i, c in enumerate(cases)}
    variants = dict.fromkeys((c.dtype, c.arithmetic) for c in cases if c.arithmetic is not None)
    found: dict[tuple[int, int], None] = {}
    for variant in variants:
        wanted = [*_SIDE_BY_SIDE, *_lone_pairs(cases, variant)]
        for a, b in wanted:
            if (*variant, *a) in index and (*variant, *b) in index:
                found[index[(*variant, *a)], index[(*variant, *b)]] = None
    return tuple(found)


def _lone_pairs(
    cases: tuple[CaseName, ...], variant: tuple[str, str | None]
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    by_quantity: dict[str, list[tuple[str, str]]] = {}
    for case in cases:
        of_variant = (case.dtype, case.arithmetic) == variant
        if of_variant and case.formulation != EXACT and case.quantity != GRADIENT:
            by_quantity.setdefault(case.quantity, []).append((case.quantity, case.formulation))
    if "ce" in by_quantity:
        by_quantity.pop("nll", None)  # it would say the same
    return [(pair[0], pair[1]) for pair in by_quantity.values() if len(pair) == 2]


class _Totals:
    """Adds outcomes up, in row order, and turns the sums into the parts of a report."""

    def __init__(self, plan_: Plan, options: Options) -> None:
        self.plan, self.options = plan_, options
        self.names = plan_.cases
        self.pairs = _pairs_of(self.names)
        self.rows = 0
        self.sighting = Sighting()
        self.shown = ShownRows(options)
        self._summaries = [Summary(options.top) for _ in self.names]
        self._pairs = [PairSummary() for _ in self.pairs]
        self._rounding = [RoundingSummary() for _ in plan_.formats]
        losses = {i: name for i, name in enumerate(self.names) if name.quantity in LOSSES}
        self._losses = {index: ReducedLoss.of(name) for index, name in losses.items()}
        self._per_row: dict[int, list[Array]] = {index: [] for index in losses}

    def add(self, outcome: BlockOutcome) -> None:
        self.rows += len(outcome.kept)
        for index, case in enumerate(outcome.cases):
            self._summaries[index] += case.summary
            if index in self._losses:
                self._add_loss(index, case)
        for index, pair in enumerate(outcome.pairs):
            self._pairs[index] += pair
        for index, rounding in enumerate(outcome.rounding):
            self._rounding[index] += rounding

    def _add_loss(self, index: int, case: CaseOutcome) -> None:
        part, true = case.loss, case.true_loss
        assert part is not None  # noqa: S101  (a loss has parts)
        assert true is not None  # noqa: S101
        rows = LossRows(part.losses, part.divisors, true.losses, true.vanished)
        self._losses[index] = self._losses[index].fold(rows)
        if self.options.reduction == "none":
            self._per_row[index].append(part.per_row)

    def earlier(self) -> Earlier:
        """Return what later rows must exceed to be told."""
        cases = tuple(map(Seen.of, self._summaries))
        return Earlier(cases, tuple(self._pairs), self.shown.limit)

    def case(self, index: int) -> Case:
        s = self._summaries[index]
        return Case(
            name=self.names[index],
            rows=s.rows,
            elements=s.elements,
            kinds=s.kind_counts(),
            masked=s.masked,
            invalid_rows=s.invalid_rows,
            rank_changes=s.rank_changes,
            correctly_rounded=s.correctly_rounded,
            max_ulp=s.ulp.largest,
            mean_ulp=s.ulp.mean,
            infinite_ulp=s.ulp.infinite,
            ulp_histogram=tuple(zip(HISTOGRAM_EDGES, s.ulp.histogram, strict=True)),
            max_abs_error=s.max_abs_error,
            max_rel_error=s.max_rel_error,
            bound_ratio=s.bound_ratio,
            bound_elements=s.bound_elements,
            lost_share=s.lost_share,
            worst=s.worst,
            rows_hit=s.rows_hit,
            judged=s.judged,
        )

    def losses(self, label_shape: tuple[int, ...]) -> tuple[Loss, ...]:
        return tuple(self._loss(index, label_shape) for index in self._losses)

    def _loss(self, index: int, label_shape: tuple[int, ...]) -> Loss:
        name, loss = self.names[index], self._losses[index]
        kinds = self._summaries[index].kind_counts()
        target, reduction = find_format(name.dtype), self.options.reduction
        if reduction == "none":
            whole = np.concatenate(self._per_row[index]).reshape(label_shape)
            return Loss(name, reduction, None, target.stored(whole), kinds, None, None)
        value, true = loss.value(reduction), loss.true
        tiny = true.is_tiny(reduction)
        error = _scalar_ulp(value, true.exact(reduction), target)
        if tiny and value == 0:
            error = TINIEST
        event = loss.event(reduction)
        return Loss(name, reduction, value, None, kinds, true.value(reduction), error, event, tiny)

    def pair_reports(self) -> tuple[Pair, ...]:
        return tuple(
            _pair_report(self.names[a], self.names[b], total)
            for (a, b), total in zip(self.pairs, self._pairs, strict=True)
        )

    def rounding_reports(self) -> tuple[InputRounding, ...]:
        return tuple(
            InputRounding(
                target.name,
                total.overflowed,
                total.underflowed,
                total.changed,
                total.new_ties,
                total.min_logit,
                total.max_logit,
                total.far_apart,
            )
            for target, total in zip(self.plan.formats, self._rounding, strict=True)
        )


def _scalar_ulp(value: float, true: Fraction | float, target: FloatFormat) -> float:
    got = np.full((1, 1), value).astype(target.carrier)
    return float(Ruler.of(of_number(true, target), target).errors(got)[0, 0])


def _pair_report(a: CaseName, b: CaseName, total: PairSummary) -> Pair:
    narrower = narrower_than(find_format(a.dtype))
    assert a.arithmetic is not None  # noqa: S101  (exact values are in no pair)
    return Pair(
        dtype=a.dtype,
        arithmetic=a.arithmetic,
        a=(a.quantity, a.formulation),
        b=(b.quantity, b.formulation),
        elements=total.elements,
        identical=total.differing == 0,
        differing=total.differing,
        max_abs_difference=total.max_abs_difference,
        max_ulp_difference=total.max_ulp_difference,
        identical_in={
            f.name: not differs for f, differs in zip(narrower, total.differs_in, strict=True)
        },
    )
