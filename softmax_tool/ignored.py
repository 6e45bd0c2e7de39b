"""The label of rows that do not count."""

from __future__ import annotations

IGNORED_LABEL = -100
"""PyTorch's default."""


def ignored_label(given: int | None) -> int:
    """Return the label that was given, or the default."""
    return IGNORED_LABEL if given is None else given
