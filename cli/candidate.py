"""From the options of a candidate to results that come with the logits."""

# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool.errors import UsageError
from softmax_tool.frozen import frozen

from .options import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softmax_tool.check.given import Given
    from softmax_tool.plan import Options
    from softmax_tool.readers.source import Source

    from .output import Messages


@frozen
class Said:
    """What was said of files that leave it open, and is `taken` by those that it fits.

    Of logits alone it has to fit: `taken` is None. What is `passed_over` may fit none.
    """

    header: str
    key: str | None
    input_dtype: str | None
    taken: set[str] | None
    passed_over: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        header: str,
        key: str | None,
        input_dtype: str | None,
        results: Sequence[str | None],
        passed_over: frozenset[str],
    ) -> Said:
        """Take it as said of logits and results, where those are files."""
        from softmax_tool.check.functions import is_function

        are_files = any(path is not None and not is_function(path) for path in results)
        return cls(header, key, input_dtype, set() if are_files else None, passed_over)

    @property
    def arguments(self) -> dict[str, Any]:
        """What opening a file takes."""
        return {
            "header": self.header,
            "key": self.key,
            "input_dtype": self.input_dtype,
            "taken": self.taken,
        }

    def refuse_untaken(self, paths: Sequence[str | None]) -> None:
        """Refuse what fits none of the files.

        Raises
        ------
        UsageError
            For the first of it.
        """
        from softmax_tool.renderers.display import files

        if self.taken is None:
            return
        given = {
            "header": (self.header != "auto", "is for text, which none of them is"),
            "key": (self.key is not None, "is for NPZ files, none of which has that array"),
            "input_dtype": (
                self.input_dtype is not None,
                "is for raw bytes and unsigned integers, which none of them holds",
            ),
        }
        for name, (was_said, why) in given.items():
            if was_said and name not in self.taken | self.passed_over:
                names = files([path for path in paths if path is not None])
                raise UsageError(f"{names}: --{name.replace('_', '-')} {why}")


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


def open_given(
    files: tuple[str, str | None],
    source: Source,
    options: Options,
    messages: Messages,
    logits_dtype: str | None,
    said: Said,
) -> tuple[Given, Given | None]:
    """Open the results to judge, and those that they are held against, if any."""
    candidate, baseline = files
    given = _open_candidate(candidate, source, options, messages, logits_dtype, said)
    against = _open_baseline(baseline, source, options, said)
    said.refuse_untaken([*source.paths, *files])
    return given, against


def _open_candidate(
    candidate: str,
    source: Source,
    options: Options,
    messages: Messages,
    logits_dtype: str | None,
    said: Said,
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
            **said.arguments,
        )
    messages.warning(f"--candidate {candidate}: runs the code of that module")
    target = None if dtype is None else find_format(dtype)
    return load_function(candidate, quantity, target, stated)


def _open_baseline(path: str | None, source: Source, options: Options, said: Said) -> Given | None:
    """Open the results that a candidate is held against; None where there are none."""
    from softmax_tool.check.gate import given_quantity
    from softmax_tool.check.given import open_results

    if path is None:
        return None
    quantity = given_quantity(source, options, path)
    dtype = options.dtypes[0] if options.dtypes else None
    return open_results(path, source, quantity, dtype_of_text=dtype, **said.arguments)
