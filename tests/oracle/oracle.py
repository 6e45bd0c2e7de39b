"""Scalar oracle of the arithmetic: one row, one operation at a time, every rounding exact.

Finite values are Python floats (every value of a format up to float64 is one). Sums, products and
quotients are rounded from exact integers; exp, log and log1p from balls whose precision is raised
until the rounding is decided. Nothing here is fast, vectorised or shared with the package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from flint import arb, ctx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

INF: Final = math.inf
NAN: Final = math.nan
LEAF: Final = 1024
PRECISIONS: Final = (96, 192, 384, 768, 1536, 3072, 6144, 12288, 24576)
FAR: Final = 100_000.0  # exp beyond ±FAR is outside every format


# --- Formats and rounding ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format: precision in bits, exponent range, largest finite value."""

    name: str
    precision: int
    emin: int
    emax: int
    max_finite: float
    has_inf: bool = True

    @property
    def eta(self) -> float:
        """The smallest subnormal."""
        return math.ldexp(1.0, self.emin - self.precision + 1)

    @property
    def tiny(self) -> float:
        """The smallest normal."""
        return math.ldexp(1.0, self.emin)

    @property
    def unit(self) -> Fraction:
        """The unit roundoff 2^-p."""
        return Fraction(1, 2**self.precision)


def _ieee(name: str, precision: int, emax: int) -> Format:
    largest = math.ldexp(2**precision - 1, emax - precision + 1)
    return Format(name, precision, 1 - emax, emax, largest)


FLOAT16: Final = _ieee("float16", 11, 15)
BFLOAT16: Final = _ieee("bfloat16", 8, 127)
FLOAT32: Final = _ieee("float32", 24, 127)
FLOAT64: Final = _ieee("float64", 53, 1023)
FLOAT8_E5M2: Final = _ieee("float8_e5m2", 3, 15)
FLOAT8_E4M3FN: Final = Format("float8_e4m3fn", 4, -6, 8, 448.0, has_inf=False)
FORMATS: Final = {
    f.name: f for f in (FLOAT16, BFLOAT16, FLOAT32, FLOAT64, FLOAT8_E4M3FN, FLOAT8_E5M2)
}


def accumulator(fmt: Format) -> Format:
    return FLOAT64 if fmt.name == "float64" else FLOAT32


def round_ratio(fmt: Format, num: int, den: int) -> float:
    """num/den (den > 0) rounded once: to nearest, ties to even, gradual underflow, overflow."""
    if num == 0:
        return 0.0
    magnitude = abs(num)
    exponent = magnitude.bit_length() - den.bit_length()
    if exponent < fmt.emin - fmt.precision - 4:
        return math.copysign(0.0, 1 if num > 0 else -1)
    if exponent > fmt.emax + 4:
        return math.copysign(INF if fmt.has_inf else NAN, 1 if num > 0 else -1)
    # exponent is floor(log2(magnitude/den)) or one more: settle it
    if magnitude << max(-exponent, 0) < den << max(exponent, 0):
        exponent -= 1
    quantum = max(exponent, fmt.emin) - fmt.precision + 1
    if quantum >= 0:
        den <<= quantum
    else:
        magnitude <<= -quantum
    whole, rest = divmod(magnitude, den)
    twice = 2 * rest
    if twice > den or (twice == den and whole & 1):
        whole += 1
    if exponent >= fmt.emax and Fraction(whole) * 2**quantum > Fraction(fmt.max_finite):
        return math.copysign(INF if fmt.has_inf else NAN, 1 if num > 0 else -1)
    return math.copysign(math.ldexp(whole, quantum), 1 if num > 0 else -1)


def round_fraction(fmt: Format, value: Fraction) -> float:
    return round_ratio(fmt, value.numerator, value.denominator)


def round_float(fmt: Format, value: float) -> float:
    """A float64 rounded once into a format; infinities and nan pass (nan where there is no inf)."""
    if math.isinf(value) and not fmt.has_inf:
        return NAN
    if not math.isfinite(value) or value == 0:
        return value
    return round_ratio(fmt, *value.as_integer_ratio())


def _round_point(fmt: Format, point: arb) -> float:
    man, exp = (int(v) for v in point.man_exp())
    if man == 0:
        return 0.0
    top = man.bit_length() + exp
    if top < fmt.emin - fmt.precision - 4:
        return math.copysign(0.0, 1 if man > 0 else -1)
    if top > fmt.emax + 8:
        return math.copysign(INF if fmt.has_inf else NAN, 1 if man > 0 else -1)
    return round_ratio(fmt, man << exp, 1) if exp >= 0 else round_ratio(fmt, man, 1 << -exp)


def round_ball(fmt: Format, ball: arb) -> float | None:
    """The rounding of every number in the ball, or None where they do not agree."""
    if not ball.is_finite():
        return None
    low, high = _round_point(fmt, ball.lower()), _round_point(fmt, ball.upper())
    if low == high:
        return high if ball > 0 else low
    return high if math.isnan(low) and math.isnan(high) else None


def decide(fmt: Format, ball: Callable[[], arb]) -> float:
    """The rounding of the number that ball() encloses at the current precision."""
    for bits in PRECISIONS:
        with ctx.workprec(bits):
            got = round_ball(fmt, ball())
        if got is not None:
            return got
    raise ArithmeticError("the rounding is not decided: is the value rational?")


# --- Elementwise operations, correctly rounded ---------------------------------------------------


@lru_cache(maxsize=1 << 20)
def exp(fmt: Format, x: float) -> float:
    if math.isnan(x) or x == INF:
        return x if math.isnan(x) or fmt.has_inf else NAN
    if x < -FAR:
        return 0.0
    if x > FAR:
        return INF if fmt.has_inf else NAN
    return 1.0 if x == 0 else decide(fmt, lambda: arb(x).exp())


@lru_cache(maxsize=1 << 20)
def log(fmt: Format, x: float) -> float:
    if math.isnan(x) or x < 0:
        return NAN
    if x == 0:
        return -INF if fmt.has_inf else NAN
    if x == INF:
        return INF
    return 0.0 if x == 1 else decide(fmt, lambda: arb(x).log())


@lru_cache(maxsize=1 << 20)
def log1p(fmt: Format, x: float) -> float:
    if math.isnan(x) or x < -1:
        return NAN
    if x == -1:
        return -INF if fmt.has_inf else NAN
    if x in {INF, 0.0}:
        return x
    return decide(fmt, lambda: arb(x).log1p())


def add(fmt: Format, a: float, b: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b)):
        return a + b
    if a == 0 or b == 0:
        return round_float(fmt, a + b)  # exact; keeps the sign rules of zero
    an, ad = a.as_integer_ratio()
    bn, bd = b.as_integer_ratio()
    return round_ratio(fmt, an * bd + bn * ad, ad * bd)


def subtract(fmt: Format, a: float, b: float) -> float:
    return add(fmt, a, -b)


def multiply(fmt: Format, a: float, b: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b)) or a == 0 or b == 0:
        return a * b
    an, ad = a.as_integer_ratio()
    bn, bd = b.as_integer_ratio()
    return round_ratio(fmt, an * bn, ad * bd)


