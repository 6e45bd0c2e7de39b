"""`softmax-tool limits`: where the edges of each dtype are."""

# ruff: noqa: PLC0415

from .options import ComputationOptions, OutputOptions, dtypes


def limits(
    *,
    dtype: ComputationOptions.Dtype = None,
    format_: OutputOptions.Format = "table",
    output: OutputOptions.Output = None,
    color: OutputOptions.Color = "auto",
    width: OutputOptions.Width = None,
    quiet: OutputOptions.Quiet = False,
    debug: OutputOptions.Debug = False,
) -> None:
    """Show the edges of each dtype: range, precision, and where exp overflows and underflows."""
    from softmax_tool import engine

    from .output import answer

    del quiet, debug
    how = answer(format_, output, color, width)
    how.write(engine.limits(dtypes(dtype)))
