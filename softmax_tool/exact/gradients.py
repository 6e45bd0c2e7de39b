"""The true gradient of a loss with respect to the logits.

With c the coefficients of the log-probabilities in the loss Σ −c_k y_k, and p the softmax, it is
p_j Σ_{k≠j} c_k − c_j (1 − p_j). For one class label nothing cancels: the entry of the target is the
negated sum of the other probabilities, and never p − 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact import double_double as dd
from softmax_tool.exact import quad
from softmax_tool.exact.double_double import DoubleDouble
from softmax_tool.exact.escalation import round_to_odd
from softmax_tool.exact.losses import class_coefficients, constant
from softmax_tool.exact.tails import rounded_with_tail
from softmax_tool.exact.values import Exact
from softmax_tool.formats import FLOAT64, ulp_exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Mask, Reference
    from softmax_tool.formats import FloatFormat
    from softmax_tool.targets import Targets


def gradients(logits: NDArray[Any], targets: Targets, target: FloatFormat) -> Exact:
    """Return the true gradient of each row's share of the loss, (rows, classes).

    Special values: NaN in a row whose softmax is NaN; a masked class has p = 0.

    All in double-double, whatever the format: relative to the larger of the two terms the error is
    below 2**-85, but for results below 2**-960, whose second half float64 cannot hold.
    """
    reference = quad.reference(logits.astype(np.float64))
    with np.errstate(all="ignore"):
        p = _wide(reference.softmax)
        c = class_coefficients(reference, targets)
        others = _of_other_classes(c, targets)
        first, second = dd.multiply(p, others), dd.multiply(c, _rest(p, reference))
        share = dd.divide(DoubleDouble.of(np.ones((1, 1))), constant(targets.divisor))
        total = dd.multiply(dd.add(first, -second), share)
        hi, tail = rounded_with_tail(total, None)
        alone = (c.hi == 0) & (others.hi != 0) & reference.softmax.nonzero
        target_alone = (others.hi == 0) & (c.hi != 0) & reference.log_softmax.nonzero
    nonzero = (hi != 0) | alone | target_alone
    values = Exact(hi, tail, nonzero & ~reference.invalid, np.zeros(hi.shape, bool))
    if target.precision == FLOAT64.precision:
        return values
    return Exact(round_to_odd(values), None, values.nonzero, values.infinite)


def _wide(values: Exact) -> DoubleDouble:
    assert values.tail is not None  # noqa: S101  (of a reference in double-double)
    return DoubleDouble(values.hi, np.ldexp(values.tail, ulp_exponent(values.hi, FLOAT64)))


def _rest(p: DoubleDouble, reference: Reference) -> DoubleDouble:
    """Return 1 − p: of a first maximum the sum of the others, since p may be nearly 1 there."""
    rest = dd.add(DoubleDouble.of(np.ones((1, 1))), -p)
    first = _first_of_each(reference)
    others = dd.row_sum(DoubleDouble(np.where(first, 0.0, p.hi), np.where(first, 0.0, p.lo)))
    return DoubleDouble(np.where(first, others.hi, rest.hi), np.where(first, others.lo, rest.lo))


def _first_of_each(reference: Reference) -> Mask:
    first = np.zeros(reference.masked.shape, bool)
    np.put_along_axis(first, reference.shifted.argmax(axis=1)[:, None], values=True, axis=1)
    return first


def _of_other_classes(c: DoubleDouble, targets: Targets) -> DoubleDouble:
    """Return, for each class, the sum of the coefficients of the others."""
    total = dd.row_sum(c)
    if targets.only is not None:
        own = c.hi != 0
        return DoubleDouble(np.where(own, 0.0, total.hi), np.where(own, 0.0, total.lo))
    return dd.add(total, -c)
