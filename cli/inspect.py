"""`softmax-tool inspect`: what a table is, and which dtype it would survive in."""

# ruff: noqa: PLC0415

from typing import Annotated

import typer

from .options import (
    COMPUTATION,
    OUTPUT,
    ComputationOptions,
    InputOptions,
    LossOptions,
    OutputOptions,
    dtypes,
    one_of,
)

Logits = Annotated[
    list[str],
    typer.Argument(
        metavar="LOGITS...",
        help="Files of logits, CSV, NPY or NPZ, in the order of their rows; - is stdin.",
    ),
]
Dtype = Annotated[
    list[str] | None,
    typer.Option(
        "--dtype",
        "-d",
        metavar="NAME",
        rich_help_panel=COMPUTATION,
        help="Format to ask about; repeatable. Default: <dtypes>.",
    ),
]
Top = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, rich_help_panel=OUTPUT, help="How many rows of large loss are listed."
    ),
]


def inspect(
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
    dtype: Dtype = None,
    threads: ComputationOptions.Threads = None,
    ignore_index: LossOptions.IgnoreIndex = None,
    top: Top = 5,
    format_: OutputOptions.Format = "table",
    output: OutputOptions.Output = None,
    color: OutputOptions.Color = "auto",
    width: OutputOptions.Width = None,
    quiet: OutputOptions.Quiet = False,
    debug: OutputOptions.Debug = False,
) -> None:
    """Tell what a table holds: logits or probabilities, which range, and where it would fit.

    With labels, also how well they agree: accuracy, mean loss, perplexity, entropy, and the rows
    of largest loss.
    """
    from softmax_tool.declared import INPUTS
    from softmax_tool.ignored import ignored_label
    from softmax_tool.inspection import inspecting

    from .idle import refuse_idle_index
    from .output import Messages, answer, spare_inputs
    from .source import open_source

    del debug
    messages = Messages(quiet)
    how = answer(format_, output, color, width)
    spare_inputs(how.path, (*logits, *(labels or ())))
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
    refuse_idle_index(context, source)
    with messages.progress("inspecting", source) as progress:
        report = inspecting.inspect(
            source,
            dtypes=dtypes(dtype),
            ignore_index=ignored_label(ignore_index),
            top=top,
            declared=one_of("--input", input_, tuple(INPUTS)),
            threads=threads,
            progress=progress,
        )
    messages.overflows(source.overflows, source.overflow_count)
    how.write(report)
