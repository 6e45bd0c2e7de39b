"""The exact reference: true softmax, log-softmax and losses, independent of every formulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.exact import escalation, quad
from softmax_tool.exact.entropies import entropies
from softmax_tool.exact.gradients import gradients
from softmax_tool.exact.losses import class_coefficients, coefficients_of, losses, mask_of
from softmax_tool.exact.values import Exact, Reference

if TYPE_CHECKING:
    from softmax_tool.exact.values import Array
    from softmax_tool.extremes import Extremes
    from softmax_tool.formats import FloatFormat


def reference(logits: Array, target: FloatFormat, extremes: Extremes | None = None) -> Reference:
    """Return the true softmax and log-softmax of float64 logits, as results in `target` need them.

    Float64 arithmetic is enough for narrower formats; float64 itself takes double-double. What is
    known of the `extremes` of the logits need not be looked for again.
    """
    if target.precision == 53:
        return quad.reference(logits, extremes)
    return escalation.reference(logits, target, extremes)


__all__ = [
    "Exact",
    "Reference",
    "class_coefficients",
    "coefficients_of",
    "entropies",
    "gradients",
    "losses",
    "mask_of",
    "reference",
]
