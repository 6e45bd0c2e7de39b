"""Floating-point formats: their parameters, what follows from them, and rounding into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from math import frexp, isfinite, isinf, ldexp, log
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import aligned
from softmax_tool.errors import UsageError
from softmax_tool.frozen import frozen
from softmax_tool.once import once

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


_EXPONENT_MASK = {4: np.int32(0x7F800000), 8: np.int64(0x7FF0000000000000)}


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format with gradual underflow.

    Attributes
    ----------
    name : str
        The name that users type and reports print.
    precision : int
        Bits of the significand, the hidden bit included.
    emin, emax : int
        Exponents of the smallest and the largest normal number, 1.f x 2**e.
    max_finite : float
        The largest finite number; a field, since some 8-bit formats give its code to NaN.
    has_inf : bool
        Whether overflow gives an infinity; NaN otherwise.
    storage : numpy.dtype
        The NumPy type that results are written in: the format itself, or a wider one.
    """

    name: str
    precision: int
    emin: int
    emax: int
    max_finite: float
    has_inf: bool
    storage: np.dtype[Any]
    aliases: tuple[str, ...] = field(default=())

    @property
    def unit_roundoff(self) -> float:
        """The largest relative error of one rounding, 2**-precision."""
        return ldexp(1.0, -self.precision)

    @property
    def bits(self) -> int:
        """The bits of a number: sign, exponent, and the significand less its hidden bit."""
        # One exponent for subnormals beside the normal ones, one more for infinities and NaN.
        exponents = self.emax - self.emin + 2 + self.has_inf
        return self.precision + (exponents - 1).bit_length()

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number with full precision, 2**emin."""
        return ldexp(1.0, self.emin)

    @property
    def smallest_subnormal(self) -> float:
        """The smallest positive number."""
        return ldexp(1.0, self.emin - self.precision + 1)

    @property
    def overflow_threshold(self) -> Fraction:
        """The smallest magnitude that rounds beyond `max_finite`."""
        return Fraction(self.max_finite) + Fraction(self.ulp(self.max_finite)) / 2

    @once
    def is_native(self) -> bool:
        """Whether the storage is this very format, so that a cast rounds into it."""
        info = np.finfo(self.storage)
        return bool(info.nmant + 1 == self.precision and info.minexp == self.emin)

    @once
    def carrier(self) -> np.dtype[Any]:
        """The NumPy type in which values are held and computed with: fast, and wide enough.

        It is the format itself, or has at least 2p + 2 bits: either way an operation + − × ÷ in it,
        rounded to the format, is the correctly rounded operation (Figueroa, When is double rounding
        innocuous?, 1995). NumPy computes with float16 ten times slower than with float32.
        """
        return np.dtype(np.float32) if 2 * self.precision + 2 <= 24 else self.storage

    def ulp(self, value: float) -> float:
        """Return the distance between neighbours at `value`; at 0, the smallest subnormal."""
        exponent = frexp(value)[1] - 1 if value else self.emin
        return ldexp(1.0, min(max(exponent, self.emin), self.emax) - self.precision + 1)

    def round(self, values: NDArray[Any]) -> NDArray[Any]:
        """Round values to nearest, ties to even, once; the result is in `carrier`.

        NaN stays NaN; a magnitude of `overflow_threshold` or more becomes infinite, or NaN where
        the format has no infinity. The sign of zero is kept.
        """
        if self.is_native and self.storage in (values.dtype, self.carrier):
            if values.dtype == self.carrier:
                return values
            if values.dtype == np.float16 and values.size >= _MANY:
                return _looked_up(values)
            with np.errstate(over="ignore"):
                return values.astype(self.carrier)
        # Whatever float64 cannot hold of an integer is far beyond a format that comes this way.
        wide = values.dtype != np.float32 or self.emax + 24 - self.precision > 126
        values = values.astype(np.float64 if wide else np.float32, copy=False)
        return self._quantise(values).astype(self.carrier, copy=False)

    def stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of the format, held in `carrier`, in `storage`; always exact."""
        return values.astype(self.storage, copy=False)

    def _quantise(self, values: NDArray[Any]) -> NDArray[Any]:
        """Round in the values' own type.

        Adding and taking away 1.5 · 2**k drops all bits below the last place of that sum; k is
        chosen, element by element, so that this is the last place of the format.
        """
        info = np.finfo(values.dtype)
        bits = values.view(f"i{values.itemsize}")
        power = (bits & _EXPONENT_MASK[values.itemsize]).view(values.dtype)  # 2**⌊log2 |value|⌋
        np.clip(power, ldexp(1.0, self.emin), ldexp(1.0, self.emax), out=power)
        power *= values.dtype.type(1.5 * 2.0 ** (info.nmant + 1 - self.precision))
        with np.errstate(all="ignore"):
            rounded = values + power
            rounded -= power
        # The sign of what became 0; every other sign is there already.
        signs = bits & np.array(-1, bits.dtype) << (8 * values.itemsize - 1)
        np.bitwise_or(rounded.view(bits.dtype), signs, out=rounded.view(bits.dtype))
        beyond = np.abs(rounded, out=power) > self.max_finite
        if beyond.any():
            rounded[beyond] = np.copysign(np.inf, values[beyond]) if self.has_inf else np.nan
        return np.asarray(rounded)

    def round_exactly(self, value: Fraction) -> float:
        """Round one rational number once, whatever its size."""
        if value == 0:
            return 0.0
        magnitude = abs(value)
        exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
        exponent -= magnitude < Fraction(2) ** exponent
        quantum = Fraction(2) ** (max(exponent, self.emin) - self.precision + 1)
        rounded = round(magnitude / quantum) * quantum  # Fraction rounds ties to even
        sign = 1.0 if value > 0 else -1.0
        if rounded > self.max_finite:
            return sign * float("inf") if self.has_inf else float("nan")
        return sign * float(rounded)

    def value_at(self, ordinal: int) -> float:
        """Return the number that lies `ordinal` representable steps above zero (below, if < 0)."""
        binade, fraction = divmod(abs(ordinal), 1 << (self.precision - 1))
        significand = fraction + ((1 << (self.precision - 1)) if binade else 0)
        exponent = self.emin - self.precision + 1 + max(binade - 1, 0)
        magnitude = ldexp(float(significand), exponent)
        return -magnitude if ordinal < 0 else magnitude

    def ordinal_of(self, value: float) -> int:
        """Return how many representable steps the number at or below |value| is from zero."""
        exponent = max(frexp(value)[1] - 1, self.emin) if value else self.emin
        significand = int(ldexp(abs(value), self.precision - 1 - exponent))
        ordinal = significand + (exponent - self.emin) * (1 << (self.precision - 1))
        return -ordinal if value < 0 else ordinal


