"""Which computations are compared bit for bit, and how they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.formats import find_format, narrower_than
from softmax_tool.formulations import EXACT, GRADIENT
from softmax_tool.report import Pair

if TYPE_CHECKING:
    from softmax_tool.report import CaseName
    from softmax_tool.summary import PairSummary

# Which formulations are worth setting side by side: naive against stable, log(softmax) against
# log-softmax, and nll of log-softmax against cross-entropy.
_SIDE_BY_SIDE = (
    (("softmax", "naive"), ("softmax", "shifted")),
    (("log-softmax", "log-of-naive"), ("log-softmax", "shifted")),
    (("log-softmax", "log-of-shifted"), ("log-softmax", "shifted")),
    (("ce", "log-of-naive"), ("ce", "shifted")),
    (("nll", "shifted"), ("ce", "shifted")),
)


def pairs_of(cases: tuple[CaseName, ...]) -> tuple[tuple[int, int], ...]:
    """Return indices of the cases to compare: the usual pairs, and any two that are alone."""
    index = {(c.dtype, c.arithmetic, c.quantity, c.formulation): i for i, c in enumerate(cases)}
    variants = dict.fromkeys((c.dtype, c.arithmetic) for c in cases if c.arithmetic is not None)
    found: dict[tuple[int, int], None] = {}
    for variant in variants:
        wanted = [*_SIDE_BY_SIDE, *_lone_pairs(cases, variant)]
        for a, b in wanted:
            if (*variant, *a) in index and (*variant, *b) in index:
                found[index[(*variant, *a)], index[(*variant, *b)]] = None
    return tuple(found)


def _lone_pairs(
    cases: tuple[CaseName, ...], variant: tuple[str, str | None]
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    by_quantity: dict[str, list[tuple[str, str]]] = {}
    for case in cases:
        of_variant = (case.dtype, case.arithmetic) == variant
        if of_variant and case.formulation != EXACT and case.quantity != GRADIENT:
            by_quantity.setdefault(case.quantity, []).append((case.quantity, case.formulation))
    if "ce" in by_quantity:
        by_quantity.pop("nll", None)  # it would say the same
    return [(pair[0], pair[1]) for pair in by_quantity.values() if len(pair) == 2]


def pair_report(a: CaseName, b: CaseName, total: PairSummary) -> Pair:
    """Return how two computations compare over all rows."""
    narrower = narrower_than(find_format(a.dtype))
    assert a.arithmetic is not None  # noqa: S101  (exact values are in no pair)
    return Pair(
        dtype=a.dtype,
        arithmetic=a.arithmetic,
        a=(a.quantity, a.formulation),
        b=(b.quantity, b.formulation),
        elements=total.elements,
        identical=total.differing == 0,
        differing=total.differing,
        max_abs_difference=total.max_abs_difference,
        max_ulp_difference=total.max_ulp_difference,
        identical_in={
            f.name: not differs for f, differs in zip(narrower, total.differs_in, strict=True)
        },
    )
