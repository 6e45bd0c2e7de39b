"""What the wrong results of a row have in common, in words: how they may have come about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic import MODELS
from softmax_tool.formats import exp_edges
from softmax_tool.formulations import FORMULATIONS, GRADIENT
from softmax_tool.renderers.display import count, full, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formulations import Formulation
    from softmax_tool.tally import Results

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

_NEARLY_ALL = 0.95
# Elements have a factor in common that are so many unit roundoffs from it, and one subnormal.
_WITHIN = 16
# A factor that is nearer to 1 is told by what it misses.
_SLIGHT = 0.01

# The arithmetics whose bits a kernel may have, and how they are told in words.
_KNOWN = {
    "wide-sum": "computed operation by operation in {dtype}",
    "fused": "computed in a wider format",
    "strict": "with a running sum in {dtype}",
}


def explained(results: Results, beyond: Mask, row: int, column: int) -> str:
    """Say what may be behind a wrong element, from its row; nothing where there is no telling."""
    if results.is_loss:
        return ""
    if results.quantity == GRADIENT:
        return _of_gradient(results, beyond, row)
    wrong = beyond[row] | ~np.isfinite(results.got[row]) & results.judged.wrong[row]
    elements = int(np.count_nonzero(wrong))
    known = _known_computation(results, wrong, row) if elements > 1 else ""
    if not np.isfinite(results.got[row, column]):
        return known or _not_finite(results, row, column)
    factor = _common_factor(results, row) if elements > 1 else None
    if factor is not None:
        return "; ".join(part for part in (_of_factor(results, factor), known) if part)
    return known or _flushed(results, row, column) or _neighbours(results, row, column, elements)


def _of_gradient(results: Results, beyond: Mask, row: int) -> str:
    """Tell a factor that nearly all entries have in common: another mean, or another weight."""
    if np.count_nonzero(beyond[row]) < 2:
        return ""
    factor = _common_factor(results, row)
    if factor is None:
        return ""
    return (
        f"the entries of the row are {number(factor, 4)} times what they should be, as with "
        "another --reduction, or another weight"
    )


def _flushed(results: Results, row: int, column: int) -> str:
    true = abs(float(results.exact.hi[row, column]))
    if results.got[row, column] != 0 or true >= results.target.smallest_normal:
        return ""
    return "the exact value is subnormal, which hardware or options may flush to zero"


def _neighbours(results: Results, row: int, column: int, elements: int) -> str:
    """Say how many elements of the row are wrong, and whether this is the value of another."""
    elsewhere = _column_with(results, row, column)
    taken = "" if elsewhere is None else f"; it is the exact value of column {elsewhere}"
    if elements == 1:
        return f"alone in its row, whose other elements are within the tolerance{taken}"
    counted = int(np.count_nonzero(results.judged.counted[row]))
    return f"so are {count(elements)} of {count(counted)} in its row{taken}"


def _known_computation(results: Results, wrong: Mask, row: int) -> str:
    """Name a computation that has the bits of nearly all elements, and of those that are wrong."""
    got, target = results.got[row], results.target
    logits = results.rows.logits[row : row + 1].astype(target.carrier)
    for name, words in _KNOWN.items():
        if not MODELS[name].supports(target):
            continue
        for formulation in _formulations(results.quantity):
            values = formulation.compute(MODELS[name].build(target), logits)[0]
            same = (values == got) | (np.isnan(values) & np.isnan(got))
            if same[wrong].all() and np.count_nonzero(same) >= _NEARLY_ALL * same.size:
                how = words.format(dtype=target.name)
                return f"bit for bit what {formulation.name} {results.quantity} gives {how}"
    return ""


def _formulations(quantity: str) -> list[Formulation]:
    """Return the formulations of a quantity, the one that most kernels are first."""
    mine = [f for f in FORMULATIONS.values() if f.quantity == quantity]
    return sorted(mine, key=lambda f: f.name != "shifted")


def _not_finite(results: Results, row: int, column: int) -> str:
    logits, target = results.rows.logits[row], results.target
    largest, edges = float(logits.max()), exp_edges(target)
    if largest >= edges.first_overflow:
        return (
            f"exp of the largest logit, {number(largest)}, overflows in {target.name} (from "
            f"{full(edges.first_overflow)} on) if the maximum is not subtracted"
        )
    if largest <= edges.last_zero:
        by_logarithm = results.quantity == "log-softmax" and results.got[row, column] == np.inf
        step = "log 0 is -inf, and x - (-inf) is inf" if by_logarithm else "0/0"
        return (
            f"every exponential is 0 in {target.name} (up to {full(edges.last_zero)}) if the "
            f"maximum is not subtracted: {step}"
        )
    return ""


def _common_factor(results: Results, row: int) -> float | None:
    """Return what nearly all exact probabilities of a row were multiplied by; None for nothing.

    Of log-probabilities: what those were multiplied by that they are the logarithms of.
    """
    got = results.got[row].astype(np.float64)
    exact, target = results.exact.hi[row], results.target
    usable = np.isfinite(got) & np.isfinite(exact) & results.judged.counted[row]
    if results.quantity in {"softmax", GRADIENT}:
        # A ratio of the smallest numbers says little.
        usable &= (np.abs(exact) >= _WITHIN * target.smallest_subnormal) & (got * exact > 0)
        ratios = got[usable] / exact[usable]
        least = np.minimum(np.abs(exact[usable]), np.abs(got[usable]))
        coarse = target.smallest_subnormal / least
    else:
        ratios = np.exp(got[usable] - exact[usable])
        coarse = np.abs(exact[usable]) * _WITHIN * target.unit_roundoff
    if ratios.size < 2:
        return None
    middle = float(np.median(ratios))
    spread = _WITHIN * target.unit_roundoff
    if results.quantity == GRADIENT:
        spread = _SLIGHT  # each exponential is off by |z| u of its own
    if not 0 < middle < np.inf or abs(middle - 1) <= spread:
        return None
    near = np.abs(ratios / middle - 1) <= spread + coarse
    return middle if np.count_nonzero(near) >= _NEARLY_ALL * ratios.size else None


def _of_factor(results: Results, factor: float) -> str:
    what = "" if results.quantity == "softmax" else "exp of "
    if abs(factor - 1) < _SLIGHT:
        return f"{what}the elements of the row are off by a common factor, {_near_one(factor)}"
    text = (
        f"{what}the elements of the row are {number(factor, 4)} times what they should be: its sum "
        f"came out as {number(1 / factor, 4)} of the true one"
    )
    return f"{text}, as one that stalls or leaves terms out does" if factor > 1 else text


def _near_one(factor: float) -> str:
    sign = "+" if factor > 1 else "-"
    return f"1 {sign} {number(abs(factor - 1), 3)}"


def _column_with(results: Results, row: int, column: int) -> int | None:
    """Return the only other column whose correctly rounded value this element is."""
    same = results.judged.rounded[row] == results.got[row, column]
    same[column] = False
    columns = np.flatnonzero(same)
    return int(columns[0]) if columns.size == 1 else None
