"""Number to text, and name to text, for human eyes: the one place that decides what is printed.

Two laws hold for every function here. Something nonzero never prints as 0, something finite never
as inf, and almost all never as 100 %. And whatever came from outside (a path, a column name) prints
as visible characters only.
"""

from __future__ import annotations

import math
import unicodedata
from decimal import MAX_EMAX, MIN_EMIN, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SIGNIFICANT = 6
"""Significant digits of a number that has too many to show."""

_DIGITS = (9, 12, 17)  # of numbers that fewer do not tell apart

SHORT = 8
"""A number whose shortest exact text has at most so many digits is shown exactly."""

GROUP = "\N{NARROW NO-BREAK SPACE}"
"""Between groups of three digits: a space that no line is broken at."""

ASCII_FOR = {
    GROUP: ",",
    "\N{NO-BREAK SPACE}": " ",
    "\N{THIN SPACE}": " ",
    "−": "-",
    "–": "-",
    "—": "-",
    "×": "x",
    "·": ".",
    "…": "...",
    "│": "|",
    "─": "-",
    "•": "*",
    "≠": "!=",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "±": "+-",
    "½": "1/2",
    "²": "^2",
    "Σ": "sum",
    "∞": "inf",
    "ε": "epsilon",
    "ˣ": "^x",
    "◂": "<",
    "∘": "o",
    "°": "deg",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
}
"""What stands for a character where the output's encoding cannot carry it."""

_TABLE = str.maketrans(ASCII_FOR)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain(text: str, *, ascii_only: bool) -> str:
    r"""Give the text back, or its nearest ASCII where nothing else can be printed.

    Examples
    --------
    >>> plain("3 × 10, −1", ascii_only=True)
    '3 x 10, -1'
    >>> plain("é", ascii_only=True)
    '\\xe9'
    """
    if not ascii_only or text.isascii():
        return text
    return text.translate(_TABLE).encode("ascii", "backslashreplace").decode("ascii")


def carries(encoding: str | None) -> bool:
    """Tell whether an encoding can write every sign that the renderers use.

    Examples
    --------
    >>> carries("utf-8"), carries("cp1252"), carries(None), carries("no-such-encoding")
    (True, False, False, False)
    """
    try:
        "".join(ASCII_FOR).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def visible(name: str) -> str:
    r"""Make every character of a name from outside visible: controls, overrides, surrogates.

    Examples
    --------
    >>> visible("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    >>> visible("x\u202ey")
    'x\\u202ey'
    """
    if name.isprintable():
        return name
    return "".join(
        _escaped(letter) if unicodedata.category(letter) in _INVISIBLE else letter
        for letter in name
    )


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def number(value: float | Decimal, digits: int = SIGNIFICANT) -> str:
    """Print a value exactly where that is short, else rounded to `digits` significant digits.

    The sign is the ASCII hyphen, so that a number copied from the screen is a number.

    Examples
    --------
    >>> [number(x) for x in (11.09375, 43.279998779296875, 0.0, -0.0, 1.0, 65504.0)]
    ['11.09375', '43.28', '0', '-0', '1', '65504']
    >>> number(5e-324), number(1.7976931348623157e308), number(float("-inf"))
    ('4.94066e-324', '1.79769e+308', '-inf')
    >>> number(Decimal("2.4551E-437"))
    '2.4551e-437'

    What not even a decimal can hold is beyond the last that it can:

    >>> number(Decimal("1E+999999999999999999")), number(Decimal("1E-999999999999999999"))
    ('>1e+999999999999999999', '<1e-999999999999999999')
    """
    if isinstance(value, Decimal):
        return _decimal(value, digits)
    value = float(value)
    if not math.isfinite(value):
        return repr(value)
    exact = full(value)
    if "e" not in exact and sum(map(str.isdigit, exact.lstrip("-0."))) <= SHORT:
        return exact
    return _rounded(value, digits)


