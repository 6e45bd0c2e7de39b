"""`softmax-tool check`: the gate that a CI decides on."""

# ruff: noqa: PLC0415

import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Annotated, Any

import typer

from softmax_tool.errors import SoftmaxToolError, UsageError

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
)

RULES = "What is looked for"
TOLERANCE = "How far off a result may be"
CANDIDATE = "Results of somebody else"

Logits = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LOGITS...",
        show_default=False,
        help="Files of logits, CSV, NPY or NPZ, in the order of their rows; - is stdin.",
    ),
]


def _configured(context: typer.Context, value: str | None) -> str | None:
    from .config import apply_config

    return apply_config(context, value)


class CheckOptions:
    """What only `check` takes."""

    Select = Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODES",
            rich_help_panel=RULES,
            help="Look for these alone: codes, prefixes of codes, or names, with commas; "
            "repeatable. Default: see --list-rules.",
        ),
    ]
    Ignore = Annotated[
        list[str] | None,
        typer.Option(metavar="CODES", rich_help_panel=RULES, help="Do not look for these."),
    ]
    Headroom = Annotated[
        float,
        typer.Option(
            metavar="FLOAT",
            rich_help_panel=RULES,
            help="How far below overflow a row has to stay, in units of the logits.",
        ),
    ]
    ListRules = Annotated[
        bool,
        typer.Option("--list-rules", rich_help_panel=RULES, help="List all rules and exit."),
    ]
    MaxUlp = Annotated[
        float | None,
        typer.Option(
            metavar="FLOAT",
            rich_help_panel=TOLERANCE,
            help="In ULP of the exact value. Default: the a-priori bound of the row.",
        ),
    ]
    MaxAbs = Annotated[
        float | None,
        typer.Option(metavar="FLOAT", rich_help_panel=TOLERANCE, help="Absolute error."),
    ]
    MaxRel = Annotated[
        float | None,
        typer.Option(metavar="FLOAT", rich_help_panel=TOLERANCE, help="Relative error."),
    ]
    Budget = Annotated[
        str,
        typer.Option(
            metavar="N|P%",
            rich_help_panel=TOLERANCE,
            help="How many elements may be further off, as a count or a share.",
        ),
    ]
    Suggest = Annotated[
        bool,
        typer.Option(
            "--suggest", rich_help_panel=TOLERANCE, help="Print the tightest options that pass."
        ),
    ]
    Candidate = Annotated[
        str | None,
        typer.Option(
            metavar="PATH|MODULE:FUNCTION",
            rich_help_panel=CANDIDATE,
            help="Judge these results of one --op: NPY, NPZ or CSV; or a Python function, which "
            "is run on blocks of rows.",
        ),
    ]
    Baseline = Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            rich_help_panel=CANDIDATE,
            help="Results that the candidate has to be about as good as.",
        ),
    ]
    Factor = Annotated[
        float,
        typer.Option(
            metavar="FLOAT",
            rich_help_panel=CANDIDATE,
            help="How many times the baseline's largest error the candidate's may be.",
        ),
    ]
    LogitsDtype = Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=CANDIDATE,
            help="In which dtype the candidate got the logits. Default: its own.",
        ),
    ]
    Summary = Annotated[
        bool,
        typer.Option(
            "--summary",
            rich_help_panel=OUTPUT,
            help="Add the report as Markdown to the summary of a GitHub workflow.",
        ),
    ]
    Config = Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="PATH",
            is_eager=True,
            callback=_configured,
            help="A file with options in [tool.softmax-tool]. Default: pyproject.toml here.",
        ),
    ]
    Format = Annotated[
        str,
        typer.Option("--format", metavar="NAME", rich_help_panel=OUTPUT, help="<check-formats>."),
    ]


def _as_a_gate(command: Callable[..., None]) -> Callable[..., None]:
    """Let no pipe that breaks make a pass, and take the config file as meant for several runs."""

    @wraps(command)
    def gate(context: typer.Context, **options: Any) -> None:
        from .config import naming_file, without_idle

        try:
            command(context, **without_idle(context, options))
        except UsageError as error:
            raise UsageError(naming_file(context, str(error))) from error
        except BrokenPipeError as error:
            raise SoftmaxToolError("a pipe broke before there was an answer; run again") from error

    return gate


