"""Report to sections: what is said, in which order and words, before any format lays it out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softmax_tool.renderers.grids import Section
    from softmax_tool.report import Report


def sections(report: Report) -> tuple[Section, ...]:
    """Give everything that a report says, in the order in which it is read.

    The words of a command are in the module `of_` that command, imported when needed.
    """
    module = import_module(f"softmax_tool.renderers.of_{report.command}")
    return tuple(getattr(module, report.command)(report))