def divide(fmt: Format, a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b) or (math.isinf(a) and math.isinf(b)) or (a == 0 and b == 0):
        return NAN
    sign = math.copysign(1.0, a) * math.copysign(1.0, b)
    if math.isinf(a) or b == 0:
        return math.copysign(INF if fmt.has_inf else NAN, sign)
    if a == 0 or math.isinf(b):
        return math.copysign(0.0, sign)
    an, ad = a.as_integer_ratio()
    bn, bd = b.as_integer_ratio()
    return round_ratio(fmt, an * bd * (1 if bn > 0 else -1), ad * abs(bn))


# --- Sums ----------------------------------------------------------------------------------------


def exact_sum(values: Iterable[float]) -> Fraction:
    """The sum of finite values, in integers of one common unit."""
    total = 0
    for value in values:
        num, den = value.as_integer_ratio()
        total += num << (1074 - den.bit_length() + 1)
    return Fraction(total, 1 << 1074)


def running_sums(fmt: Format, values: Sequence[float]) -> list[float]:
    """Left to right from the first value, every partial sum rounded."""
    sums = [values[0]]
    for value in values[1:]:
        sums.append(add(fmt, sums[-1], value))
    return sums


def pairwise(fmt: Format, a: Sequence[float]) -> float:
    """NumPy's pairwise recursion over contiguous values: blocks of 128, eight accumulators."""
    n = len(a)
    if n < 8:
        total = -0.0
        for value in a:
            total = add(fmt, total, value)
        return total
    if n <= 128:
        r = list(a[:8])
        whole = n - n % 8
        for i in range(8, whole, 8):
            for j in range(8):
                r[j] = add(fmt, r[j], a[i + j])
        left = add(fmt, add(fmt, r[0], r[1]), add(fmt, r[2], r[3]))
        right = add(fmt, add(fmt, r[4], r[5]), add(fmt, r[6], r[7]))
        total = add(fmt, left, right)
        for value in a[whole:]:
            total = add(fmt, total, value)
        return total
    half = n // 2
    half -= half % 8
    return add(fmt, pairwise(fmt, a[:half]), pairwise(fmt, a[half:]))


