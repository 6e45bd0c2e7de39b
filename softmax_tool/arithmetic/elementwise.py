"""Correctly rounded exp, log and log1p in every format below float64.

A function is evaluated in float64 and rounded once; the few values that float64 leaves too close to
a rounding boundary to call are decided in decimal arithmetic. In float64 itself NumPy's functions
are taken as they are.

Which arguments of float32 are so close is known: `hard.txt` has all of them, with what is right.
So only those few are looked for that NumPy gets wrong: of exp none.
Arguments of few bits are few: many of them are looked up in a table of all.
"""

from __future__ import annotations

from decimal import Context, Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import aligned
from softmax_tool.formats import FLOAT32

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

# NumPy's float64 exp, log and log1p are within 4 ULP on every CPU path; this leaves a factor of 4.
_TRUSTED = 2.0**-49
FUNCTIONS = {"exp": np.exp, "log": np.log, "log1p": np.log1p}
_TILE = 1 << 17  # arguments, of which shorter runs are cast at half the speed
_FEW = 16  # one in so many are quicker picked
_DIGITS = 50
_COPIES = 67
# On the grid of a format of so few bits no value of exp, log or log1p lies within 2**-27 of a
# rounding boundary: any float64 evaluation decides it. A test goes through all of them.
_NEVER_CLOSE = 11
_MORE_BITS = 24 - _NEVER_CLOSE  # of float32: those of its arguments that are 0 on such a grid


def evaluate(function: str, x: NDArray[Any], target: FloatFormat) -> NDArray[Any]:
    """Return function(x), correctly rounded to `target` (in float64: NumPy's own), in its carrier.

    exp(-inf) = 0, log(0) = -inf, log1p(-1) = -inf, the logarithm of less is NaN.
    """
    x = np.ascontiguousarray(x)
    if x.size >= _MANY and target.precision <= _NEVER_CLOSE and _is_coarse(x):
        return np.take(_table(function, target), x.view(np.uint32) >> _MORE_BITS, mode="clip")
    return _evaluate_all(function, x, target)


_MANY = 1 << 14  # arguments that make a table worth while


def _is_coarse(x: NDArray[Any]) -> bool:
    """Tell whether arguments are float32 numbers of no more than 11 bits."""
    if x.dtype != np.float32:
        return False
    bits = int(np.bitwise_or.reduce(x.view(np.uint32), axis=None))
    return bits % (1 << _MORE_BITS) == 0


@cache
def _table(function: str, target: FloatFormat) -> NDArray[Any]:
    """Return the function of all such arguments, in the order of their bits."""
    bits = np.arange(1 << (32 - _MORE_BITS), dtype=np.uint32) << _MORE_BITS
    return _evaluate_all(function, bits.view(np.float32), target)


def _evaluate_all(function: str, x: NDArray[Any], target: FloatFormat) -> NDArray[Any]:
    result = aligned.empty(x.shape, target.carrier)
    flat, rounded = x.reshape(-1), result.reshape(-1)
    all_known = target == FLOAT32 and x.dtype == np.float32 and flat.size >= _TILE
    spare = aligned.empty((min(flat.size, _TILE),))
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, _TILE):
            tile, into = flat[start : start + _TILE], rounded[start : start + _TILE]
            if all_known:
                _evaluate_in_float32(function, tile, into, spare[: tile.size])
            else:
                into[:] = _evaluate(function, tile, target, spare[: tile.size])
    return result


def _evaluate_in_float32(
    function: str, x: NDArray[Any], rounded: NDArray[Any], wide: NDArray[np.float64]
) -> None:
    """Round what float64 gives, but for the arguments at which that is known to be wrong."""
    misrounded = _misrounded(function)
    least = most = np.float32(np.nan)
    if misrounded:
        least, most = np.minimum.reduce(x), np.maximum.reduce(x)
    np.copyto(wide, x)
    if function == "log" and not least > 0:
        _log_with_zeros(x == 0, wide)
    else:
        FUNCTIONS[function](wide, out=wide)
    np.copyto(rounded, wide, casting="same_kind")
    for argument, right in misrounded:
        if not (argument < least or argument > most):  # so it is where one is NaN
            here = x == argument
            if here.any():
                rounded[here] = right


def _log_with_zeros(zero: NDArray[np.bool_], wide: NDArray[np.float64]) -> None:
    """Take logarithms in place; NumPy spends four times as long on that of 0 as on any other."""
    others = np.flatnonzero(~zero)
    if len(others) * _FEW < len(wide):
        logarithms = np.log(wide[others])
        wide.fill(-np.inf)
        wide[others] = logarithms
        return
    np.copyto(wide, 1.0, where=zero)
    np.log(wide, out=wide)
    np.copyto(wide, -np.inf, where=zero)