FLOAT16 = FloatFormat(
    "float16", 11, -14, 15, 65504.0, True, np.dtype(np.float16), ("half", "fp16", "f16")
)
FLOAT32 = FloatFormat(
    "float32",
    24,
    -126,
    127,
    float(np.finfo(np.float32).max),
    True,
    np.dtype(np.float32),
    ("float", "single", "fp32", "f32"),
)
FLOAT64 = FloatFormat(
    "float64",
    53,
    -1022,
    1023,
    float(np.finfo(np.float64).max),
    True,
    np.dtype(np.float64),
    ("double", "fp64", "f64"),
)

FORMATS: dict[str, FloatFormat] = {f.name: f for f in (FLOAT16, FLOAT32, FLOAT64)}


_MANY = 1 << 17  # numbers of 16 bits: more than twice as many as there are different ones


def _looked_up(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return numbers as float32, by their bits: NumPy's cast takes nearly twice as long."""
    known = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    result = aligned.empty(values.shape, np.float32)
    bits, into = np.ascontiguousarray(values).reshape(-1).view(np.uint16), result.reshape(-1)
    for start in range(0, bits.size, _MANY):
        part = slice(start, start + _MANY)
        np.take(known, bits[part], out=into[part], mode="clip")  # unlike "raise" no copy
    return result


def find_format(name: str) -> FloatFormat:
    """Return the format of that name or alias, whatever the case.

    >>> find_format("Half").name
    'float16'
    """
    wanted = name.lower()
    for candidate in FORMATS.values():
        if wanted == candidate.name or wanted in candidate.aliases:
            return candidate
    known = ", ".join(f"{f.name} ({', '.join(f.aliases)})" for f in FORMATS.values())
    raise UsageError(f"unknown dtype {name!r}; known are {known}")


def accumulator_of(target: FloatFormat) -> FloatFormat:
    """Return the format in which sums are kept: float32, or float64 for float64."""
    return FLOAT64 if target.precision > FLOAT32.precision else FLOAT32


def narrower_than(target: FloatFormat) -> tuple[FloatFormat, ...]:
    """Return the known formats with fewer bits of precision."""
    return tuple(f for f in FORMATS.values() if f.precision < target.precision)


def ulp_exponent(y: NDArray[np.float64], target: FloatFormat) -> NDArray[np.int64]:
    """Return log2 of one ULP at each true value; at 0 that of the smallest subnormal."""
    exponent = ((y.view(np.int64) >> 52) & 0x7FF) - 1023
    return np.asarray(np.clip(exponent, target.emin, target.emax) - (target.precision - 1))


@frozen
class ExpEdges:
    """Where the correctly rounded exponential of a format changes its nature.

    Every field is an argument that the format can represent. They differ from log(max_finite) and
    log(smallest_subnormal), which lie between two arguments and know nothing of rounding.
    """

    last_finite: float
    first_overflow: float
    last_zero: float
    first_nonzero: float
    last_subnormal: float
    first_normal: float


@cache
def exp_edges(target: FloatFormat, stored: FloatFormat | None = None) -> ExpEdges:
    """Find the edges of exp by bisection over the format's own grid, decided in 60 digits.

    With `stored`, results are rounded once more, to that format, and the edges are those of what is
    stored; arguments are still of `target`.
    """
    last = stored or target

    def rounded(exact: Fraction) -> float:
        value = target.round_exactly(exact)
        return value if stored is None or isinf(value) else stored.round_exactly(Fraction(value))

    subnormal, normal = last.smallest_subnormal, last.smallest_normal
    first_overflow = _first_argument(
        target, log(last.max_finite), lambda e: not isfinite(rounded(e))
    )
    first_nonzero = _first_argument(target, log(subnormal) - log(2), lambda e: rounded(e) > 0)
    first_normal = _first_argument(target, log(normal), lambda e: not rounded(e) < normal)
    return ExpEdges(
        last_finite=target.value_at(first_overflow - 1),
        first_overflow=target.value_at(first_overflow),
        last_zero=target.value_at(first_nonzero - 1),
        first_nonzero=target.value_at(first_nonzero),
        last_subnormal=target.value_at(first_normal - 1),
        first_normal=target.value_at(first_normal),
    )


_DIGITS = Context(prec=60)


def _first_argument(target: FloatFormat, near: float, reached: Callable[[Fraction], bool]) -> int:
    """Return the smallest ordinal whose exponential satisfies a condition monotone in it.

    It is looked for from the argument `near` on, in steps that double until it has been passed.
    """

    def is_reached(ordinal: int) -> bool:
        # Beyond ±2000 the exponential is far outside every format, and costly in decimal.
        argument = min(max(target.value_at(ordinal), -2000.0), 2000.0)
        return reached(Fraction(_DIGITS.exp(Decimal(argument))))

    low = high = target.ordinal_of(near)
    step = 1
    while is_reached(low):
        low, high, step = low - step, low, 2 * step
    while not is_reached(high):
        low, high, step = high, high + step, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_reached(middle) else (middle, high)
    return high
