"""One case on one row, computed and judged as the engine does it, measured with more digits."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from softmax_tool.blocks import judge_case
from softmax_tool.plan import Options, Plan, Variant
from softmax_tool.report import CaseName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Model
    from softmax_tool.explanation.steps import Name
    from softmax_tool.explanation.truth import TrueValue
    from softmax_tool.formats import FloatFormat
    from softmax_tool.readers import Block
    from softmax_tool.tally import Results


def judged(
    block: Block,
    name: Name,
    target: FloatFormat,
    model: Model,
    weights: NDArray[Any] | None = None,
) -> Results:
    """Compute and judge one case, (quantity, formulation), on a block whose rows all count."""
    case = CaseName(*name, target.name, model.name)
    variant = Variant(target, model, (case,))
    plan = Plan((name[0],), (name[1],), (target,), (model,), (variant,))
    return judge_case(block, plan, Options(arithmetics=(model.name,), weights=weights))


def ulp_error(results: Results, column: int, true: TrueValue) -> float:
    """Return how far a result is off, in ULP, from all digits of its true value.

    What is not finite, or beyond the format, counts as the engine counts it.
    """
    got = float(results.got[0, column])
    if not isfinite(got) or not abs(true.value) < results.target.max_finite:
        return float(results.judged.errors[0, column])
    return true.ulp_error(got, results.target)
