"""Formulations: the same quantity computed in different orders. One module a quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.errors import UsageError
from softmax_tool.formulations import gradients, log_softmax, losses, softmax
from softmax_tool.formulations.losses import per_row
from softmax_tool.formulations.protocol import Formulation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EXACT = "exact"
GRADIENT = "gradient"
QUANTITIES = ("softmax", "log-softmax", "nll", "ce", GRADIENT)
LOSSES = ("nll", "ce")
NEED_LABELS = (*LOSSES, GRADIENT)
OPS = ("softmax", "log-softmax", "log-of-softmax", "nll", "ce", GRADIENT)

FORMULATIONS: dict[tuple[str, str], Formulation] = {
    (f.quantity, f.name): f
    for f in (
        *softmax.FORMULATIONS,
        *log_softmax.FORMULATIONS,
        *losses.FORMULATIONS,
        *gradients.FORMULATIONS,
    )
}

_LOG_OF = ("log-of-naive", "log-of-shifted")
# What `--formulation naive` and `--formulation shifted` mean for each op.
_SHORTHAND = {
    "naive": {
        "softmax": "naive",
        "log-softmax": "log-of-naive",
        "log-of-softmax": "log-of-naive",
        "nll": "log-of-naive",
        "ce": "log-of-naive",
        "gradient": "log-of-naive",
    },
    "shifted": {
        "softmax": "shifted",
        "log-softmax": "shifted",
        "log-of-softmax": "log-of-shifted",
        "nll": "shifted",
        "ce": "shifted",
        "gradient": "shifted",
    },
}


def quantity_of(op: str) -> str:
    """Return the quantity that an op computes."""
    return "log-softmax" if op == "log-of-softmax" else op


def names_of(op: str) -> tuple[str, ...]:
    """Return the formulations of an op, `exact` last."""
    if op == "log-of-softmax":
        return _LOG_OF
    return (*(name for quantity, name in FORMULATIONS if quantity == op), EXACT)


def expand(ops: Iterable[str], names: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """Return the (quantity, formulation) pairs that ops and formulation names ask for, each once.

    None asks for every formulation of each op. A name that no selected op has is a usage error.
    """
    ops = tuple(ops)
    for op in ops:
        if op not in OPS:
            raise UsageError(f"unknown op {op!r}; known are {', '.join(OPS)}")
    wanted: set[tuple[str, str]] = set()
    for name in names if names is not None else all_names():
        pairs = {(quantity_of(op), own) for op in ops if (own := own_name(op, name))}
        if not pairs and names is not None:
            raise UsageError(_no_such_formulation(name, ops))
        wanted |= pairs
    every = [(q, f) for q in QUANTITIES for f in names_of(q)]
    return tuple(pair for pair in every if pair in wanted)


def own_name(op: str, name: str) -> str | None:
    """Return what a given name means for an op, None if the op has no such formulation."""
    own = _SHORTHAND.get(name, {}).get(op, name)
    return own if own in names_of(op) else None


def all_names() -> tuple[str, ...]:
    """Return every formulation name once, `exact` last."""
    names = [name for op in QUANTITIES for name in names_of(op) if name != EXACT]
    return (*dict.fromkeys(names), EXACT)


def _no_such_formulation(name: str, ops: tuple[str, ...]) -> str:
    if name not in all_names():
        return f"unknown formulation {name!r}; known are {', '.join(all_names())}"
    having = [op for op in OPS if own_name(op, name)]
    return (
        f"formulation {name!r} does not exist for op {', '.join(ops)}; "
        f"it does for {', '.join(having)}"
    )


__all__ = [
    "EXACT",
    "FORMULATIONS",
    "LOSSES",
    "OPS",
    "QUANTITIES",
    "Formulation",
    "all_names",
    "expand",
    "names_of",
    "per_row",
]
