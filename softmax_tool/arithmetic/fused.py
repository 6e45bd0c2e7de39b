"""`fused`: computed in the accumulator's format, rounded once at the end of each kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.arithmetic.protocol import Model
from softmax_tool.arithmetic.reduction import ExactReduction
from softmax_tool.arithmetic.rounded import Rounded
from softmax_tool.arithmetic.wide_sum import TreeSummation, sum_constant
from softmax_tool.formats import accumulator_of

if TYPE_CHECKING:
    from softmax_tool.formats import FloatFormat


def build(target: FloatFormat) -> Rounded:
    """Return the model's arithmetic for a format."""
    accumulator = accumulator_of(target)
    return Rounded(accumulator, target, TreeSummation(accumulator))


FUSED = Model(
    name="fused",
    summary="computed in float32 (float64 for float64), rounded once at the end of each kernel: "
    "softmax, log-softmax, log, pick-and-weight, reduce",
    build=build,
    sums_are_wide=True,
    same_as_wide_sum=lambda target: accumulator_of(target) == target,
    in_storage=False,
    supports=lambda _: True,
    sum_constant=sum_constant,
    reduction=ExactReduction,
)
