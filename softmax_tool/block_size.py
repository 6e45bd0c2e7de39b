"""How many rows are worked on at once.

So few that all arrays of a block stay small, and so many that what a block costs whatever its size
does not show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.distinct import repeat_surely
from softmax_tool.formats import FLOAT32
from softmax_tool.formulations import LOSSES

if TYPE_CHECKING:
    from softmax_tool.plan import Options, Plan
    from softmax_tool.readers import Source

ELEMENTS = 1 << 18
# Rows of a short format have few distinct values, what is measured tile by tile takes little room,
# a loss has one result a row.
ELEMENTS_OF_FEW_RESULTS = 1 << 19
ELEMENTS_OF_LOSSES = 1 << 21  # in float32, of class labels, where that is all there is
ELEMENTS_OF_A_PAIR = 1 << 20  # of such results, in few and wide rows
# What belongs to a row, in some fifty arrays, is more than its classes where these are few.
ROWS = 1 << 16
ROWS_OF_CASES = 1 << 20  # times as many cases
_WIDE = 1 << 16
# Each case holds results, and what they are made of, for a whole block.
_PAIR = 2
_FEW_CASES = 4
_ALL_CASES = 12  # of one format and arithmetic


def block_rows(plan: Plan, options: Options, source: Source) -> int:
    """Return how many rows of a source to read, compute and judge at once; at least one."""
    most = min(ROWS, ROWS_OF_CASES // max(len(plan.cases), 1))
    return max(1, min(_elements(plan, options, source) // source.classes, most))


def _elements(plan: Plan, options: Options, source: Source) -> int:
    elementwise = sum(case.quantity not in LOSSES for case in plan.cases)
    if not elementwise:
        of_one_class = source.label_kind == "classes" and not options.label_smoothing
        are_few = of_one_class and plan.formats == (FLOAT32,) and len(plan.cases) <= _FEW_CASES
        return ELEMENTS_OF_LOSSES if are_few else ELEMENTS_OF_FEW_RESULTS
    if not plan.measured:  # whole rows are handed on
        return ELEMENTS
    from softmax_tool.sweep import can_sweep  # noqa: PLC0415  # 5 ms that only `compare` needs

    by_tiles = all(map(can_sweep, plan.formats)) and elementwise <= _ALL_CASES
    if by_tiles or _takes_few_values(plan, options, source):
        is_pair = elementwise <= _PAIR and source.classes >= _WIDE
        return ELEMENTS_OF_A_PAIR if is_pair else ELEMENTS_OF_FEW_RESULTS
    return ELEMENTS


def _takes_few_values(plan: Plan, options: Options, source: Source) -> bool:
    """Tell whether results are made at the distinct values of a row alone, and these are few."""
    if options.columns is not None or any(model.in_storage for model in plan.models):
        return False
    return all(repeat_surely(target, source.classes) for target in plan.formats)
