"""The options that mean the same in every command, and how their text becomes values."""

# ruff: noqa: PLC0415

import math
from collections.abc import Sequence
from typing import Annotated, TypeVar

import typer

from softmax_tool.errors import UsageError

Number = TypeVar("Number", float, float | None)
Part = tuple[int | None, int | None]

STDIN = "-"
"""The path of an input that is standard input."""

STDOUT = "-"
"""The path of a report that goes to standard output."""

INPUT = "Input"
COMPUTATION = "What is computed"
LOSS = "Losses"
OUTPUT = "Output"


class InputOptions:
    """Where the logits come from and how they are read."""

    Axis = Annotated[
        int,
        typer.Option(
            "--axis",
            "--dim",
            metavar="N",
            help="The class axis; negative from the end.",
            rich_help_panel=INPUT,
        ),
    ]
    Header = Annotated[
        str,
        typer.Option(
            metavar="auto|yes|no",
            rich_help_panel=INPUT,
            help="Does a CSV file begin with a line of column names?",
        ),
    ]
    Key = Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=INPUT,
            help="Which array of an NPZ file holds the logits.",
        ),
    ]
    InputDtype = Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=INPUT,
            help="What raw 1- or 2-byte or unsigned numbers in the file are.",
        ),
    ]
    Input = Annotated[
        str,
        typer.Option(
            "--input",
            metavar="logits|probs|log-probs",
            rich_help_panel=INPUT,
            help="What the values are; of probabilities the logarithms are taken for logits.",
        ),
    ]
    Labels = Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            rich_help_panel=INPUT,
            help="Labels, CSV or NPY: class indices, or rows of probabilities. Repeat for shards.",
        ),
    ]
    LabelColumn = Annotated[
        str | None,
        typer.Option(
            metavar="NAME|INDEX",
            rich_help_panel=INPUT,
            help="The column of the CSV file that holds the labels.",
        ),
    ]


class ComputationOptions:
    """What is computed, in which formats."""

    Dtype = Annotated[
        list[str] | None,
        typer.Option(
            "--dtype",
            "-d",
            metavar="NAME",
            rich_help_panel=COMPUTATION,
            help="Format to compute in; repeatable: <dtypes>.",
        ),
    ]
    OneDtype = Annotated[
        list[str] | None,  # so that a second one is refused, and not taken for the first
        typer.Option(
            "--dtype",
            "-d",
            metavar="NAME",
            rich_help_panel=COMPUTATION,
            help="Format to compute in, one of: <dtypes>. Default: that of the file.",
        ),
    ]
    Op = Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=COMPUTATION,
            help="Quantity; repeatable: <ops>. Default: all that the input allows.",
        ),
    ]
    Formulation = Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=COMPUTATION,
            help="Formulation; repeatable: <formulations>.",
        ),
    ]
    Arithmetic = Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=COMPUTATION,
            help="What computing in a format means; repeatable: <arithmetics>. Default: wide-sum.",
        ),
    ]
    OneArithmetic = Annotated[
        list[str] | None,  # so that a second one is refused, and not taken for the first
        typer.Option(
            "--arithmetic",
            metavar="NAME",
            rich_help_panel=COMPUTATION,
            help="What computing in a format means, one of: <arithmetics>. Default: wide-sum.",
        ),
    ]
    MaxUlp = Annotated[
        float | None,
        typer.Option(
            metavar="FLOAT",
            min=0.0,
            rich_help_panel=COMPUTATION,
            help="Error in ULP above which an element is a silent error. "
            "Default: the a-priori bound of its row.",
        ),
    ]
    Threads = Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=COMPUTATION,
            help="How many threads compute; the answer is the same.",
        ),
    ]


class LossOptions:
    """How losses are taken."""

    Reduction = Annotated[
        str,
        typer.Option(
            metavar="mean|sum|none", rich_help_panel=LOSS, help="How the losses of rows become one."
        ),
    ]
    Weights = Annotated[
        str | None,
        typer.Option(
            metavar="PATH", rich_help_panel=LOSS, help="Weights of the classes, CSV or NPY."
        ),
    ]
    IgnoreIndex = Annotated[
        int | None,
        typer.Option(
            metavar="INT",
            rich_help_panel=LOSS,
            help="The label of rows to leave out. Default: -100.",
        ),
    ]
    LabelSmoothing = Annotated[
        float,
        typer.Option(
            metavar="FLOAT",
            min=0.0,
            max=1.0,
            rich_help_panel=LOSS,
            help="Share of the target that is spread over all classes.",
        ),
    ]


