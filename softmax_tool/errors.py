"""What can go wrong on the user's side; every message is one line: what, where, what to do."""

from __future__ import annotations


class SoftmaxToolError(ValueError):
    """Base of every error that a caller can mend; the message is one line."""


class InputError(SoftmaxToolError):
    """Unreadable or malformed input, or inputs whose shapes do not fit each other."""


class LabelError(InputError):
    """A label that is no class, nor the one to be ignored."""


class UsageError(SoftmaxToolError):
    """Options that do not exist, do not fit together, or do not fit the input."""


class StorageError(SoftmaxToolError):
    """Results, or what is kept for a while, that the system does not take: a disk is full."""
