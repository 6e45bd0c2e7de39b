"""The Typer app: its commands, the options of the program itself, and how it is run."""

import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from softmax_tool.errors import SoftmaxToolError, UsageError
from softmax_tool.version import VERSION

from .grouped import GroupedCommand
from .options import OutputOptions

NAME = "softmax-tool"

COMMANDS = {
    "compute": "The quantities themselves, and what goes wrong on the way.",
    "compare": "Which formulation survives in which dtype, and how far off it is.",
    "check": "May CI pass? Exit code 0 for nothing found, 1 for something, 2 for no answer.",
    "explain": "The arithmetic of one row, step by step.",
    "inspect": "What am I looking at, and which dtype would it survive in?",
    "limits": "Where the edges of each dtype are.",
}
"""What each command is for; it is a function in a module, both of its name."""

_Refusal: type[Exception] = typer.BadParameter.__mro__[2]
"""What Typer's parser raises: its module differs between versions, its place in the tree does not.
"""


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"softmax-tool {VERSION}")
        raise typer.Exit


def program(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda value: _show_version(wanted=value),
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
    debug: OutputOptions.Debug = False,
) -> None:
    """Show where softmax, log-softmax and cross-entropy overflow, underflow or lose bits.

    Every formulation is measured against an exact reference, in float16, float32 and float64.
    Try it without a file: softmax-tool compare
    """
    del version, debug


def invoke(arguments: Sequence[str]) -> int:
    """Run the app on arguments and give the exit code; whatever a command raises passes through.

    Raises
    ------
    UsageError
        For arguments that the parser refuses.
    """
    root = root_of(arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS)
    if not arguments:
        # Help is what a person wants here, but a script that lost its arguments has not succeeded.
        with root.make_context(NAME, [], resilient_parsing=True) as context:
            typer.echo(context.get_help(), err=True)
        return 2
    try:
        return _run(root, arguments)
    except BrokenPipeError:
        raise  # nobody reads a help or an answer; a gate lets out no other
    except Exception as error:
        if _command(arguments) == "check":
            from .unanswered import tell_unanswered  # noqa: PLC0415  # loads what writes reports

            rest = arguments[list(arguments).index("check") + 1 :]
            tell_unanswered(error, root.commands["check"], rest)
        raise


def root_of(names: Iterable[str]) -> Any:
    """Build the program with some of its commands: all of them take 10 ms, and one is run."""
    app = typer.Typer(
        name=NAME,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(program)
    for name in names:
        command = getattr(import_module(f".{name}", __package__), name)
        app.command(cls=GroupedCommand, short_help=COMMANDS[name])(command)
    return typer.main.get_command(app)


def _run(root: Any, arguments: Sequence[str]) -> int:
    if sys.stdout is None:
        raise SoftmaxToolError("standard output is closed; the answer has nowhere to go")
    try:
        with root.make_context(NAME, list(arguments)) as context:
            root.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.Abort as abort:
        raise KeyboardInterrupt from abort
    except _Refusal as refusal:
        raise _refused(refusal, _command(arguments)) from refusal
    return 0


def _command(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def _refused(refusal: BaseException, command: str | None) -> UsageError:
    """Turn a refusal of the parser into one line with the way to help."""
    context = getattr(refusal, "ctx", None)
    if context is not None:
        path = context.command_path
    else:  # an option without its argument
        path = f"{NAME} {command}" if command in COMMANDS else NAME
    message = " ".join(refusal.format_message().split()).rstrip(".")  # type: ignore[attr-defined]
    if not message.endswith("?"):
        message += f"; see {path} --help"
    if context is not None and command == "check":
        from .config import naming_file  # noqa: PLC0415  # few need it

        message = naming_file(context, message)
    return UsageError(message)
