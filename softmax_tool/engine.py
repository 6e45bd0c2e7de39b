"""The whole way from a source to a report: blocks, threads, order, progress."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from softmax_tool import crew, declared, weight_rounding
from softmax_tool.ahead import thread_count
from softmax_tool.block_size import block_rows
from softmax_tool.counting import with_label_counts
from softmax_tool.edges import edges_of, limits_of
from softmax_tool.errors import UsageError
from softmax_tool.formats import FORMATS, find_format
from softmax_tool.formulations import GRADIENT, LOSSES
from softmax_tool.input_info import input_info, nothing_to_look_at, row_count
from softmax_tool.job import Job
from softmax_tool.plan import Options, Plan, ieee_formats, plan, stored_format
from softmax_tool.report import (
    Case,
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
from softmax_tool.sink import Outlet
from softmax_tool.totals import Totals
from softmax_tool.verdict import verdict
from softmax_tool.whole_rows import ChosenRows, are_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from softmax_tool.job import Done
    from softmax_tool.readers import Source
    from softmax_tool.report import InputLooks
    from softmax_tool.sink import ArraySink
    from softmax_tool.whole_rows import RowStore

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
    totals = Totals(plan_, options)
    job = Job(plan_, options, totals.pairs, show_rows=False, keep_values=False)
    for done in _work(job, source, totals, threads):
        totals.add(done.outcome)
        if progress is not None:
            progress(totals.rows, row_count(source))
    parts = _parts(totals, source)
    return CompareReport(
        input=parts.input,
        settings=parts.settings,
        cases=parts.cases,
        losses=parts.losses,
        pairs=parts.pairs,
        input_rounding=parts.input_rounding,
        verdict=parts.verdict,
        formats=parts.formats,
        looks_like=parts.looks_like,
    )


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
    return with_label_counts(options, source, block_rows(plan_, options, source))


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
    totals = Totals(plan_, options)
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
    parts = _parts(totals, source)
    if sink is not None:
        sink.finish(parts.input, parts.losses)
    shown = chosen if are_whole(options) else totals.shown
    return ComputeReport(
        input=parts.input,
        settings=parts.settings,
        results=tuple(
            Result(case.name, None, case.kinds, case.elements, case.rows)
            for case in parts.cases
            if case.name.quantity not in LOSSES
        ),
        losses=parts.losses,
        shown=shown.rows(totals.rows),
        shown_because=shown.because(totals.rows),
        pairs=parts.pairs,
        input_rounding=parts.input_rounding,
        verdict=parts.verdict,
        formats=parts.formats,
        looks_like=parts.looks_like,
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
    return LimitsReport(tuple(map(limits_of, formats)))


def _work(job: Job, source: Source, totals: Totals, threads: int | None) -> Iterator[Done]:
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


class _Parts(NamedTuple):
    """What the reports of `compare` and of `compute` have in common; the cases are summed up."""

    input: InputInfo
    settings: Settings
    cases: tuple[Case, ...]
    losses: tuple[Loss, ...]
    pairs: tuple[Pair, ...]
    input_rounding: tuple[InputRounding, ...]
    verdict: tuple[str, ...]
    formats: tuple[FormatLimits, ...]
    looks_like: InputLooks


def _parts(totals: Totals, source: Source) -> _Parts:
    plan_, options, info = totals.plan, totals.options, input_info(source)
    cases = tuple(totals.case(index) for index in range(len(plan_.cases)))
    losses = totals.losses(_label_shape(info))
    pairs, rounding = totals.pair_reports(), totals.rounding_reports()
    edges, looks = edges_of(plan_), totals.sighting.looks()
    settings = _settings(plan_, options, info)
    said = verdict(cases, losses, pairs, rounding, edges, settings, measured=plan_.measured)
    sentences = (*_remarks(plan_, options, looks), *said)
    return _Parts(info, settings, cases, losses, pairs, rounding, sentences, edges, looks)


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