class OutputOptions:
    """What is shown, and where."""

    Rows = Annotated[
        str | None,
        typer.Option(
            metavar="A:B",
            rich_help_panel=OUTPUT,
            help="Rows to show, from A up to B, from 0, negative from the end; all are looked at.",
        ),
    ]
    Columns = Annotated[
        str | None,
        typer.Option(
            metavar="A:B", rich_help_panel=OUTPUT, help="Classes to show; all are looked at."
        ),
    ]
    Top = Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            rich_help_panel=OUTPUT,
            help="How many worst cases are listed of each computation: one of a row and kind.",
        ),
    ]
    Format = Annotated[
        str, typer.Option("--format", metavar="NAME", rich_help_panel=OUTPUT, help="<formats>.")
    ]
    Output = Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            rich_help_panel=OUTPUT,
            help="Write the report to a file, whole or not at all; - is stdout.",
        ),
    ]
    Color = Annotated[
        str,
        typer.Option(
            metavar="auto|always|never",
            rich_help_panel=OUTPUT,
            help="Colour; auto honours NO_COLOR and FORCE_COLOR.",
        ),
    ]
    Width = Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=OUTPUT,
            help="Columns to lay a table out in. Default: the terminal's, or as many as it takes.",
        ),
    ]
    Quiet = Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            rich_help_panel=OUTPUT,
            help="No notes and no progress on stderr; warnings stay.",
        ),
    ]
    Debug = Annotated[
        bool,
        typer.Option("--debug", rich_help_panel=OUTPUT, help="Show the traceback of an error."),
    ]


def one_of(option: str, value: str, choices: Sequence[str]) -> str:
    """Give the choice that a value names, whatever its case.

    Raises
    ------
    UsageError
        If it names none.
    """
    if value.lower() in choices:
        return value.lower()
    raise UsageError(f"{option} {value}: no such choice; known are {', '.join(choices)}")


def a_number(option: str, value: Number) -> Number:
    """Give the value back, if it is a number at all.

    Raises
    ------
    UsageError
        For nan, which compares as in range with anything.
    """
    if value is not None and math.isnan(value):
        raise UsageError(f"{option} nan: is not a number")
    return value


def names(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """Give names in lower case, each once; None where none were given.

    Examples
    --------
    >>> names(["NLL", "nll", "ce"]), names(None), names([])
    (('nll', 'ce'), None, None)
    """
    return tuple(dict.fromkeys(value.lower() for value in values)) if values else None


def dtypes(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """Give the names of formats for names or aliases, each once."""
    from softmax_tool.formats import find_format

    if not values:
        return None
    return tuple(dict.fromkeys(find_format(value).name for value in values))


def arithmetics(values: Sequence[str] | None) -> tuple[str, ...]:
    """Give the names of arithmetics, each once; the default where none were given."""
    from softmax_tool.arithmetic import find_model

    chosen = names(values) or ("wide-sum",)
    return tuple(find_model(value).name for value in chosen)


def part(option: str, text: str | None) -> Part | None:
    """Read a slice: `A:B`, either end open; a single number is one element.

    Examples
    --------
    >>> part("--rows", "2:5"), part("--rows", "-5:"), part("--rows", "7"), part("--rows", "-1")
    ((2, 5), (-5, None), (7, 8), (-1, None))

    Raises
    ------
    UsageError
        If it is none.
    """
    if text is None:
        return None
    ends = text.split(":")
    try:
        numbers = [int(end) if end.strip() else None for end in ends]
    except ValueError:
        numbers = []
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    if len(numbers) == 1 and numbers[0] is not None:
        return numbers[0], numbers[0] + 1 or None
    raise UsageError(f"{option} {text}: is not A:B, like 0:10, -5: or 7")
