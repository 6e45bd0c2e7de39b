"""`softmax-tool explain`: the arithmetic of one row, step by step."""

# ruff: noqa: PLC0415

from typing import Annotated

import typer

from softmax_tool.errors import UsageError

from .options import (
    COMPUTATION,
    INPUT,
    OUTPUT,
    ComputationOptions,
    InputOptions,
    LossOptions,
    OutputOptions,
    arithmetics,
    dtypes,
)

Logits = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[LOGITS]...",
        show_default=False,
        help="Files of logits, CSV, NPY or NPZ, in the order of their rows; - is stdin. "
        "Without one, the textbook's row 2, 1, 0.1.",
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH",
        rich_help_panel=INPUT,
        help="Labels, CSV or NPY: class indices, one a row. Repeat for shards.",
    ),
]
Row = Annotated[
    int,
    typer.Option(
        metavar="R",
        rich_help_panel=COMPUTATION,
        help="The row to explain, from 0; negative from the end.",
    ),
]
Column = Annotated[
    int | None,
    typer.Option(
        metavar="C",
        rich_help_panel=OUTPUT,
        help="A class to show beside those that matter; negative from the end.",
    ),
]
Bits = Annotated[
    bool,
    typer.Option(
        "--bits", rich_help_panel=OUTPUT, help="Show sign, exponent and significand of each value."
    ),
]


def explain(
    context: typer.Context,
    logits: Logits = None,
    *,
    axis: InputOptions.Axis = -1,
    header: InputOptions.Header = "auto",
    key: InputOptions.Key = None,
    input_dtype: InputOptions.InputDtype = None,
    labels: Labels = None,
    label_column: InputOptions.LabelColumn = None,
    row: Row = 0,
    dtype: ComputationOptions.OneDtype = None,
    arithmetic: ComputationOptions.OneArithmetic = None,
    ignore_index: LossOptions.IgnoreIndex = None,
    column: Column = None,
    bits: Bits = False,
    format_: OutputOptions.Format = "table",
    output: OutputOptions.Output = None,
    color: OutputOptions.Color = "auto",
    width: OutputOptions.Width = None,
    quiet: OutputOptions.Quiet = False,
    debug: OutputOptions.Debug = False,
) -> None:
    """Go through the arithmetic of one row: naive and shifted beside the exact values.

    Every step is shown with its operands as they are in the dtype; where it goes wrong, with the
    limit that was crossed, and with what mends it.
    """
    from softmax_tool.explanation import explaining
    from softmax_tool.ignored import ignored_label

    from .idle import refuse_idle_index
    from .output import Messages, answer, spare_inputs
    from .source import open_source

    del debug
    messages = Messages(quiet)
    how = answer(format_, output, color, width)
    spare_inputs(how.path, (*(logits or ()), *(labels or ())))
    asked, computed = arithmetics(arithmetic), dtypes(dtype)
    if len(asked) > 1:
        raise UsageError(f"explain takes one --arithmetic, not {', '.join(asked)}")
    if computed is not None and len(computed) > 1:
        raise UsageError(f"explain takes one --dtype, not {', '.join(computed)}")
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
        if labels or label_column or key or input_dtype or axis != -1 or header != "auto":
            raise UsageError("labels and how to read a file need a file; name LOGITS (- is stdin)")
        messages.note("no LOGITS given: this is the textbook's row")
        source = explaining.textbook()
    refuse_idle_index(context, source)
    request = explaining.Request(
        row=row,
        column=column,
        dtype=None if computed is None else computed[0],
        arithmetic=asked[0],
        ignore_index=ignored_label(ignore_index),
        bits=bits,
    )
    report = explaining.explain(source, request)
    messages.overflows(source.overflows, source.overflow_count)
    how.write(report)