def apart(got: float, exact: float | Decimal) -> tuple[str, str]:
    """Print a result and the exact value as on a blackboard, or with digits that tell them apart.

    Examples
    --------
    >>> apart(-0.25, -0.250001), apart(-737.5915, -737.5916125)
    (('-0.25', '-0.250001'), ('-737.591500', '-737.591612'))
    >>> apart(1.407821212e-08, 1.407821199e-08)
    ('1.40782121e-08', '1.40782120e-08')
    """
    mine, true = on_board(got), on_board(exact)
    for digits in _DIGITS:
        if mine != true or got == exact:
            break
        mine, true = _whole(got, digits), _whole(exact, digits)
    return mine, true


def _whole(value: float | Decimal, digits: int) -> str:
    """Print a value to so many digits, zeros at their end too; exactly where that is short."""
    text = number(value, digits)
    if isinstance(value, Decimal) or text == full(value):
        return text
    return f"{value:#.{digits}g}".removesuffix(".")


def beside(got: float, exact: float | Decimal) -> str:
    """Print a result and the exact value, with as many digits as it takes to tell them apart.

    Examples
    --------
    >>> beside(0.27, 0.268941421)
    '0.27, exactly 0.268941'
    >>> beside(1.22720001e-29, 1.2272e-29)
    '1.22720001e-29, exactly 1.2272e-29'
    """
    mine = true = ""
    for digits in (SIGNIFICANT, *_DIGITS):
        mine, true = number(got, digits), number(exact, digits)
        if mine != true or got == exact:
            break
    return f"{mine}, exactly {true}"


def _rounded(value: float, digits: int) -> str:
    """Round to significant digits; the largest doubles would round to a number beyond float64."""
    text = f"{value:.{digits}g}"
    return text if math.isfinite(float(text)) else repr(value)


def on_board(value: float | Decimal) -> str:
    """Print a value as on a blackboard: six decimals, or more digits where those would mislead.

    Examples
    --------
    >>> [on_board(x) for x in (7.389056205749512, 11.212509155, 0.0985658914, -1005.3314116, 1.0)]
    ['7.389056', '11.212509', '0.098566', '-1005.331412', '1']
    >>> on_board(0.9999999403953552), on_board(2.5e-08), on_board(1e9 / 7), on_board(0.5)
    ('0.9999999403953552', '2.5e-08', '1.42857e+08', '0.5')
    """
    if isinstance(value, Decimal):
        return _decimal(value, SIGNIFICANT)
    value = float(value)
    exact = full(value)
    if not math.isfinite(value) or ("e" not in exact and len(exact) <= SHORT):
        return exact
    if not 1e-3 <= abs(value) < 1e6:
        return number(value)
    text = f"{value:.6f}"
    return exact if float(text) in {-1.0, 1.0} else text


def near_one(value: float | Decimal, minus_one: float | Decimal | None) -> str:
    """Print a value as on a blackboard; by its distance from 1, where that is given.

    Examples
    --------
    >>> near_one(0.25, None), near_one(1.0, -3.7200760e-44)
    ('0.25', '1 − 3.72e-44')
    """
    if minus_one is None:
        return on_board(value)
    distance = minus_one.copy_abs() if isinstance(minus_one, Decimal) else abs(minus_one)
    return f"1 {'−' if minus_one < 0 else '+'} {number(distance, 3)}"


def fraction(value: float) -> str:
    """Print a share of a whole in percent, without digits that are those of float64.

    Examples
    --------
    >>> [fraction(x) for x in (0.0, 1.1e-16, 0.0625, 1.0)]
    ['nothing', 'less than 0.01 %', '6.25 %', 'all']
    """
    if value in {0, 1}:
        return "all" if value else "nothing"
    return "less than 0.01 %" if value < 1e-4 else f"{number(100 * value, 3)} %"


def full(value: float) -> str:
    """Print every digit that it takes to read the same float64 back.

    Examples
    --------
    >>> full(88.72283172607422), full(6.0), full(1e300), full(-0.5)
    ('88.72283172607422', '6', '1e+300', '-0.5')
    """
    return repr(float(value)).removesuffix(".0")