@_as_a_gate
def check(
    context: typer.Context,
    logits: Logits = None,
    *,
    axis: InputOptions.Axis = -1,
    header: InputOptions.Header = "auto",
    key: InputOptions.Key = None,
    input_dtype: InputOptions.InputDtype = None,
    labels: InputOptions.Labels = None,
    label_column: InputOptions.LabelColumn = None,
    dtype: ComputationOptions.Dtype = None,
    op: ComputationOptions.Op = None,
    formulation: ComputationOptions.Formulation = None,
    arithmetic: ComputationOptions.Arithmetic = None,
    threads: ComputationOptions.Threads = None,
    select: CheckOptions.Select = None,
    ignore: CheckOptions.Ignore = None,
    headroom: CheckOptions.Headroom = 1.0,
    list_rules: CheckOptions.ListRules = False,
    max_ulp: CheckOptions.MaxUlp = None,
    max_abs: CheckOptions.MaxAbs = None,
    max_rel: CheckOptions.MaxRel = None,
    budget: CheckOptions.Budget = "0",
    suggest: CheckOptions.Suggest = False,
    candidate: CheckOptions.Candidate = None,
    baseline: CheckOptions.Baseline = None,
    factor: CheckOptions.Factor = 2.0,
    logits_dtype: CheckOptions.LogitsDtype = None,
    reduction: LossOptions.Reduction = "mean",
    weights: LossOptions.Weights = None,
    ignore_index: LossOptions.IgnoreIndex = None,
    label_smoothing: LossOptions.LabelSmoothing = 0.0,
    top: OutputOptions.Top = 10,
    format_: CheckOptions.Format = "table",
    output: OutputOptions.Output = None,
    color: OutputOptions.Color = "auto",
    width: OutputOptions.Width = None,
    quiet: OutputOptions.Quiet = False,
    summary: CheckOptions.Summary = False,
    config: CheckOptions.Config = None,
    debug: OutputOptions.Debug = False,
) -> None:
    """Look for everything that the rules are about: exit code 0 for nothing found, 1 for something.

    2 means that it could not be found out, which is never a pass: unreadable or malformed input,
    nothing to look at, options that do not fit.
    """
    from softmax_tool.check import gate
    from softmax_tool.check.request import Request
    from softmax_tool.check.tolerance import Tolerance, parse_budget
    from softmax_tool.ignored import ignored_label
    from softmax_tool.plan import REDUCTIONS, Options
    from softmax_tool.renderers import CHECK_FORMATS

    from .candidate import Said, open_given, refuse_without_candidate
    from .config import FILE, of_whatever_files
    from .idle import refuse_idle, refuse_idle_limits
    from .output import Messages, answer
    from .source import open_source, read_weights

    del debug
    if list_rules:
        _write(_list_rules)
        raise typer.Exit
    if not logits:
        raise UsageError("no LOGITS: name a file of logits, or - for stdin; see check --help")
    messages = Messages(quiet)
    how = answer(format_, output, color, width, tuple(CHECK_FORMATS))
    _check_files(
        (*logits, *(labels or ()), weights, candidate, baseline, config or FILE),
        how.path,
        summary=summary,
    )
    request = Request(
        select=_codes(select),
        ignore=_codes(ignore),
        tolerance=Tolerance(
            a_number("--max-ulp", max_ulp),
            a_number("--max-abs", max_abs),
            a_number("--max-rel", max_rel),
        ),
        budget=parse_budget(budget),
        headroom=a_number("--headroom", headroom),
        factor=a_number("--factor", factor),
        suggest=suggest,
    )
    request.check()
    passed_over = of_whatever_files(context)
    said = Said.of(header, key, input_dtype, (candidate, baseline), passed_over)
    source = open_source(
        logits,
        messages,
        axis=axis,
        **said.arguments,
        labels=labels,
        label_column=label_column,
        ignore_index=ignore_index,
        passed_over=passed_over,
    )
    refuse_idle(context, source, names(op))
    refuse_idle_limits(context, request, (candidate, baseline), names(formulation), how.format)
    if source.label_kind != "classes":
        ignore_index = None  # the config file's, which is for several runs
    options = Options(
        dtypes=dtypes(dtype),
        ops=names(op),
        formulations=names(formulation),
        arithmetics=arithmetics(arithmetic),
        reduction=one_of("--reduction", reduction, REDUCTIONS),
        ignore_index=ignored_label(ignore_index),
        ignore_index_given=ignore_index is not None,
        label_smoothing=a_number("--label-smoothing", label_smoothing),
        top=top,
        weights=read_weights(weights, source),
        weights_name=weights,
    )
    if candidate is None:
        refuse_without_candidate(baseline=baseline, logits_dtype=logits_dtype)
        run = partial(gate.check, source, options, request)
    else:
        if arithmetic:
            raise UsageError("a candidate is judged as it is; leave out --arithmetic")
        given, against = open_given(
            (candidate, baseline), source, options, messages, logits_dtype, said
        )
        _check_files([given.origin], how.path, summary=summary)
        run = partial(
            gate.check_given,
            source,
            options,
            request,
            given,
            against,
        )
    with messages.progress("checking", source) as progress:
        report = run(threads=threads, progress=progress)
    messages.overflows(source.overflows, source.overflow_count)
    for warning in report.warnings:
        messages.warning(warning)
    if summary:
        from .summary import write_summary

        write_summary(report, messages)
    _write(partial(how.write, report))
    raise typer.Exit(report.exit_code)


def _write(write: Callable[[], None]) -> None:
    """Write to stdout; whoever reads no further still decides on the exit code."""
    from .main import abandon_output

    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_output()


def _check_files(inputs: Sequence[str | None], output: str | None, *, summary: bool) -> None:
    """Refuse to read one input twice that can be read once, and to write to any."""
    from .candidate import refuse_stdin_twice
    from .output import spare_inputs

    refuse_stdin_twice(inputs)
    spare_inputs(output, inputs)
    if summary:
        from .summary import keep_off_inputs

        keep_off_inputs(inputs)


def _codes(values: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for value in values or () for part in value.split(","))


def _list_rules() -> None:
    from softmax_tool.check.rules import BY_CODE

    for rule in BY_CODE.values():
        when = "error" if rule.is_error else "on" if rule.by_default else "off"
        sys.stdout.write(f"{rule.code}  {when:<5}  {rule.name:<24}  {rule.summary}\n")
