"""`softmax-tool compare`: which formulation survives in which dtype, and how far off it is."""

# ruff: noqa: PLC0415

from typing import Annotated

import typer

from softmax_tool.errors import UsageError

from .options import (
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
    list[str] | None,
    typer.Argument(
        metavar="[LOGITS]...",
        show_default=False,
        help="Files of logits, CSV, NPY or NPZ, in the order of their rows; - is stdin. "
        "Without one, the built-in demonstration.",
    ),
]


def compare(
    context: typer.Context,
    logits: Logits = None,
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
    arithmetic: ComputationOptions.Arithmetic = None,
    max_ulp: ComputationOptions.MaxUlp = None,
    threads: ComputationOptions.Threads = None,
    reduction: LossOptions.Reduction = "mean",
    weights: LossOptions.Weights = None,
    ignore_index: LossOptions.IgnoreIndex = None,
    label_smoothing: LossOptions.LabelSmoothing = 0.0,
    rows: OutputOptions.Rows = None,
    columns: OutputOptions.Columns = None,
    top: OutputOptions.Top = 10,
    format_: OutputOptions.Format = "table",
    output: OutputOptions.Output = None,
    color: OutputOptions.Color = "auto",
    width: OutputOptions.Width = None,
    quiet: OutputOptions.Quiet = False,
    debug: OutputOptions.Debug = False,
) -> None:
    """Hold naive, stable and exact formulations against each other, in each dtype.

    Shows which of them overflow, underflow or lose bits, in how many rows, how far off each is in
    ULP of the exact value, and at which step the worst elements broke.
    """
    from softmax_tool import engine
    from softmax_tool.declared import INPUTS
    from softmax_tool.ignored import ignored_label
    from softmax_tool.plan import REDUCTIONS, Options

    from .idle import refuse_idle
    from .output import Messages, answer, spare_inputs
    from .source import open_source, read_weights

    del debug
    messages = Messages(quiet)
    how = answer(format_, output, color, width)
    spare_inputs(how.path, (*(logits or ()), *(labels or ()), weights))
    if logits:
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
    else:
        if (
            labels
            or label_column
            or key
            or input_dtype
            or weights
            or ignore_index is not None
            or axis != -1
            or header != "auto"
            or input_ != "logits"
        ):
            raise UsageError(
                "labels, weights and how to read a file need a file; name LOGITS (- is stdin)"
            )
        messages.note("no LOGITS given: this is the built-in demonstration")
        source = engine.demonstration()
    options = Options(
        dtypes=dtypes(dtype),
        ops=names(op),
        formulations=names(formulation),
        arithmetics=arithmetics(arithmetic),
        reduction=one_of("--reduction", reduction, REDUCTIONS),
        ignore_index=ignored_label(ignore_index),
        ignore_index_given=ignore_index is not None,
        label_smoothing=a_number("--label-smoothing", label_smoothing),
        max_ulp=a_number("--max-ulp", max_ulp),
        top=top,
        rows=part("--rows", rows),
        columns=part("--columns", columns),
        input=one_of("--input", input_, tuple(INPUTS)),
        weights=read_weights(weights, source),
        weights_name=weights,
    )
    refuse_idle(context, source, options.ops)
    with messages.progress("comparing", source) as progress:
        report = engine.compare(source, options, threads=threads, progress=progress)
    messages.overflows(source.overflows, source.overflow_count)
    messages.doubts(report)
    messages.nothing_shown(report)
    how.write(report)
