"""The true gradient of a loss with respect to the logits.

With c the coefficients of the log-probabilities in the loss Σ −c_k y_k, and p the softmax, it is
p_j Σ_{k≠j} c_k − c_j (1 − p_j). For one class label nothing cancels: the entry of the target is the
negated sum of the other probabilities, and never p − 1.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_all, row_any
from softmax_tool.exact import double_double as dd
from softmax_tool.exact import quad
from softmax_tool.exact.brackets import KnownRows, round_linear
from softmax_tool.exact.double_double import DoubleDouble
from softmax_tool.exact.losses import class_coefficients, constant, exact_coefficients
from softmax_tool.exact.tails import may_move, round_to_odd, rounded_with_tail
from softmax_tool.exact.values import Exact
from softmax_tool.formats import FLOAT64, ulp_exponent
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array, Mask, Reference
    from softmax_tool.formats import FloatFormat
    from softmax_tool.targets import Targets

_TERM = 2.0**-84  # relative errors: of a probability and of 1 − p 2**-88 and less, two products;
_COEFFICIENTS = 2.0**-98  # of sums of coefficients, which may cancel, ⌈log2 n⌉ 3u²
_LOST = 2.0**-1065  # what a product in double-double loses that underflows
_DEEP = -600.0  # exponentials of less may lose bits to float64's range in what follows
_LEAST_FACTOR = 2.0**-800
_BESIDE = 2.0**-20  # ULP from a float64, far more than rational entries are off
_NOTHING = 2.0**-100  # beside 1 in double-double, or nearly so
_HIDDEN = 2.0**-46  # ULP, more than what is below that adds up to with what double-double misses
_TINIEST = 5e-324


def gradients(logits: NDArray[Any], targets: Targets, target: FloatFormat) -> Exact:
    """Return the true gradient of each row's share of the loss, (rows, classes).

    Special values: NaN in a row whose softmax is NaN; a masked class has p = 0. With an infinite
    weight entries are infinite, or NaN as 0 times infinity is.

    All in double-double, whatever the format: the error is below 2**-84 of the larger of the two
    terms. Where that leaves open how an entry rounds to `target`, rational numbers decide.
    """
    logits = logits.astype(np.float64)
    reference = quad.reference(logits)
    with np.errstate(all="ignore"):
        c = class_coefficients(reference, targets)
        entries = _entries(c, targets, reference, logits)
        undecided = may_move(entries.hi, entries.tail, entries.error, target) & entries.nonzero
        undecided |= _may_be_float64(entries, c, reference, logits)
        undecided &= row_all(np.isfinite(c.hi))
        infinite = _of_infinite_coefficients(entries, c.hi, targets, reference)
    _decide(entries, undecided, KnownRows(logits, reference), targets)
    tail = entries.tail
    values = Exact(entries.hi, tail, entries.nonzero, infinite)
    if target.precision == FLOAT64.precision:
        return values
    hidden = (np.abs(tail) < _HIDDEN) & values.nonzero & _is_beside_its_factor(reference)
    tail[hidden] = -np.sign(values.hi[hidden]) * _TINIEST
    return Exact(round_to_odd(values), None, values.nonzero, values.infinite)


def _is_beside_its_factor(reference: Reference) -> Mask:
    """Tell where p or 1 − p is 1 but for what is below double-double.

    An entry that is the product of that with a float is nearer to 0 than the float.
    """
    p = reference.softmax
    return np.asarray(((p.hi == 1) | (p.hi < _NOTHING)) & p.nonzero & ~reference.of_rows.alone)


def _share(divisor: Fraction | float) -> DoubleDouble:
    one = DoubleDouble.of(np.ones((1, 1)))
    if isinstance(divisor, Fraction):
        return dd.divide(one, constant(divisor))
    return DoubleDouble.of(one.hi / divisor)


@frozen
class _Entries:
    """Entries of a gradient as double-double knows them, each (rows, classes)."""

    hi: Array
    tail: Array
    error: Array
    nonzero: Mask


def _entries(c: DoubleDouble, targets: Targets, reference: Reference, logits: Array) -> _Entries:
    p, others = _wide(reference.softmax), _of_other_classes(c, targets)
    first, second = dd.multiply(p, others), dd.multiply(c, _rest(p, reference))
    share = _share(targets.divisor)
    hi, tail = rounded_with_tail(dd.multiply(dd.add(first, -second), share), None)
    # Exactly 0 are only the entries of which one term is 0 and the other is too, or both cancel.
    of_others = (c.hi == 0) & (others.hi != 0) & reference.softmax.nonzero
    of_own = (c.hi != 0) & ((others.hi != 0) | reference.log_softmax.nonzero)
    size = np.abs(first.hi) + np.abs(second.hi)
    coefficients = np.abs(c.hi).sum(axis=1, keepdims=True)
    error = size * _TERM + (1 + coefficients) * _LOST
    if targets.only is None:
        error += p.hi * coefficients * _COEFFICIENTS
    error = error * np.abs(share.hi) + _LOST
    nonzero = (of_others | of_own) & (share.hi != 0) & ~reference.invalid
    entries = _Entries(hi, tail, error, nonzero)
    _settle_deep(entries, of_others, dd.multiply(others, share), reference, logits)
    return entries


def _of_infinite_coefficients(
    entries: _Entries, c: Array, targets: Targets, reference: Reference
) -> Mask:
    """Make the entries of rows with an infinite coefficient once more; tell which are infinite.

    p times what the others have, less (1 − p) c: 0 times infinity is NaN, as are infinities that
    cancel. No entry of such a row is finite, so that only signs and zeros count.
    """
    infinite = np.zeros(c.shape, bool)
    rows = np.flatnonzero(~row_all(np.isfinite(c)) & ~reference.invalid)
    if rows.size:
        c = c[rows]
        p, rest = (
            np.where(values.nonzero[rows], 1.0, 0.0)
            for values in (reference.softmax, reference.log_softmax)
        )
        made = (p * _infinities_of_others(c) - rest * c) * float(targets.share)
        entries.hi[rows], entries.tail[rows] = made, 0.0
        entries.nonzero[rows] = made != 0
        infinite[rows] = np.isinf(made)
    return infinite


def _infinities_of_others(c: Array) -> Array:
    """Return, for each class, what the infinite coefficients of the others add up to, 0 for none.

    NaN, which a target of 0 makes of an infinite weight, is in every sum of its row.
    """
    others = np.where(np.isnan(c).any(axis=1, keepdims=True), np.nan, np.zeros(c.shape))
    for infinity in (np.inf, -np.inf):
        here = c == infinity
        others += np.where(here.sum(axis=1, keepdims=True) > here, infinity, 0.0)
    return others


def _settle_deep(
    entries: _Entries, only: Mask, factor: DoubleDouble, reference: Reference, x: Array
) -> None:
    """Make entries that are p · factor once more where p may have lost bits to float64's range.

    x are the logits.
    """
    rows, columns = np.nonzero(only & (reference.shifted < _DEEP))
    if not rows.size:
        return
    largest = _wide(reference.at(_first_of_each(reference)).softmax)
    factor = dd.multiply(factor, largest)
    some = DoubleDouble(
        *(np.broadcast_to(f, x.shape)[rows, columns, None] for f in (factor.hi, factor.lo))
    )
    maximum = reference.of_rows.maximum[rows]
    power = dd.exp(DoubleDouble(*dd.two_sum(x[rows, columns, None], -maximum)))
    usual = np.isfinite(some.hi[:, 0]) & (np.abs(some.hi[:, 0]) > _LEAST_FACTOR)
    excess = np.frexp(some.hi)[1]
    unit = dd.power_of_two(-excess)
    product = dd.multiply(power.value, DoubleDouble(some.hi * unit, some.lo * unit))
    near, rest = rounded_with_tail(product, power.exponent + excess)
    rows, columns = rows[usual], columns[usual]
    entries.hi[rows, columns] = near[usual, 0]
    entries.tail[rows, columns] = rest[usual, 0]
    entries.error[rows, columns] = np.abs(near[usual, 0]) * _TERM


def _may_be_float64(
    entries: _Entries, c: DoubleDouble, reference: Reference, logits: Array
) -> Mask:
    """Tell which rational entries seem to miss a float64 by next to nothing: they may be it.

    An entry is rational where the class is masked, or all others that are not share the maximum. A
    coefficient over the divisor may be a float64, 1 or 1/2, where one times the other's inverse,
    rounded, is beside it.
    """
    beside: Mask = (np.abs(entries.tail) < _BESIDE) & (entries.tail != 0) & entries.nonzero
    rows = np.flatnonzero(row_any(beside))
    some = logits[rows]
    masked = some == -np.inf
    level = row_all((some == reference.of_rows.maximum[rows]) | masked)
    beside[rows] &= level | (masked & (c.hi[rows] != 0))
    return beside


def _decide(entries: _Entries, undecided: Mask, rows: KnownRows, targets: Targets) -> None:
    """Decide entries in rational numbers: p · Σ c − c over the divisor."""
    classes = rows.logits.shape[1]
    for number in np.flatnonzero(row_any(undecided)):
        row = rows.brackets(int(number))
        c = exact_coefficients(targets, int(number), classes)
        total = sum(c.values(), Fraction(0)) * targets.share
        for column in np.flatnonzero(undecided[number]):
            own = c.get(int(column), Fraction(0)) * targets.share
            if column == row.first:
                hi, tail = round_linear(-total, row.rest, total - own)
            else:
                hi, tail = round_linear(total, partial(row.probability, int(column)), -own)
            place = number, column
            entries.hi[place], entries.tail[place] = hi, tail
            entries.nonzero[place] = (hi, tail) != (0, 0)


def _wide(values: Exact) -> DoubleDouble:
    assert values.tail is not None  # noqa: S101  (of a reference in double-double)
    return DoubleDouble(values.hi, np.ldexp(values.tail, ulp_exponent(values.hi, FLOAT64)))


def _rest(p: DoubleDouble, reference: Reference) -> DoubleDouble:
    """Return 1 − p: of a first maximum the sum of the others, since p may be nearly 1 there."""
    rest = dd.add(DoubleDouble.of(np.ones((1, 1))), -p)
    first = np.zeros(p.hi.shape, bool)
    np.put_along_axis(first, _first_of_each(reference), values=True, axis=1)
    others = dd.row_sum(DoubleDouble(np.where(first, 0.0, p.hi), np.where(first, 0.0, p.lo)))
    return DoubleDouble(np.where(first, others.hi, rest.hi), np.where(first, others.lo, rest.lo))


def _first_of_each(reference: Reference) -> NDArray[np.intp]:
    """Return the column of each first maximum, (rows, 1)."""
    return np.asarray(reference.shifted.argmax(axis=1)[:, None])


def _of_other_classes(c: DoubleDouble, targets: Targets) -> DoubleDouble:
    """Return, for each class, the sum of the coefficients of the others."""
    total = dd.row_sum(c)
    if targets.only is not None:
        own = c.hi != 0
        return DoubleDouble(np.where(own, 0.0, total.hi), np.where(own, 0.0, total.lo))
    return dd.add(total, -c)
