"""Options of `check` that would change nothing: refused, where somebody typed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import typer

    from softmax_tool.readers.source import Source

OF_LOSSES = ("reduction", "weights", "label_smoothing")


def refuse_idle(
    context: typer.Context, source: Source, ops: Sequence[str] | None, baseline: str | None
) -> None:
    """Refuse options that change nothing, unless they are of a file: that is for several runs.

    Raises
    ------
    UsageError
        For the first that was given on the command line.
    """
    if baseline is None:
        _refuse(context, ["factor"], "is about a baseline; name it with --baseline")
    if not _takes_losses(source, ops):
        what = "is about losses and gradients, of which none is asked for; name an --op, and labels"
        _refuse(context, OF_LOSSES, what)
    if source.label_kind is None:
        _refuse(context, ["ignore_index"], "is about labels; name them with --labels")


def _takes_losses(source: Source, ops: Sequence[str] | None) -> bool:
    """Whether something takes labels: by default where there are some; what is unknown may be."""
    from softmax_tool.formulations import NEED_LABELS, OPS  # noqa: PLC0415  # loads NumPy

    if ops is None:
        return source.label_kind is not None
    return any(op in NEED_LABELS or op not in OPS for op in ops)


def _refuse(context: typer.Context, names: Iterable[str], why: str) -> None:
    for name in names:
        given = context.get_parameter_source(name)
        if given is not None and given.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')}: {why}")