def _decimal(value: Decimal, digits: int) -> str:
    nearest = float(value)
    if not value.is_finite() or value == 0 or _normal(nearest):
        return number(nearest, digits)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    # The largest and smallest decimals stand for what is beyond them.
    bound = {MAX_EMAX: ">", MIN_EMIN: "<"}.get(value.adjusted(), "")
    if value < 0:
        bound = {">": "<", "<": ">", "": ""}[bound]
    return f"{bound}{mantissa}e{exponent}"


def _normal(value: float) -> bool:
    return math.isfinite(value) and abs(value) >= 2.0**-1022


def count(value: int) -> str:
    """Print a whole number, digits in groups of three from five digits on.

    Examples
    --------
    >>> count(9999), count(1234567).replace(GROUP, "_")
    ('9999', '1_234_567')
    """
    return str(value) if abs(value) < 10_000 else f"{value:,}".replace(",", GROUP)


def ulp(value: float | None) -> str:
    """Print an error in ULP to about three digits; above a half never prints as a half.

    Examples
    --------
    >>> [ulp(x) for x in (0.0, 0.5, 0.5004, 12.34, 999.6, 18000.0, float("inf"))]
    ['0', '0.5', '0.5004', '12.3', '1000', '1.8e+04', 'inf']
    >>> ulp(0.50000001), ulp(3e-9), ulp(None)
    ('> 0.5', '3e-09', '')
    """
    if value is None:
        return ""
    if not math.isfinite(value):
        return repr(value)
    if value >= 100:
        return _rounded(value, 2) if value >= 10_000 else f"{value:.0f}"
    text = f"{value:.3g}"
    if value > 0.5 >= float(text):
        text = f"{value:.5g}"
    return text if value <= 0.5 or float(text) > 0.5 else "> 0.5"


def share(part: int, whole: int) -> str:
    """Print a part of a whole in percent: 100 % only where it is all, 0 % only where it is none.

    Examples
    --------
    >>> share(3, 4), share(9999, 10000), share(10**9 - 1, 10**9), share(1, 10**9), share(2, 2)
    ('75 %', '99.99 %', '> 99.99 %', '< 0.01 %', '100 %')
    >>> share(0, 5), share(0, 0)
    ('0 %', '')
    """
    if whole == 0:
        return ""
    if part in {0, whole}:
        return "100 %" if part else "0 %"
    percent = 100 * part / whole
    if percent < 0.01:
        return "< 0.01 %"
    if percent > 99.99:
        return "> 99.99 %"
    digits = 2 if percent < 0.1 or percent > 99.9 else 1
    return f"{percent:.{digits}f}".rstrip("0").rstrip(".") + " %"


def shape(lengths: Iterable[int]) -> str:
    """Print the shape of an array.

    Examples
    --------
    >>> shape((360, 10)), shape((5,))
    ('360 × 10', '5')
    """
    return " × ".join(count(length) for length in lengths) or "scalar"


def plural(amount: int, one: str, many: str | None = None) -> str:
    """Print an amount with its noun.

    Examples
    --------
    >>> plural(1, "row"), plural(0, "row"), plural(3, "class", "classes")
    ('1 row', '0 rows', '3 classes')
    """
    return f"{count(amount)} {one if amount == 1 else many or one + 's'}"


def files(paths: Iterable[str]) -> str:
    """Name what was read, standard input as all messages do.

    Examples
    --------
    >>> files(["a.csv", "-"])
    'a.csv, <stdin>'
    """
    return ", ".join("<stdin>" if path == "-" else path for path in paths)


def bounds(part: tuple[int | None, int | None]) -> str:
    """Print a slice as the option takes it.

    Examples
    --------
    >>> bounds((-5, None)), bounds((0, 3))
    ('-5:', '0:3')
    """
    return ":".join("" if end is None else str(end) for end in part)
