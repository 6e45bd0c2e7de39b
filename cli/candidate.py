"""From the options of a candidate to results that come with the logits."""

# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.errors import UsageError

from .options import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softmax_tool.check.given import Given
    from softmax_tool.plan import Options
    from softmax_tool.readers.source import Source

    from .output import Messages


def refuse_without_candidate(**options: str | None) -> None:
    """Refuse options that are about a candidate where there is none.

    Raises
    ------
    UsageError
        For the first that was given.
    """
    for name, value in options.items():
        if value is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--{option}: is about a candidate; name it with --candidate")


def refuse_stdin_twice(paths: Sequence[str | None]) -> None:
    """Refuse to read standard input for two things.

    Raises
    ------
    UsageError
        If it is named twice.
    """
    if list(paths).count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")


def open_candidate(
    candidate: str,
    source: Source,
    options: Options,
    messages: Messages,
    logits_dtype: str | None,
    header: str,
) -> Given:
    """Open the results to judge, or load the function that makes them, and say that it is run."""
    from softmax_tool.check.functions import is_function, load_function
    from softmax_tool.check.gate import given_quantity
    from softmax_tool.check.given import open_results
    from softmax_tool.formats import find_format

    quantity = given_quantity(source, options, candidate)
    dtype = options.dtypes[0] if options.dtypes else None
    stated = None if logits_dtype is None else find_format(logits_dtype)
    if not is_function(candidate):
        return open_results(
            candidate,
            source,
            quantity,
            dtype=dtype,
            logits_format=stated,
            header=header_of_results(header, source),
        )
    messages.warning(f"--candidate {candidate}: runs the code of that module")
    target = None if dtype is None else find_format(dtype)
    return load_function(candidate, quantity, target, stated)


def open_baseline(path: str | None, source: Source, options: Options, header: str) -> Given | None:
    """Open the results that a candidate is held against; None where there are none."""
    from softmax_tool.check.gate import given_quantity
    from softmax_tool.check.given import open_results

    if path is None:
        return None
    quantity = given_quantity(source, options, path)
    dtype = options.dtypes[0] if options.dtypes else None
    header = header_of_results(header, source)
    return open_results(path, source, quantity, dtype_of_text=dtype, header=header)


def header_of_results(header: str, source: Source) -> str:
    """Read the header of results as that of the logits, where those are text as well."""
    from softmax_tool.check.given import TEXT

    return header if source.stored_dtype == TEXT else "auto"
