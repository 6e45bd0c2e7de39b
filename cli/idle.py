"""Options that would change nothing: refused, where somebody typed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import typer

    from softmax_tool.check.request import Request
    from softmax_tool.readers.source import Source

OF_LOSSES = ("reduction", "weights", "label_smoothing")
WITHOUT_SUGGESTIONS = ("csv", "junit")
"""Formats of `check` that have no place for what --suggest says."""

NAIVE = frozenset({"naive", "log-of-naive", "naive-lse"})
"""Formulations that take exp of the logits as they are: to these, headroom matters."""


def refuse_idle(context: typer.Context, source: Source, ops: Sequence[str] | None) -> None:
    """Refuse options about losses and labels where there are none.

    Raises
    ------
    UsageError
        For the first that was given on the command line; in a file it may be for other runs.
    """
    if not _takes_losses(source, ops):
        what = "is about losses and gradients, of which none is asked for; name an --op, and labels"
        _refuse(context, OF_LOSSES, what)
    refuse_idle_index(context, source)


def refuse_idle_index(context: typer.Context, source: Source) -> None:
    """Refuse to ignore an index where no labels are indices.

    Raises
    ------
    UsageError
        If it was given on the command line.
    """
    if source.label_kind is None:
        _refuse(context, ["ignore_index"], "is about labels; name them with --labels")
    if source.label_kind == "probabilities":
        what = "does not apply to probability labels, which are no indices; leave it out"
        _refuse(context, ["ignore_index"], what)


def refuse_idle_limits(
    context: typer.Context,
    request: Request,
    results: tuple[str | None, str | None],
    formulations: Collection[str] | None,
    format_: str,
) -> None:
    """Refuse limits that no rule looks at, and to suggest some where the format says none.

    `results` are a candidate and a baseline.

    Raises
    ------
    UsageError
        For the first that was given on the command line.
    """
    from softmax_tool.check.rules import RULES, selected  # noqa: PLC0415  # loads NumPy

    candidate, baseline = results
    if baseline is None:
        _refuse(context, ["factor"], "is about a baseline; name it with --baseline")
    about = {"computation"} if candidate is None else {"candidate"}
    about |= set() if baseline is None else {"baseline"}
    looked_for = {r.code for r in selected(request.select, request.ignore) if about & set(r.about)}
    budgeted = {rule.code for rule in RULES if rule.budgeted}
    # Beyond a limit, what is 0 has another name than within.
    limited = budgeted | {"UND102", "ABS102", "BSL102"}
    for names, codes in (
        (("headroom",), {"HDR101"}),
        (("max_ulp", "max_abs", "max_rel"), limited),
        (("budget",), budgeted),
        (("factor",), {"BSL101"}),
    ):
        if not codes & looked_for:
            known = ", ".join(rule.code for rule in RULES if rule.code in codes)
            _refuse(context, names, f"is about {known}, not looked for here; leave it out")
    if candidate is None and not NAIVE & set(formulations or ()):
        what = "is about a --formulation that takes exp of logits as they are, as naive; name one"
        _refuse(context, ["headroom"], what)
    if format_ in WITHOUT_SUGGESTIONS:
        _refuse(context, ["suggest"], f"--format {format_} has no place for it; choose another")


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
