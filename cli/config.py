"""Options of `check` from `[tool.softmax-tool]` in a pyproject.toml."""

# ruff: noqa: PLC0415

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmax_tool.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import typer

FILE = "pyproject.toml"
TABLE = "[tool.softmax-tool]"

STRINGS, STRING, NUMBER, INTEGER, FLAG, BUDGET = (
    "a string or a list of strings",
    "a string",
    "a number",
    "a whole number",
    "true or false",
    "a whole number or a string such as '0.01%'",
)

KEYS = {
    "arithmetic": STRINGS,
    "axis": INTEGER,
    "budget": BUDGET,
    "color": STRING,
    "dtype": STRINGS,
    "factor": NUMBER,
    "format": STRING,
    "formulation": STRINGS,
    "header": STRING,
    "headroom": NUMBER,
    "ignore": STRINGS,
    "ignore-index": INTEGER,
    "input-dtype": STRING,
    "label-column": STRING,
    "label-smoothing": NUMBER,
    "logits-dtype": STRING,
    "max-abs": NUMBER,
    "max-rel": NUMBER,
    "max-ulp": NUMBER,
    "op": STRINGS,
    "quiet": FLAG,
    "reduction": STRING,
    "select": STRINGS,
    "suggest": FLAG,
    "summary": FLAG,
    "threads": INTEGER,
    "top": INTEGER,
    "width": INTEGER,
}
"""What may be set, and what each takes.

Files that are read or written and code that is run are named on the command line alone: a checkout
that somebody else wrote does not choose them.
"""


def apply_config(context: typer.Context, path: str | None) -> str | None:
    """Make the options of a config file the defaults of the command; flags win.

    Without a path it is the pyproject.toml of the working directory, if there is one with options.

    Raises
    ------
    InputError
        If the file cannot be read.
    UsageError
        If it has no options although it was named, or holds an unknown key or another type.
    """
    options = read_config(path)
    names = {
        option.removeprefix("--"): parameter
        for parameter in context.command.params
        for option in parameter.opts
    }
    context.default_map = {
        str(names[key].name): [value]
        if getattr(names[key], "multiple", False) and isinstance(value, str)
        else value
        for key, value in options.items()
    }
    return path


def is_from_file(context: typer.Context, name: str) -> bool:
    """Tell whether the value of a parameter is that of the config file."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"


def without_idle(context: typer.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """Give options less those of the config file that other options leave nothing to act on.

    A file is for several runs. What was typed is left for others to refuse.
    """
    judged = options["candidate"] is not None
    idle = {
        "arithmetic": judged,
        "formulation": judged,
        "logits_dtype": not judged,
        "label_column": bool(options["labels"]),
        "label_smoothing": {op.lower() for op in options["op"] or ()} == {"nll"},
    }
    nothing = {"label_smoothing": 0.0}
    return {
        name: nothing.get(name) if idle.get(name) and is_from_file(context, name) else value
        for name, value in options.items()
    }


def of_whatever_files(context: typer.Context) -> frozenset[str]:
    """Give the options of the config file that are about whichever files they fit, if any."""
    return frozenset(
        name for name in ("header", "input_dtype", "label_column") if is_from_file(context, name)
    )


def naming_file(context: typer.Context, message: str) -> str:
    """Add to an error those values of the config file that it is about, and the file."""
    values = ", ".join(_mentioned(context, message))
    where = context.params.get("config") or FILE
    return f"{message} ({where} says {values})" if values else message


def _mentioned(context: typer.Context, message: str) -> Iterator[str]:
    """Yield what of the config file a message names by its option, or quotes."""
    for parameter in context.command.params:
        name = str(parameter.name)
        if not is_from_file(context, name):
            continue
        value = (context.default_map or {})[name]
        named = any(re.search(rf"{re.escape(o)}(?![\w-])", message) for o in parameter.opts)
        texts = value if isinstance(value, list) else [value]
        if named or any(isinstance(text, str) and repr(text) in message for text in texts):
            key = next(o for o in parameter.opts if o.removeprefix("--") in KEYS)
            shown = texts[0] if len(texts) == 1 else texts
            yield f"{key.removeprefix('--')} = {shown!r}"


def read_config(path: str | None) -> dict[str, Any]:
    """Return the options of a config file, checked."""
    if path == "":
        raise UsageError("--config '': a file name is empty; name a file")
    where = path or FILE
    if path is None and not Path(FILE).exists():
        return {}
    document = _parsed(where)
    tool = document.get("tool", {})
    options = tool.get("softmax-tool") if isinstance(tool, dict) else None
    if isinstance(tool, dict) and "softmax_tool" in tool:
        raise UsageError(f"{where}: has [tool.softmax_tool]; the options are read from {TABLE}")
    if options is None:
        if path is not None:
            raise UsageError(f"--config {path}: has no {TABLE}")
        return {}
    if not isinstance(options, dict):
        raise UsageError(f"{where}: tool.softmax-tool is no table of options")
    return {key: _checked(where, key, value) for key, value in options.items()}


def _parsed(where: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(Path(where).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"--config {where}: no such file") from None
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: is not TOML: {error}") from None


def _checked(where: str, key: str, value: Any) -> Any:
    if key not in KEYS:
        known = ", ".join(KEYS)
        raise UsageError(f"{where}: {TABLE} has no option {key!r}; known are {known}")
    kind = KEYS[key]
    if not _FITS[kind](value):
        raise UsageError(f"{where}: {TABLE} {key} = {value!r}: takes {kind}")
    if value == []:
        raise UsageError(f"{where}: {TABLE} {key} = []: names nothing; leave it out")
    return str(value) if kind == BUDGET else value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FITS: dict[str, Callable[[Any], bool]] = {
    STRINGS: lambda x: (
        isinstance(x, str) or (isinstance(x, list) and all(isinstance(part, str) for part in x))
    ),
    STRING: lambda x: isinstance(x, str),
    NUMBER: lambda x: _is_integer(x) or isinstance(x, float),
    INTEGER: _is_integer,
    FLAG: lambda x: isinstance(x, bool),
    BUDGET: lambda x: _is_integer(x) or isinstance(x, str),
}
