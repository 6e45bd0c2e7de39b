"""Help in plain text: options under headings, names of what is registered filled in when asked."""

# ruff: noqa: PLC0415

from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand


class GroupedCommand(TyperCommand):
    """A command whose help lists options by their panel, without loading Rich."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options under the headings of their panels."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading = getattr(parameter, "rich_help_panel", None) or _default_panel(parameter)
                panels.setdefault(heading, []).append((record[0], _filled(record[1])))
        for heading, records in panels.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _default_panel(parameter: Any) -> str:
    return "Arguments" if parameter.param_type_name == "argument" else "Other options"


def _filled(text: str) -> str:
    """Fill in the names that an option takes; only then are the registries imported."""
    for placeholder, names in PLACEHOLDERS.items():
        if placeholder in text:
            text = text.replace(placeholder, ", ".join(names()))
    return text


def _dtypes() -> list[str]:
    from softmax_tool.formats import FORMATS

    return [
        f"{found.name} ({', '.join(found.aliases)})" if found.aliases else found.name
        for found in FORMATS.values()
    ]


def _ops() -> list[str]:
    from softmax_tool.formulations import OPS

    return list(OPS)


def _formulations() -> list[str]:
    from softmax_tool.formulations import all_names

    return list(all_names())


def _arithmetics() -> list[str]:
    from softmax_tool.arithmetic import MODELS

    return list(MODELS)


def _output_formats() -> list[str]:
    from softmax_tool.renderers import FORMATS

    return [f"{name} ({chosen.purpose})" for name, chosen in FORMATS.items()]


def _check_formats() -> list[str]:
    from softmax_tool.renderers import CHECK_FORMATS

    return [f"{name} ({chosen.purpose})" for name, chosen in CHECK_FORMATS.items()]


PLACEHOLDERS: dict[str, Callable[[], list[str]]] = {
    "<dtypes>": _dtypes,
    "<ops>": _ops,
    "<formulations>": _formulations,
    "<arithmetics>": _arithmetics,
    "<formats>": _output_formats,
    "<check-formats>": _check_formats,
}
"""What stands in a help text for the names of a registry."""