@cache
def _misrounded(function: str) -> tuple[tuple[np.float32, np.float32], ...]:
    """Return at which of the hard arguments the float64 function, rounded, is wrong; and the right.

    Wherever it is not right in every lane of a vector, and in what is left over behind the last.
    """
    import pkgutil  # noqa: PLC0415  # small inputs do not come here

    text = pkgutil.get_data(__package__, "hard.txt")
    assert text is not None  # noqa: S101  (part of this package)
    lines = [line.split() for line in text.decode("ascii").splitlines()]
    hard = [(float.fromhex(x), float.fromhex(y)) for name, x, y in lines if name == function]
    x, right = np.array(hard).T
    wide = FUNCTIONS[function](np.repeat(x, _COPIES))
    got = FLOAT32.round(wide).reshape(-1, _COPIES)
    wrong = (got != right[:, None]).any(axis=1)
    pairs = np.stack([x, right], axis=1)[wrong].astype(np.float32)
    return tuple((pair[0], pair[1]) for pair in pairs)


def _evaluate(
    function: str, x: NDArray[Any], target: FloatFormat, wide: NDArray[np.float64]
) -> NDArray[Any]:
    np.copyto(wide, x)
    FUNCTIONS[function](wide, out=wide)
    if target.precision == 53:
        return wide
    rounded = target.round(wide)
    if target.precision <= _NEVER_CLOSE:
        return rounded
    undecided = near_boundary(wide, rounded, target)
    if undecided.size:
        arguments, inverse = np.unique(x[undecided], return_inverse=True)
        decided = [_decide(function, float(a), target) for a in arguments]
        rounded[undecided] = np.asarray(decided)[inverse]
    return rounded


def near_boundary(
    wide: NDArray[np.float64], rounded: NDArray[Any], target: FloatFormat
) -> NDArray[np.intp]:
    """Return which values may lie on the other side of a rounding boundary than they seem to."""
    if target.is_native and target.precision == 24:
        return _near_float32_boundary(wide, rounded, target)
    return np.flatnonzero(_rounds_both_ways(wide, target))


def _near_float32_boundary(
    wide: NDArray[np.float64], rounded: NDArray[np.float32], target: FloatFormat
) -> NDArray[np.intp]:
    # A float64 keeps 29 bits more; at a boundary between float32 neighbours they are 100…0.
    margin = 1 << 4
    distance = wide.view(np.int64) + ((1 << 28) + margin)
    distance &= (1 << 29) - 1
    near = np.empty(0, np.intp)
    if distance.min() < 2 * margin:
        near = np.flatnonzero(distance < 2 * margin)
        near = near[np.isfinite(wide[near])]
    least = target.smallest_normal
    if not (rounded.min() > least or rounded.max() < -least):
        some = np.flatnonzero((np.abs(rounded) <= least) & (wide != 0))
        near = np.union1d(near, some[_rounds_both_ways(wide[some], target)])
    return near


def _rounds_both_ways(wide: NDArray[np.float64], target: FloatFormat) -> NDArray[np.bool_]:
    below, above = target.round(wide * (1 - _TRUSTED)), target.round(wide * (1 + _TRUSTED))
    return np.asarray((below != above) & np.isfinite(wide))


def _decide(function: str, argument: float, target: FloatFormat) -> float:
    """Round one value that float64 could not, by comparing it with the boundary next to it."""
    wide = float(FUNCTIONS[function](argument))
    low, high = sorted(
        float(target.round(np.array([wide * factor]))[0]) for factor in (1 - _TRUSTED, 1 + _TRUSTED)
    )
    if low == high:
        return low
    # Neighbours of fewer than 53 bits have a midpoint in float64; beyond the largest finite number
    # the boundary lies where the next number would be.
    boundary = (low + high) / 2 if np.isfinite([low, high]).all() else _outer_boundary(low, target)
    digits = _DIGITS
    while True:
        context = Context(prec=digits)
        exact = _in_decimal(function, Decimal(argument), context)
        gap = context.subtract(exact, Decimal(boundary))
        if abs(gap) > abs(exact) * Decimal(10) ** (3 - digits):
            return high if gap > 0 else low
        digits *= 2


def _outer_boundary(low: float, target: FloatFormat) -> float:
    threshold = float(target.overflow_threshold)
    return threshold if np.isfinite(low) else -threshold


def _in_decimal(function: str, argument: Decimal, context: Context) -> Decimal:
    operations: dict[str, Callable[[], Decimal]] = {
        "exp": lambda: context.exp(argument),
        "log": lambda: context.ln(argument),
        # Adding 1 must not round: a float64 argument has at most 1100 decimal digits.
        "log1p": lambda: context.ln(Context(prec=1200).add(1, argument)),
    }
    return operations[function]()
