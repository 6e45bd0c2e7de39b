"""`softmax-tool compute`: the quantities themselves, and what goes wrong on the way."""

# ruff: noqa: PLC0415

from typing import Annotated

import typer

from softmax_tool.errors import UsageError

from .options import (
    OUTPUT,
    ComputationOptions,
    InputOptions,
    LossOptions,
    OutputOptions,
    a_number,
    arithmetics,
    dtypes,
    names,
    one_of,
    part,
)

Logits = Annotated[
    list[str],
    typer.Argument(
        metavar="LOGITS...",
        help="Files of logits, CSV, NPY or NPZ, in the order of their rows; - is stdin.",
    ),
]
Top = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        rich_help_panel=OUTPUT,
        help="How many rows are shown, the worst first; one at least.",
    ),
]
Arrays = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        rich_help_panel=OUTPUT,
        help="Write the whole arrays, besides the report: one to .npy or .csv, several to .npz "
        "under QUANTITY/FORMULATION/DTYPE.",
    ),
]


def compute(
    context: typer.Context,
    logits: Logits,
    *,
    axis: InputOptions.Axis = -1,
    header: InputOptions.Header = "auto",
    key: InputOptions.Key = None,
    input_dtype: InputOptions.InputDtype = None,
    input_: InputOptions.Input = "logits",
    labels: InputOptions.Labels = None,
    label_column: InputOptions.LabelColumn = None,
    dtype: ComputationOptions.Dtype = None,
    op: ComputationOptions.Op = None,
    formulation: ComputationOptions.Formulation = None,
    arithmetic: ComputationOptions.OneArithmetic = None,
    threads: ComputationOptions.Threads = None,
    reduction: LossOptions.Reduction = "mean",
    weights: LossOptions.Weights = None,
    ignore_index: LossOptions.IgnoreIndex = None,
    label_smoothing: LossOptions.LabelSmoothing = 0.0,
    rows: OutputOptions.Rows = None,
    columns: OutputOptions.Columns = None,
    top: Top = 10,
    format_: OutputOptions.Format = "table",
    output: Arrays = None,
    color: OutputOptions.Color = "auto",
    width: OutputOptions.Width = None,
    quiet: OutputOptions.Quiet = False,
    debug: OutputOptions.Debug = False,
) -> None:
    """Compute softmax, log-softmax, log(softmax), NLL and cross-entropy, and mark what goes wrong.

    Every value that overflows, underflows or loses bits in the dtype is marked where it stands.
    """
    from softmax_tool import engine
    from softmax_tool.declared import INPUTS
    from softmax_tool.ignored import ignored_label
    from softmax_tool.plan import REDUCTIONS, Options
    from softmax_tool.whole_rows import RowStore

    from .idle import refuse_idle
    from .output import Messages, answer, spare_inputs
    from .source import open_source, read_weights
    from .values import Values

    del debug
    messages = Messages(quiet)
    how = answer(format_, None, color, width)
    if output is not None:
        from softmax_tool.writers.arrays import check_path

        check_path(output)
    spare_inputs(output, (*logits, *(labels or ()), weights))
    asked = arithmetics(arithmetic)
    if len(asked) > 1:
        raise UsageError(f"compute takes one --arithmetic, not {', '.join(asked)}; use compare")
    source = open_source(
        logits,
        messages,
        axis=axis,
        header=header,
        key=key,
        input_dtype=input_dtype,
        labels=labels,
        label_column=label_column,
        ignore_index=ignore_index,
    )
    options = Options(
        dtypes=dtypes(dtype),
        ops=names(op),
        formulations=names(formulation),
        arithmetics=asked,
        reduction=one_of("--reduction", reduction, REDUCTIONS),
        ignore_index=ignored_label(ignore_index),
        ignore_index_given=ignore_index is not None,
        label_smoothing=a_number("--label-smoothing", label_smoothing),
        top=top,
        rows=part("--rows", ":" if rows is None and how.every_row else rows),
        columns=part("--columns", columns),
        excerpts=not how.every_row,
        input=one_of("--input", input_, tuple(INPUTS)),
        weights=read_weights(weights, source),
        weights_name=weights,
    )
    refuse_idle(context, source, options.ops)
    with Values(output, keep=how.whole_values) as values, RowStore() as store:
        with messages.progress("computing", source) as progress:
            report = engine.compute(
                source,
                options,
                threads=threads,
                progress=progress,
                values=values if values.wanted else None,
                store=store,
            )
        messages.overflows(source.overflows, source.overflow_count)
        messages.doubts(report)
        messages.nothing_shown(report)
        how.write(values.put_into(report))