def tree_sum(fmt: Format, values: Sequence[float]) -> float:
    """Leaves of 1024 aligned to class 0, then neighbours pair up level by level."""
    level = [pairwise(fmt, values[i : i + LEAF]) for i in range(0, len(values), LEAF)]
    while len(level) > 1:
        pairs = [add(fmt, level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) // 2 * 2 :]
    return add(fmt, level[0], 0.0)


# --- The edges of exp ----------------------------------------------------------------------------


def grid_value(fmt: Format, ordinal: int) -> float:
    """The ordinal-th value of the format counted from 0, signed."""
    k = abs(ordinal)
    low = 1 << (fmt.precision - 1)
    block, man = (0, k) if k < low else (k // low - 1, k % low + low)
    return math.copysign(math.ldexp(man, block + fmt.emin - fmt.precision + 1), ordinal)


@cache
def _edge_ordinal(work: Format, out: Format, event: str) -> int:
    def result(ordinal: int) -> float:
        return round_float(out, exp(work, grid_value(work, ordinal)))

    met: Callable[[float], bool] = {
        "overflow": lambda y: not math.isfinite(y),
        "zero": lambda y: y == 0,
        "subnormal": lambda y: y < out.tiny,
    }[event]
    sign = 1 if event == "overflow" else -1
    low, high = 0, ((work.emax - work.emin + 2) << (work.precision - 1)) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if met(result(sign * middle)) else (middle, high)
    return sign * high


def exp_edge(work: Format, out: Format, event: str) -> float:
    """The first argument whose exp overflows, or the last that rounds to zero or to a subnormal.

    Arguments lie on the grid of `work`; the result is rounded to `work`, then to `out`.
    """
    return grid_value(work, _edge_ordinal(work, out, event))


def exp_edges(fmt: Format) -> dict[str, float]:
    """The six edges of exp on a format's own grid."""
    over, zero, sub = (_edge_ordinal(fmt, fmt, e) for e in ("overflow", "zero", "subnormal"))
    ordinals = {
        "last_finite": over - 1,
        "first_overflow": over,
        "last_zero": zero,
        "first_nonzero": zero + 1,
        "last_subnormal": sub,
        "first_normal": sub + 1,
    }
    return {name: grid_value(fmt, ordinal) for name, ordinal in ordinals.items()}


# --- Exact values --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Real:
    """A real number: special (nan, ±inf), rational, or enclosed by a ball at any precision.

    A ball may hug a rational closer than any precision resolves: softmax 1 − e^−120000, log-softmax
    −2049 − e^−2049. Then `outward` says on which side of it the magnitude lies: +1 above, −1 below.
    """

    special: float | None = None
    rational: Fraction | None = None
    ball: Callable[[], arb] | None = None
    outward: int = 0

    def enclose(self) -> arb:
        """A ball around the value at the current precision."""
        if self.special is not None:
            return arb(self.special)
        if self.rational is not None:
            return _ball(self.rational)
        assert self.ball is not None
        return self.ball()

    @property
    def is_nonzero(self) -> bool:
        return self.rational != 0

    def rounded(self, fmt: Format) -> float:
        if self.special is not None:
            return round_float(fmt, self.special)
        if self.rational is not None:
            return round_fraction(fmt, self.rational)
        for bits in PRECISIONS:
            with ctx.workprec(bits):
                got = round_ball(fmt, self.enclose())
            if got is not None:
                return got
        return _round_point(fmt, self.end())

    def end(self) -> arb:
        """The end of the tightest ball on the side where the value is known to lie."""
        assert self.outward
        with ctx.workprec(PRECISIONS[-1]):
            ball = self.enclose()
            return ball.upper() if (ball > 0) == (self.outward > 0) else ball.lower()

    def decimal(self, digits: int = 40) -> str:
        """The value in decimal, correctly rounded to that many digits ("inf", "-inf", "nan")."""
        if self.special is not None:
            return str(self.special)
        if self.rational == 0:
            return "0"
        for bits in PRECISIONS:
            if bits < 4 * digits:
                continue
            with ctx.workprec(bits):
                text: str = self.enclose().str(digits, radius=False)
                if self.enclose().rel_accuracy_bits() > 3.4 * digits + 8:
                    return text
        raise ArithmeticError("not enough digits")


def _ball(value: Fraction | float) -> arb:
    if isinstance(value, float):
        return arb(value)
    return arb(value.numerator) / arb(value.denominator)


def real_of(value: float | Fraction) -> Real:
    if isinstance(value, float) and not math.isfinite(value):
        return Real(special=value)
    return Real(rational=Fraction(value))


ZERO: Final = Real(rational=Fraction(0))


class ExactRow:
    """The true softmax, log-softmax and losses of one row of logits."""

    def __init__(self, row: Sequence[float]) -> None:
        self.row = list(row)
        self.valid = all(x < INF for x in row) and any(x > -INF for x in row)
        self.finite = [i for i, x in enumerate(row) if math.isfinite(x)]
        if self.valid:
            self.top = max(self.finite, key=lambda i: row[i])
            self.equal = all(row[i] == row[self.top] for i in self.finite)
        self._cache: dict[int, tuple[list[arb], arb, arb]] = {}
        self._spread: arb | None = None

    def _parts(self) -> tuple[list[arb], arb, arb]:
        """Every z, S, and log S, at the current precision."""
        if ctx.prec not in self._cache:
            m = arb(self.row[self.top])
            z = [arb(x) - m if math.isfinite(x) else arb(0) for x in self.row]
            others: dict[float, int] = {}
            for i in self.finite:
                if i != self.top:
                    others[self.row[i]] = others.get(self.row[i], 0) + 1
            rest = arb(0)
            for x, count in others.items():
                rest += (arb(x) - m).exp() * count
            self._cache[ctx.prec] = (z, 1 + rest, rest.log1p())
        return self._cache[ctx.prec]

    def spread(self) -> arb:
        """Σ p_j |z_j|, to 200 bits."""
        if self._spread is None:
            with ctx.workprec(256):
                z, total, _ = self._parts()
                terms: dict[float, arb] = {}
                for j in self.finite:
                    x = self.row[j]
                    if x not in terms:
                        terms[x] = z[j].exp() * abs(z[j])
                self._spread = sum((terms[self.row[j]] for j in self.finite), arb(0)) / total
        return self._spread

    def softmax(self, i: int) -> Real:
        if not self.valid:
            return Real(special=NAN)
        if self.row[i] == -INF:
            return ZERO
        if self.equal:
            return Real(rational=Fraction(1, len(self.finite)))

        def ball() -> arb:
            z, total, _ = self._parts()
            return z[i].exp() / total

        return Real(ball=ball, outward=-1)

    def log_softmax(self, i: int) -> Real:
        if not self.valid:
            return Real(special=NAN)
        if self.row[i] == -INF:
            return Real(special=-INF)
        if len(self.finite) == 1:
            return ZERO

        def ball() -> arb:
            z, _, log_total = self._parts()
            return z[i] - log_total

        return Real(ball=ball, outward=1)

    def weighted(self, factors: Sequence[tuple[int, Fraction]]) -> Real:
        """Σ factor_c · (−log-softmax_c) over the classes given; 0·inf is nan."""
        if not self.valid:
            return Real(special=NAN)
        special = 0.0
        for c, factor in factors:
            if self.row[c] == -INF:
                special += float(factor) * INF
        if special != 0 or math.isnan(special):
            return Real(special=special)
        # −lp_c = log S − z_c
        total = sum((f for _, f in factors), Fraction(0))
        m = Fraction(self.row[self.top])
        gaps = ((f, m - Fraction(self.row[c])) for c, f in factors if f)
        shift = sum((f * gap for f, gap in gaps), Fraction(0))
        if len(self.finite) == 1 or total == 0:
            return Real(rational=shift)
        outward = 1 if total * shift >= 0 else -1
        return Real(ball=lambda: _ball(total) * self._parts()[2] + _ball(shift), outward=outward)


def ulp(fmt: Format, y: Real) -> Fraction:
    """The unit in the last place of the exact value."""
    if y.rational == 0:
        return Fraction(fmt.eta)
    for bits in PRECISIONS:
        with ctx.workprec(bits):
            size = abs(y.enclose())
            low, high = size.lower(), size.upper()
            exponents = {_exponent(low), _exponent(high)}
            clamped = {min(max(e, fmt.emin), fmt.emax) for e in exponents}
            if len(clamped) == 1:
                return Fraction(2) ** (clamped.pop() - fmt.precision + 1)
    exponent = min(max(_exponent(y.end()), fmt.emin), fmt.emax)
    return Fraction(2) ** (exponent - fmt.precision + 1)


def _exponent(point: arb) -> int:
    man, exp = (int(v) for v in point.man_exp())
    return abs(man).bit_length() + exp - 1 if man else -(1 << 40)


def half_ulp(fmt: Format, value: float) -> float:
    """Half a unit in the last place of a value of the format."""
    if not math.isfinite(value):
        return NAN
    return float(ulp(fmt, Real(rational=Fraction(value))) / 2)


def overflow_point(fmt: Format) -> Fraction:
    return Fraction(2) ** (fmt.emax + 1)


def ulp_error(fmt: Format, got: float | arb, y: Real) -> float:  # noqa: PLR0911
    """|got − y| in units of ulp(y), by the rules for nan, infinities and overflow."""
    if isinstance(got, float):
        if y.special is not None and math.isnan(y.special):
            return 0.0 if math.isnan(got) else INF
        if math.isnan(got):
            return INF
        if not math.isfinite(got) and got == y.rounded(fmt):
            return 0.0
    elif not got.is_finite():
        return INF
    if y.special is not None:
        return INF
    beyond = overflow_point(fmt)
    if not math.isfinite(y.rounded(fmt)):
        y = Real(rational=beyond if y.enclose() > 0 else -beyond)
    if isinstance(got, float) and math.isinf(got):
        got_real: Fraction | arb = beyond if got > 0 else -beyond
    else:
        got_real = Fraction(got) if isinstance(got, float) else got
    unit = ulp(fmt, y)
    if isinstance(got_real, Fraction) and y.rational is not None:
        error = abs(got_real - y.rational) / unit
        return round_fraction(FLOAT64, error)
    for bits in PRECISIONS:
        with ctx.workprec(bits):
            start = got_real if isinstance(got_real, arb) else _ball(got_real)
            ball = abs(start - y.enclose()) / _ball(unit)
            done = round_ball(FLOAT64, ball)
        if done is not None:
            return done
    with ctx.workprec(1000):  # a ball that came with a radius: its middle will do
        return float(ball.mid())


# --- Arithmetic models, traced -------------------------------------------------------------------

Column = int | None


@dataclass(frozen=True, slots=True)
class Event:
    """What happened first on the path of a value: the operation, its operand and the limit."""

    kind: str
    order: int
    step: str
    column: Column
    operand: float
    limit: float


Marks = dict[Column, Event]  # the events of one operation, by column
CLASSES: Final = ("overflow", "zero", "subnormal", "absorbed")


@dataclass(slots=True)
class Value:
    """A number on its way: a float of the model, or a ball once the operations are exact."""

    number: float | arb
    marks: dict[str, Marks] = field(default_factory=dict)
    constant: Fraction | None = None  # of a constant, what it was before it was rounded

    @property
    def float(self) -> float:
        assert isinstance(self.number, float)
        return self.number


def _merge(a: Marks | None, b: Marks | None) -> Marks:
    """The events of the earlier operation; of the same operation, all columns."""
    if not a or not b:
        return a or b or {}
    first, second = next(iter(a.values())).order, next(iter(b.values())).order
    if first != second:
        return a if first < second else b
    large, small = (a, b) if len(a) >= len(b) else (b, a)
    if all(column in large for column in small):
        return large
    return {**large, **small}


def _pick(marks: Marks, own: Column) -> Event:
    """The event of the element's own column, else of the smallest column."""
    if own in marks:
        return marks[own]
    return marks[min(marks, key=lambda c: -1 if c is None else c)]


@dataclass(slots=True)
class Record:
    """One operation as it was carried out: arguments, result and events by column."""

    step: str
    name: str
    out: Format
    arguments: dict[Column, tuple[Any, ...]] = field(default_factory=dict)
    results: dict[Column, float] = field(default_factory=dict)
    unstored: dict[Column, float] = field(default_factory=dict)  # before the end of the kernel
    rounded: set[Column] = field(default_factory=set)  # where the result is not the exact one
    events: dict[Column, Event] = field(default_factory=dict)


def _exact(name: str, args: Sequence[float | arb | Fraction]) -> arb:  # noqa: PLR0911
    """One elementwise operation on balls, finite arguments."""
    a = args[0] if isinstance(args[0], arb) else _ball(args[0])
    if name == "exp":
        return a.exp()
    if name == "log":
        return a.log()
    if name == "log1p":
        return a.log1p()
    if name == "negate":
        return -a
    b = args[1] if isinstance(args[1], arb) else _ball(args[1])
    if name == "add":
        return a + b
    if name == "subtract":
        return a - b
    return a * b if name == "multiply" else a / b


# Rows of many alike ask the same of these again and again; the sign of a zero changes none of them.
@lru_cache(maxsize=1 << 12)
def _rational(name: str, args: tuple[float, ...]) -> Fraction | None:  # noqa: PLR0911
    """The exact result where it is rational."""
    a = Fraction(args[0])
    if name == "exp":
        return Fraction(1) if a == 0 else None
    if name in {"log", "log1p"}:
        return Fraction(0) if a == (name == "log") else None
    if name == "negate":
        return -a
    b = Fraction(args[1])
    if name == "maximum":
        return max(a, b)
    if name == "add":
        return a + b
    if name == "subtract":
        return a - b
    return a * b if name == "multiply" else a / b


@lru_cache(maxsize=1 << 12)
def exact_result(name: str, args: tuple[float, ...]) -> float:
    """The exact result of an operation on finite arguments, rounded to float64 for display."""
    rational = _rational(name, args)
    if rational is not None:
        return round_fraction(FLOAT64, rational)
    return decide(FLOAT64, lambda: _exact(name, args))


def rounded_result(fmt: Format, name: str, args: Sequence[float]) -> float:
    """One operation of the model, rounded once."""
    a = args[0]
    if name == "negate":
        return -a
    if name in {"exp", "log", "log1p"}:
        return {"exp": exp, "log": log, "log1p": log1p}[name](fmt, a)
    b = args[1]
    if name == "maximum":
        return a if math.isnan(a) or a >= b else b
    binary = {"add": add, "subtract": subtract, "multiply": multiply, "divide": divide}
    return binary[name](fmt, a, b)


@lru_cache(maxsize=1 << 12)
def _is_rounded(name: str, args: tuple[Any, ...], result: float) -> bool:
    """Whether a result on such arguments, constants as they were, is not the exact one."""
    if name == "maximum":
        return bool(result != args[0])
    if not all(isinstance(a, Fraction) or math.isfinite(a) for a in args):
        return False
    rational = None if name == "divide" and args[1] == 0 else _rational(name, args)
    return rational is None or not math.isfinite(result) or Fraction(result) != rational


class Machine:
    """Carries out operations in one arithmetic model, and after `exact_after` in the reals.

    With `only`, the operation `exact_after` itself is in the model at that column alone.
    """

    def __init__(
        self,
        fmt: Format,
        model: str,
        exact_after: int | None = None,
        only: Column | None = None,
    ) -> None:
        if model not in {"strict", "wide-sum", "fused"}:
            raise ValueError(f"no model {model}")
        self.format = fmt
        self.model = model
        self.wide = accumulator(fmt)
        self.work = self.wide if model == "fused" else fmt
        self.exact_after, self.only = exact_after, only
        self.records: list[Record] = []

    def _begin(self, step: str, name: str, *, store: bool) -> bool:
        out = self.format if store else self.work
        self.records.append(Record(step, name, out))
        return self.exact_after is None or len(self.records) - 1 <= self.exact_after

    def each(
        self,
        step: str,
        name: str,
        columns: Sequence[Column],
        *operands: Sequence[Value],
        store: bool = False,
    ) -> list[Value]:
        """One elementwise operation over the columns; `store` ends a kernel."""
        modelled = self._begin(step, name, store=store)
        out = []
        for position, column in enumerate(columns):
            args = [operand[position] for operand in operands]
            alone = self.only is None or column == self.only
            here = modelled and (alone or len(self.records) - 1 != self.exact_after)
            out.append(self._one(name, column, args, modelled=here, store=store))
        return out

    def _one(
        self, name: str, column: Column, args: list[Value], *, modelled: bool, store: bool
    ) -> Value:
        numbers: list[Any] = [a.number for a in args]
        true: tuple[Any, ...] = tuple(a.number if a.constant is None else a.constant for a in args)
        if not modelled:
            numbers = list(true)
            if name == "maximum":  # in the reals there is nothing to clamp
                return args[0]
            if name == "log" and numbers[0] == 0:
                return Value(-INF)
            if all(isinstance(v, arb | Fraction) or math.isfinite(v) for v in numbers):
                return Value(_exact(name, numbers))
            plain = [float(v.mid()) if isinstance(v, arb) else float(v) for v in numbers]
            return Value(rounded_result(FLOAT64, name, plain))
        floats = [a.float for a in args]
        wide = rounded_result(self.work, name, floats)
        result = round_float(self.format, wide) if store else wide
        record = self.records[-1]
        record.arguments[column] = true
        record.results[column], record.unstored[column] = result, wide
        if _is_rounded(name, true, result):
            record.rounded.add(column)
        event = self._event(name, column, true, wide, result, store=store)
        marks: dict[str, Marks] = {}
        for kind in CLASSES:
            inherits = (
                kind in {"subnormal", "absorbed"}
                or not math.isfinite(result)
                or (kind in {"overflow", "zero"} and result == 0)
            )
            merged: Marks = {}
            if inherits:
                for a in args:
                    merged = _merge(merged, a.marks.get(kind))
            if event is not None and event.kind == kind:
                merged = _merge(merged, {column: event})
            if merged:
                marks[kind] = merged
        if event is not None:
            record.events[column] = event
        return Value(result, marks)

    def _event(  # noqa: PLR0911
        self,
        name: str,
        column: Column,
        args: tuple[Any, ...],
        wide: float,
        result: float,
        *,
        store: bool,
    ) -> Event | None:
        if not all(math.isfinite(a) for a in args):
            return None
        record = self.records[-1]
        order = len(self.records) - 1

        def event(kind: str, operand: float, limit: float) -> Event:
            return Event(kind, order, record.step, column, operand, limit)

        at_store = store and self.work is not self.format
        if not math.isfinite(result):
            if (name == "log" and args[0] == 0) or (name == "divide" and args[1] == 0):
                return None
            if name == "exp":
                return event("overflow", args[0], exp_edge(self.work, record.out, "overflow"))
            fmt = self.work if not math.isfinite(wide) else record.out
            exact = exact_result(name, args)
            return event("overflow", exact, math.copysign(fmt.max_finite, exact))
        if result == 0 and _rational(name, args) != 0:
            if name == "exp":
                return event("zero", args[0], exp_edge(self.work, record.out, "zero"))
            fmt = self.work if wide == 0 else record.out
            return event("zero", exact_result(name, args), fmt.eta / 2)
        listed = name in {"exp", "log", "log1p", "divide", "multiply"} or at_store
        if listed and 0 < abs(result) < record.out.tiny:
            if name == "exp":
                return event("subnormal", args[0], exp_edge(self.work, record.out, "subnormal"))
            return event("subnormal", exact_result(name, args), record.out.tiny)
        if record.step == "lse" and name == "add" and result == args[0] and args[1] != 0:
            return event("absorbed", args[1], half_ulp(record.out, result))
        if name == "divide" and result == 1 and args[0] != args[1]:
            limit = float(1 - Fraction(1, 2 ** (record.out.precision + 1)))
            return event("absorbed", exact_result(name, args), limit)
        return None

    def constant(self, value: Fraction) -> Value:
        """A constant, rounded once to the working format."""
        return Value(round_fraction(self.work, value), constant=value)

    def add_up(self, values: Sequence[float]) -> float:
        """Σ*: the model's sum."""
        if self.model == "strict":
            return running_sums(self.format, values)[-1]
        return round_float(self.work, tree_sum(self.wide, values))

    def sum(  # noqa: PLR0912
        self,
        step: str,
        addends: Sequence[Value],
        *,
        store: bool = False,
        method: Callable[[], float] | None = None,
    ) -> Value:
        """The sum of a row: a row-level operation, column None."""
        if not self._begin(step, "sum", store=store):
            total = arb(0)
            for a in addends:
                total += a.number if isinstance(a.number, arb) else arb(a.number)
            return Value(total)
        numbers = [a.float for a in addends]
        result = self.add_up(numbers) if method is None else method()
        if store:
            result = round_float(self.format, result)
        record = self.records[-1]
        record.arguments[None] = tuple(numbers)
        record.results[None] = result
        event: Event | None = None
        order = len(self.records) - 1
        if all(math.isfinite(a) for a in numbers):
            exact = exact_sum(numbers)
            if not math.isfinite(result):
                limit = math.copysign(record.out.max_finite, 1 if exact > 0 else -1)
                operand = round_fraction(FLOAT64, exact)
                event = Event("overflow", order, step, None, operand, limit)
            else:
                largest = max(range(len(numbers)), key=lambda i: abs(numbers[i]))
                others = any(v != 0 for i, v in enumerate(numbers) if i != largest)
                if result == numbers[largest] and others:
                    rest = round_fraction(FLOAT64, exact - Fraction(numbers[largest]))
                    limit = half_ulp(record.out, result)
                    event = Event("absorbed", order, step, None, rest, limit)
        marks: dict[str, Marks] = {}
        for kind in CLASSES:
            merged: Marks = {}
            if (
                kind in {"subnormal", "absorbed"}
                or (kind == "overflow" and not math.isfinite(result))
                or (kind == "zero" and result == 0)
            ):
                for group in _earliest(addends, kind):
                    made_in = next(iter(group.values())).order
                    if kind != "subnormal" or self._shows(made_in, kind, result):
                        merged.update(group)
            if event is not None and event.kind == kind:
                merged = _merge(merged, {None: event})
            if merged:
                marks[kind] = merged
        if event is not None:
            record.events[None] = event
        return Value(result, marks)

    def _shows(self, order: int, kind: str, total: float) -> bool:
        """Whether what exponentials lost by such events comes to half an ULP of their sum.

        Or the sum is so small that it is exact.
        """
        record = self.records[order]
        if record.name != "exp":
            return True
        if not math.isfinite(total):
            return False
        columns = [column for column, event in record.events.items() if event.kind == kind]
        half = ulp(self.work, Real(rational=Fraction(total))) / 2
        if self.work == FLOAT64:  # at the most
            return len(columns) * Fraction(self.work.eta) / 2 >= half
        lost = arb(0)
        for column in columns:
            lost += _ball(record.results[column]) - _ball(record.arguments[column][0]).exp()
        return half <= Fraction(self.work.eta) / 2 or bool(abs(lost) >= _ball(half))


def _earliest(values: Sequence[Value], kind: str) -> list[Marks]:
    """The marks of the values that belong to the earliest operation."""
    found: list[Marks] = []
    seen: set[int] = set()
    order = 1 << 60
    for value in values:
        marks = value.marks.get(kind)
        if not marks or id(marks) in seen:
            continue
        seen.add(id(marks))
        here = next(iter(marks.values())).order
        if here < order:
            order, found = here, []
        if here == order:
            found.append(marks)
    return found


# --- Formulations --------------------------------------------------------------------------------


def online_sum(machine: Machine, row: Sequence[float]) -> float:
    """The denominator of the one-pass softmax."""
    fmt, work, wide = machine.format, machine.work, machine.wide
    if machine.model == "strict":
        m, d = row[0], 0.0 if row[0] == -INF else 1.0
        for x in row[1:]:
            m, d, _ = _online_step(fmt, m, d, x)
        return d
    m, d = -INF, 0.0
    for start in range(0, len(row), LEAF):
        leaf = row[start : start + LEAF]
        top = max(m, *leaf)
        if top == -INF:
            continue
        if top != m:
            d = multiply(wide, d, exp(work, subtract(work, m, top)))
        terms = [exp(work, subtract(work, x, top)) for x in leaf]
        d = add(wide, d, tree_sum(wide, terms))
        m = top
    return round_float(work, d)


def _online_step(
    fmt: Format, m: float, d: float, x: float
) -> tuple[float, float, tuple[float, float]]:
    """One step of the strict recurrence: new maximum, new sum, (scaled old sum, addend)."""
    top = max(m, x)
    if top == -INF:
        return top, 0.0, (0.0, 0.0)
    scaled = d if top == m else multiply(fmt, d, exp(fmt, subtract(fmt, m, top)))
    addend = exp(fmt, subtract(fmt, x, top))
    return top, add(fmt, scaled, addend), (scaled, addend)


SOFTMAX: Final = ("naive", "shifted", "online", "via-lse")
LOG_SOFTMAX: Final = ("log-of-naive", "log-of-shifted", "shifted", "minus-lse", "log1p")
LOSS: Final = (*LOG_SOFTMAX, "naive-lse", "clamped")


@dataclass(slots=True)
class Path:
    """The values of one row on their way to a result."""

    values: list[Value]
    addends: list[Value]
    denominator: Value
    logged: list[Value] | None = None  # the operands of a final log


def _repeat(value: Value, row: Sequence[Value]) -> list[Value]:
    return [value] * len(row)


def softmax_path(machine: Machine, row: Sequence[float], name: str) -> Path:
    """Softmax of a valid row; the last operation ends a kernel."""
    x = [Value(v) for v in row]
    columns: list[Column] = list(range(len(row)))
    m = Value(max(row))
    if name == "naive":
        e = machine.each("exp", "exp", columns, x)
    else:
        z = machine.each("shift", "subtract", columns, x, _repeat(m, x))
        e = machine.each("exp", "exp", columns, z)
    method = (lambda: online_sum(machine, row)) if name == "online" else None
    s = machine.sum("sum", e, method=method)
    if name == "via-lse":
        log_s = machine.each("log", "log", [None], [s])
        lse = machine.each("lse", "add", [None], [m], log_s)[0]
        d = machine.each("subtract", "subtract", columns, x, _repeat(lse, x))
        return Path(machine.each("exp", "exp", columns, d, store=True), e, s)
    return Path(machine.each("divide", "divide", columns, e, _repeat(s, e), store=True), e, s)


def log_softmax_path(
    machine: Machine, row: Sequence[float], name: str, used: Sequence[int] | None = None
) -> Path:
    """Log-softmax of a valid row, at the classes used (all of them unless given)."""
    classes: list[Column] = list(range(len(row))) if used is None else list(used)
    chosen = [c for c in classes if c is not None]

    def at(values: Sequence[Value]) -> list[Value]:
        return [values[c] for c in chosen]

    if name in {"log-of-naive", "log-of-shifted", "clamped"}:
        path = softmax_path(machine, row, "naive" if name == "log-of-naive" else "shifted")
        p = at(path.values)
        if name == "clamped":
            floor = Value(round_fraction(machine.format, Fraction(1, 10**12)))
            p = machine.each("clamp", "maximum", classes, p, _repeat(floor, p))
        values = machine.each("log", "log", classes, p, store=True)
        return Path(values, path.addends, path.denominator, p)
    x = [Value(v) for v in row]
    columns: list[Column] = list(range(len(row)))
    m = Value(max(row))
    if name == "naive-lse":
        e = machine.each("exp", "exp", columns, x)
    else:
        z = machine.each("shift", "subtract", columns, x, _repeat(m, x))
        e = machine.each("exp", "exp", columns, z)
        if name == "log1p":
            e[row.index(max(row))] = Value(0.0)
    s = machine.sum("sum", e)
    log_s = machine.each("log", "log1p" if name == "log1p" else "log", [None], [s])[0]
    if name == "minus-lse":
        log_s = machine.each("lse", "add", [None], [m], [log_s])[0]
    start = at(x) if name in {"naive-lse", "minus-lse"} else at(z)
    values = machine.each("subtract", "subtract", classes, start, _repeat(log_s, start), store=True)
    return Path(values, e, s)


@dataclass(frozen=True, slots=True)
class Target:
    """What the loss of a row is taken against; everything as given, before any rounding."""

    label: int | None = None
    probabilities: tuple[float, ...] | None = None
    weights: tuple[float, ...] | None = None
    smoothing: float = 0.0

    def used(self, classes: int) -> list[int]:
        if self.probabilities is None and self.smoothing == 0:
            assert self.label is not None
            return [self.label]
        return list(range(classes))

    def rounded(self, fmt: Format) -> Target:
        """Weights and probabilities in the format; the smoothing stays as it is."""

        def each(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
            return None if values is None else tuple(round_float(fmt, v) for v in values)

        return Target(self.label, each(self.probabilities), each(self.weights), self.smoothing)

    def factors(self, classes: int) -> list[tuple[int, Fraction]]:
        """The exact factor of every −log-softmax_c that takes part (weights must be finite)."""
        weights = [Fraction(1)] * classes
        if self.weights is not None:
            weights = [Fraction(w) for w in self.weights]
        eps = Fraction(self.smoothing)
        if self.probabilities is not None:
            targets = [Fraction(t) for t in self.probabilities]
            if eps:
                targets = [t * (1 - eps) + eps / classes for t in targets]
            return [(c, weights[c] * targets[c]) for c in range(classes)]
        assert self.label is not None
        if not eps:
            return [(self.label, weights[self.label])]
        own = (self.label, (1 - eps) * weights[self.label])
        return [own, *((c, eps / classes * weights[c]) for c in range(classes))]

    def divisor(self) -> float:
        """What the row adds to the denominator of a mean."""
        if self.probabilities is not None or self.weights is None:
            return 1.0
        assert self.label is not None
        return self.weights[self.label]


def loss_path(machine: Machine, row: Sequence[float], name: str, target: Target) -> Path:
    """The loss of one row; `target` already rounded to the format."""
    used = target.used(len(row))
    path = log_softmax_path(machine, row, name, used)
    lp = path.values
    columns: list[Column] = list(used)
    weights = None if target.weights is None else [Value(target.weights[c]) for c in used]

    def weighted(
        values: list[Value], factors: list[Value] | None, where: list[Column], *, store: bool
    ) -> list[Value]:
        if factors is None:
            return machine.each("pick", "negate", where, values, store=store)
        negative = [Value(-v.number, v.marks) for v in values]
        return machine.each("pick", "multiply", where, factors, negative, store=store)

    if target.probabilities is None and target.smoothing == 0:
        return Path(
            weighted(lp, weights, columns, store=True), path.addends, path.denominator, path.logged
        )
    eps, n = Fraction(target.smoothing), len(row)
    keep, share = machine.constant(1 - eps), machine.constant(eps / n)
    if target.probabilities is not None:
        t = [Value(v) for v in target.probabilities]
        if eps:
            t = machine.each("pick", "multiply", columns, t, _repeat(keep, t))
            t = machine.each("pick", "add", columns, t, _repeat(share, t))
        if weights is not None:
            t = machine.each("pick", "multiply", columns, weights, t)
        loss = machine.sum("pick", weighted(lp, t, columns, store=False), store=True)
    else:
        assert target.label is not None
        y = target.label
        own = weighted([lp[y]], None if weights is None else [weights[y]], [y], store=False)
        own = machine.each("pick", "multiply", [y], [keep], own)
        total = machine.sum("pick", weighted(lp, weights, columns, store=False))
        total = machine.each("pick", "multiply", [None], [share], [total])[0]
        loss = machine.each("pick", "add", [y], own, [total], store=True)[0]
    return Path([loss], path.addends, path.denominator, path.logged)


# --- Cases: results, kinds and origins -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """The kind of one element and the first event on its path."""

    column: Column
    got: float
    exact: float
    ulp: float
    kind: str | None
    unavoidable: bool = False
    step: str | None = None
    origin: Column = None
    operand: float | None = None
    limit: float | None = None

    @property
    def propagated(self) -> bool:
        return self.kind is not None and self.origin != self.column


class Case:
    """One row under one quantity, formulation, format and model."""

    def __init__(
        self,
        quantity: str,
        formulation: str,
        fmt: Format,
        model: str,
        row: Sequence[float],
        target: Target | None = None,
    ) -> None:
        self.quantity, self.formulation, self.format, self.model = quantity, formulation, fmt, model
        self.row = [round_float(fmt, x) for x in row]
        self.target = None if target is None else target.rounded(fmt)
        self.reference = ExactRow(self.row)
        self.is_loss = quantity in {"nll", "ce"}
        self._hybrids: dict[tuple[int, int, Column], list[Value]] = {}
        n = len(self.row)
        if self.is_loss:
            assert self.target is not None
            own = None if self.target.probabilities is not None else self.target.label
            self.columns: list[Column] = [own]
        else:
            self.columns = list(range(n))
        self.exact = [self._exact(c) for c in self.columns]
        self.rounded = [y.rounded(fmt) for y in self.exact]
        self.machine = Machine(fmt, model)
        self.path: Path | None = None
        if formulation == "exact":
            self.got = list(self.rounded)
        elif not self.reference.valid:
            self.got = [NAN] * len(self.columns)
        else:
            self.path = self._run(self.machine)
            self.got = [v.float for v in self.path.values]

    def _exact(self, column: Column) -> Real:
        if self.is_loss:
            assert self.target is not None
            return self.reference.weighted(self.target.factors(len(self.row)))
        assert column is not None
        if self.quantity == "softmax":
            return self.reference.softmax(column)
        return self.reference.log_softmax(column)

    def _run(self, machine: Machine) -> Path:
        if self.is_loss:
            assert self.target is not None
            return loss_path(machine, self.row, self.formulation, self.target)
        if self.quantity == "softmax":
            return softmax_path(machine, self.row, self.formulation)
        return log_softmax_path(machine, self.row, self.formulation)

    # The kinds

    def findings(self) -> list[Finding]:
        return [self.finding(i) for i in range(len(self.columns))]

    def finding(self, i: int) -> Finding:
        """The kind of the i-th element and where it comes from."""
        got, want, y = self.got[i], self.rounded[i], self.exact[i]
        column = self.columns[i]
        error = ulp_error(self.format, got, y)
        plain = Finding(column, got, want, error, None)
        masked = not self.is_loss and self.row[i] == -INF and got == want
        if self.path is None or masked:
            return plain
        kind, unavoidable = self._kind(i, error)
        if kind is None:
            return plain
        step, origin, operand, limit = self._origin(i, kind)
        return Finding(column, got, want, error, kind, unavoidable, step, origin, operand, limit)

    def _kind(self, i: int, error: float) -> tuple[str | None, bool]:  # noqa: PLR0911
        got, want, y = self.got[i], self.rounded[i], self.exact[i]
        assert self.path is not None
        if got == want or (math.isnan(got) and math.isnan(want)):
            if got == 0 and y.is_nonzero:
                return "underflow", True
            if 0 < abs(got) < self.format.tiny:
                return "subnormal", True
            return None, False
        finite = math.isfinite(got)
        if self.path.values[i].marks.get("overflow"):
            return "overflow", False
        if not finite and self.path.denominator.float == 0 and self.formulation != "log1p":
            # naive-lse divides nothing: it takes the logarithm of that sum.
            return ("log-of-zero" if self.formulation == "naive-lse" else "zero-denominator"), False
        if not finite and self._log_of_zero(i):
            return "log-of-zero", False
        if got == 0:
            with ctx.workprec(200):
                large = bool(abs(y.enclose()) >= self.format.tiny)
            return ("absorbed" if large else "underflow"), False
        if not finite:
            return ("nan" if math.isnan(got) else "inf"), False
        if self._stalled:
            return "stalled-sum", False
        limit = self.threshold(i)
        if limit is not None and error > limit:
            return "silent-error", False
        return ("subnormal" if abs(got) < self.format.tiny else None), False

    def _log_of_zero(self, i: int) -> bool:
        assert self.path is not None
        if self.path.logged is None:
            return False
        if not self.is_loss:
            return self.path.logged[i].float == 0 and self.row[i] > -INF
        assert self.target is not None
        used = self.target.used(len(self.row))
        logged = zip(used, self.path.logged, strict=True)
        return any(p.float == 0 and self.row[c] > -INF for c, p in logged)

    @cached_property
    def _sum_error(self) -> tuple[Fraction, Fraction]:
        """|Ŝ − Σê| and the tolerance."""
        assert self.path is not None
        addends = exact_sum(v.float for v in self.path.addends)
        unit = Fraction(1, 2**53) if self.format.name == "float64" else Fraction(1, 2**24)
        leaves = -(-len(self.row) // LEAF)
        tolerance = (28 + _ceil_log2(leaves)) * unit + self.format.unit
        return abs(Fraction(self.path.denominator.float) - addends), tolerance * addends

    @cached_property
    def _stalled(self) -> bool:
        assert self.path is not None
        if not math.isfinite(self.path.denominator.float):
            return False
        if not all(math.isfinite(v.float) for v in self.path.addends):
            return False
        error, tolerance = self._sum_error
        return error > tolerance

    def threshold(self, i: int) -> float | None:
        """T: the a-priori bound of the shifted formulation in wide-sum, in ULP, at least 1.

        Where there is no bound (t ≥ 1) 2**(p − 2), normal numbers having 2**(p − 1) ULP or more.
        None for smoothing or probability targets, and invalid rows.
        """
        if not self.reference.valid:
            return None
        if self.exact[i].special is not None:  # infinite: a finite result is wrong by any measure
            return 1.0
        fmt, n = self.format, len(self.row)
        unit, count = _ball(fmt.unit), summation_constant(fmt, n) + 1
        with ctx.workprec(256):
            z, total, _ = self.reference._parts()
            spread = self.reference.spread()
            eta = arb(fmt.eta) / 2
            y = abs(self.exact[i].enclose())
            if self.quantity == "softmax":
                t = (abs(z[i]) + spread + _ball(count) + 2) * unit
                if not t < 1:
                    return 2.0 ** (fmt.precision - 2)
                bound = t / (1 - t) * y + eta * (1 + (n + 1) / total)
            else:
                weight = arb(1)
                log_y = y
                if self.is_loss:
                    assert self.target is not None
                    factors = self.target.factors(n)
                    if len(factors) != 1:
                        return None
                    label, factor = factors[0]
                    weight = abs(_ball(factor))
                    log_y = abs(self.reference.log_softmax(label).enclose())
                t = (2 * log_y + spread + _ball(count)) * unit
                if not t < 1:
                    return 2.0 ** (fmt.precision - 2)
                bound = t / (1 - t) + eta * (n + 2)
                if self.is_loss:
                    bound = weight * bound + unit * y + eta
            in_ulp = float((bound / _ball(ulp(fmt, self.exact[i]))).mid())
        return max(1.0, in_ulp)

    # The origins

    def _origin(  # noqa: PLR0911
        self, i: int, kind: str
    ) -> tuple[str | None, Column, float | None, float | None]:
        assert self.path is not None
        value = self.path.values[i]
        wanted = {
            "overflow": ("overflow",),
            "zero-denominator": ("zero",),
            "log-of-zero": ("zero",),
            "underflow": ("zero", "absorbed"),
            "absorbed": ("absorbed", "zero"),
            "subnormal": ("subnormal",),
        }
        if kind == "stalled-sum":
            return self._stall
        if kind == "silent-error":
            limit = self.threshold(i)
            assert limit is not None
            return self._silent(i, limit)
        if kind == "subnormal" and self._was_off_before(i):
            return self._silent(i, ulp_error(self.format, self.got[i], self.exact[i]) / 2)
        if kind in wanted:
            for name in wanted[kind]:
                if value.marks.get(name):
                    event = _pick(value.marks[name], self.columns[i])
                    return event.step, event.column, event.operand, event.limit
            return None, None, None, None
        merged: Marks = {}
        for name in CLASSES:
            merged = _merge(merged, value.marks.get(name))
        if not merged:
            return None, None, None, None
        event = _pick(merged, self.columns[i])
        return event.step, event.column, event.operand, event.limit

    @cached_property
    def _stall(self) -> tuple[str, Column, float, float]:
        assert self.path is not None
        if self.model == "strict":
            if self.formulation == "online":
                m, d = self.row[0], 0.0 if self.row[0] == -INF else 1.0
                for c, x in enumerate(self.row[1:], 1):
                    m, d, (scaled, addend) = _online_step(self.format, m, d, x)
                    if addend != 0 and d == scaled:
                        return "sum", c, addend, half_ulp(self.format, scaled)
            else:
                numbers = [v.float for v in self.path.addends]
                sums = running_sums(self.format, numbers)
                for c in range(1, len(numbers)):
                    if numbers[c] != 0 and sums[c] == sums[c - 1]:
                        return "sum", c, numbers[c], half_ulp(self.format, sums[c])
        error, tolerance = self._sum_error
        return "sum", None, round_fraction(FLOAT64, error), round_fraction(FLOAT64, tolerance)

    def _hybrid(self, after: int, bits: int, only: Column) -> list[Value]:
        key = (after, bits, only)
        if key not in self._hybrids:
            self._hybrids[key] = self._run(Machine(self.format, self.model, after, only)).values
        return self._hybrids[key]

    def _was_off_before(self, i: int) -> bool:
        """Whether the rounding from a wider format at the end moved less than half of the error."""
        assert self.path is not None
        last = self.machine.records[-1]
        event = _pick(self.path.values[i].marks["subnormal"], self.columns[i])
        if self.machine.work is self.format or event.order != len(self.machine.records) - 1:
            return False
        if event.column not in last.unstored:
            return False
        moved = abs(Fraction(last.results[event.column]) - Fraction(last.unstored[event.column]))
        with ctx.workprec(400):
            error = abs(arb(self.got[i]) - self.exact[i].enclose())
            return bool(_ball(2 * moved) < error)

    def _silent(
        self, i: int, limit: float
    ) -> tuple[str | None, Column, float | None, float | None]:
        last = len(self.machine.records) - 1
        for k in range(last + 1):
            if self._error_after(i, k) > limit:
                break
        record = self.machine.records[k]
        column = self._culprit(i, k, record)
        if column in record.events:
            event = record.events[column]
            return record.step, column, event.operand, event.limit
        args, result = record.arguments[column], record.results[column]
        if record.name == "sum":
            operand = round_fraction(FLOAT64, exact_sum(args))
        elif record.name in {"exp", "maximum"}:
            operand = args[0]
        else:
            operand = exact_result(record.name, args)
        if record.name == "maximum":
            return record.step, column, operand, args[1]
        return record.step, column, operand, half_ulp(record.out, result)

    def _culprit(self, i: int, k: int, record: Record) -> Column:
        """The column whose rounding alone leaves the result furthest off; its own if several."""
        if len(record.results) == 1:
            return next(iter(record.results))
        alone = {c: self._error_after(i, k, c) for c in sorted(record.rounded, key=str)}
        most = max(alone.values())
        furthest = [c for c, error in alone.items() if error * (1 + 1e-9) >= most]
        own = self.columns[i]
        return own if own in furthest else min(c for c in furthest if c is not None)

    def _error_after(self, i: int, k: int, only: Column = None) -> float:
        y = self.exact[i]
        for bits in (320, 1280, 5120, 20480):
            with ctx.workprec(bits):
                number = self._hybrid(k, bits, only)[i].number
                if isinstance(number, arb):
                    if not number.is_finite() or y.special is not None:
                        return INF
                    error = abs(number - y.enclose()) / _ball(ulp(self.format, y))
                    if error.rad() < 1e-6 or error.rad() < error.mid() * 1e-9:
                        return float(error.mid())
                    continue
            return ulp_error(self.format, number, y)
        raise ArithmeticError("the error of the hybrid is not decided")

    def rank_change(self) -> bool:
        """Whether the set of argmax of got differs from that of the rounded exact values."""
        return argmax_set(self.got) != argmax_set(self.rounded)


def argmax_set(values: Sequence[float]) -> frozenset[int]:
    """The positions of the maximum; none where there is a nan."""
    if any(math.isnan(v) for v in values):
        return frozenset()
    top = max(values)
    return frozenset(i for i, v in enumerate(values) if v == top)


def _ceil_log2(n: int) -> int:
    return (n - 1).bit_length()


def summation_constant(fmt: Format, n: int, model: str = "wide-sum") -> Fraction:
    """a(n): the number of roundings on the longest way through the model's sum, in units of u."""
    if model == "strict":
        return Fraction(n - 1)
    depth = Fraction(min(n - 1, 24) + 3 + _ceil_log2(-(-n // LEAF)))
    wide = accumulator(fmt)
    if wide.precision == fmt.precision:
        return depth
    return depth * wide.unit / fmt.unit + 1


# --- Reductions ----------------------------------------------------------------------------------


def reduce_losses(
    fmt: Format, model: str, reduction: str, losses: Sequence[float], divisors: Sequence[float]
) -> float:
    """The sum or mean of the kept rows: losses and divisors of those rows, in row order."""
    if reduction == "sum":
        return _total(fmt, model, losses) if losses else 0.0
    if not losses:
        return NAN
    if not all(map(math.isfinite, losses)) or not all(map(math.isfinite, divisors)):
        total = _total(FLOAT64, "strict", losses)
        return divide(fmt, total, _total(FLOAT64, "strict", divisors))
    if model == "strict":
        return divide(fmt, _total(fmt, model, losses), _total(fmt, model, divisors))
    top, bottom = exact_sum(losses), exact_sum(divisors)
    if bottom == 0:
        return NAN if top == 0 else math.copysign(INF, top)
    return round_fraction(fmt, top / bottom)


def _total(fmt: Format, model: str, values: Sequence[float]) -> float:
    if model == "strict" or not all(map(math.isfinite, values)):
        total = 0.0
        for v in values:
            total = add(fmt, total, v)
        return total
    return round_fraction(fmt, exact_sum(values))


def exact_reduction(reduction: str, losses: Sequence[Real], divisors: Sequence[float]) -> Real:
    """The true sum or mean of true losses over the kept rows."""
    if not losses:
        return Real(special=NAN) if reduction == "mean" else ZERO
    bottom = exact_sum(divisors) if reduction == "mean" else Fraction(1)
    special = sum(y.special for y in losses if y.special is not None)
    if any(y.special is not None for y in losses):
        return Real(special=divide(FLOAT64, special, float(bottom)))
    rational = sum((y.rational for y in losses if y.rational is not None), Fraction(0))
    balls = [y for y in losses if y.rational is None]
    if not balls:
        if bottom == 0:
            return Real(special=NAN if rational == 0 else math.copysign(INF, rational))
        return Real(rational=rational / bottom)
    if bottom == 0:
        with ctx.workprec(4000):
            top = sum((y.enclose() for y in balls), _ball(rational))
        return Real(special=INF if top > 0 else -INF)
    return Real(ball=lambda: sum((y.enclose() for y in balls), _ball(rational)) / _ball(bottom))
