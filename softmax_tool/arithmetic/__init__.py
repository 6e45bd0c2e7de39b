"""Arithmetic models: what "computed in half" means, as a named choice. One module a model."""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING

from softmax_tool.arithmetic.fused import FUSED
from softmax_tool.arithmetic.native import NATIVE
from softmax_tool.arithmetic.protocol import Arithmetic, Model
from softmax_tool.arithmetic.strict import STRICT
from softmax_tool.arithmetic.wide_sum import WIDE_SUM
from softmax_tool.errors import UsageError

if TYPE_CHECKING:
    from softmax_tool.formats import FloatFormat

MODELS: dict[str, Model] = {m.name: m for m in (STRICT, WIDE_SUM, FUSED, NATIVE)}


def find_model(name: str) -> Model:
    """Return the arithmetic model of that name."""
    if name not in MODELS:
        raise UsageError(f"unknown arithmetic {name!r}; known are {', '.join(MODELS)}")
    return MODELS[name]


def working_format(arithmetic: str | None, target: FloatFormat) -> FloatFormat:
    """Return the format that a model's operations round to, before a result is stored in another.

    What is computed by no model is rounded to the format itself.
    """
    model = None if arithmetic is None else MODELS.get(arithmetic)
    found: FloatFormat = target
    if model is not None:
        found = getattr(model.build(target), "working", target)
    return found


def _by_name(model: Model) -> tuple[object, tuple[str]]:
    return find_model, (model.name,)


# Between processes a model travels as its name: its functions are there already.
copyreg.pickle(Model, _by_name)  # type: ignore[arg-type]

__all__ = ["MODELS", "Arithmetic", "Model", "find_model", "working_format"]
