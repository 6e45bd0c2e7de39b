"""The exact reference: true softmax, log-softmax and losses, independent of every formulation."""

from __future__ import annotations

from softmax_tool.exact.double import reference
from softmax_tool.exact.losses import coefficients_of, losses, mask_of
from softmax_tool.exact.values import Exact, Reference

__all__ = ["Exact", "Reference", "coefficients_of", "losses", "mask_of", "reference"]
