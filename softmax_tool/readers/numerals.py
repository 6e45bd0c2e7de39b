"""Text to float64, all numerals of a text together, each correctly rounded.

A numeral of at most 19 digits is M·10^k. Its integer M is put together from words of eight digits;
where all have the same number of decimals, in one go (`fixed_point`).
Where M ≤ 2^53 and |k| ≤ 22, both M and 10^|k| are float64 numbers, and one product or quotient
rounds once, hence correctly (W. D. Clinger, How to read floating point numbers accurately, PLDI
1990). Longer quotients are taken to twice the precision, which nearly always settles the rounding.
What remains, and infinities and NaNs, is read one by one by Python's own `float`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.frozen import frozen
from softmax_tool.readers.digits import LAST, WORD, integer_of, words_before
from softmax_tool.readers.fixed_point import fixed_point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.readers.digits import Mask, Places, Words
    from softmax_tool.readers.fixed_point import Floats

_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
# What people and other programs write for numbers: other separators, bases, suffixes, ∞.
_LIKE_A_NUMBER = re.compile(
    r"[+-]?\s*(?:"
    r"0x[0-9a-f.]+(?:p[+-]?[0-9]+)?"
    r"|[.,]?[0-9][0-9.,_'\u2019\s]*(?:[edq][+-]?[0-9]+)?[f%]?"
    r"|\u221e)",
    re.IGNORECASE,
)
_DASHES = dict.fromkeys((0x2212, *range(0x2010, 0x2016)), "-")
_LINE_END, _POINT, _PLUS, _MINUS, _MARK = b"\n.+-e"
_LOWER_CASE = 0x20
_MOST_DIGITS = 19  # so many always fit into 64 bits
_LONGEST_EXPONENT = 4
_WORDS = 3  # that hold the digits
_BEFORE = b"0" * (_WORDS * WORD - 1) + b"\n"  # in front of a text: words end at any of its digits
_LARGEST_POWER = 22
_POWERS = np.array([10.0**k for k in range(_LARGEST_POWER + 1)])  # all of them exact
_INTEGER_POWERS = np.array([10**k for k in range(20)], np.uint64)
_LARGEST_EXACT = np.uint64(1 << 53)
_PIECE_BYTES = 1 << 18  # with all that is made of it, this stays in a core's own cache
# Beyond one in so many that are read one by one, another way is faster.
_FEW = 16


def is_number(cell: str) -> bool:
    """Whether a cell is a number as this reader understands it: no `1_0`, no `0x1p3`.

    >>> is_number("+1e5"), is_number("-Infinity"), is_number("1_0")
    (True, True, False)
    """
    return _NUMBER.fullmatch(cell) is not None


def in_plain_characters(cell: str) -> str:
    """A cell with the digits, signs and letters of ASCII in place of their other forms.

    >>> in_plain_characters("\u22121\uff0e5")
    '-1.5'
    """
    normal = unicodedata.normalize("NFKC", cell).translate(_DASHES)
    return "".join(str(unicodedata.decimal(each, each)) for each in normal)


def looks_like_number(cell: str) -> bool:
    """Whether a cell is a number, or was perhaps meant for one.

    >>> looks_like_number("1,5"), looks_like_number("0x10"), looks_like_number("\u22121")
    (True, True, True)
    >>> looks_like_number("class 1"), looks_like_number("2D"), looks_like_number("")
    (False, False, False)
    """
    plain = in_plain_characters(cell)
    return is_number(plain) or _LIKE_A_NUMBER.fullmatch(plain) is not None


def table(text: bytes, delimiter: bytes, columns: int) -> Floats | None:
    """Read whole lines of `columns` numerals, with single delimiters between them.

    Returns shape (rows, columns), or None where the text is anything else, or where too many
    numerals would have to be read one by one.

    >>> table(b"1.5,-2\\n1e-3,07.\\n", b",", 2).tolist()
    [[1.5, -2.0], [0.001, 7.0]]
    >>> table(b"1.5, -2\\n", b",", 2) is None
    True
    """
    values: list[Floats] = []
    at_line_end: list[Mask] = []
    for piece in _pieces(text, delimiter):
        found = fixed_point(piece, delimiter) or _numbers(piece, delimiter)
        if found is None:
            return None
        values.append(found[0])
        at_line_end.append(found[1])
    if not values:
        return None
    ends = np.concatenate(at_line_end)
    if len(ends) % columns:
        return None
    ends = ends.reshape(-1, columns)
    if ends[:, :-1].any() or not ends[:, -1].all():
        return None
    whole = values[0] if len(values) == 1 else np.concatenate(values)
    return whole.reshape(-1, columns)


def _numbers(piece: bytes, delimiter: bytes) -> tuple[Floats, Mask] | None:
    """The numbers of all cells of a piece, and whether each is the last of its line."""
    cells = _cells(piece, delimiter)
    numbers = None if cells is None else cells.numbers()
    if cells is None or numbers is None:
        return None
    return numbers, cells.characters[cells.ends] == _LINE_END


def _pieces(text: bytes, delimiter: bytes) -> Iterator[bytes]:
    """Cut a text behind ends of cells, into pieces that fit the cache."""
    start = 0
    while start < len(text):
        stop = start + _PIECE_BYTES
        if stop < len(text):
            cut = max(text.rfind(delimiter, start, stop), text.rfind(b"\n", start, stop)) + 1
            stop = cut or len(text)  # a cell of that length is none
        end = b"" if stop < len(text) or text.endswith(b"\n") else b"\n"
        yield b"".join((_BEFORE, text[start:stop], end))
        start = stop


@frozen
class _Cells:
    """Where the cells of a text start and end, and where the point and the exponent of each are.

    A cell without a point has it where its digits end, one without an exponent at its end. One is
    strange that holds more than digits, a point, an exponent, and signs where they belong.
    """

    characters: NDArray[np.uint8]
    starts: Places
    ends: Places
    points: Places
    exponents: Places
    strange: Mask

    def numbers(self) -> Floats | None:
        """The numbers of all cells; None where one is none, or too many are not settled here."""
        values, settled = self._values()
        unsettled = np.flatnonzero(~settled)
        if len(unsettled) > len(values) // _FEW:
            return None
        for place in unsettled.tolist():
            cell = self._text(place)
            if not is_number(cell):
                return None
            values[place] = float(cell)
        return values

    def _text(self, place: int) -> str:
        """The characters of a cell."""
        part = self.characters[self.starts[place] : self.ends[place]]
        return part.tobytes().decode("latin-1")

    def _values(self) -> tuple[Floats, Mask]:
        """The numbers, and which of them are settled."""
        first = self.characters[self.starts]
        negative = first == _MINUS
        whole = self.points - self.starts - (negative | (first == _PLUS))
        fraction = np.maximum(self.exponents - self.points - 1, 0)
        digits = whole + fraction
        settled = (digits > 0) & (digits <= _MOST_DIGITS) & (self.points <= self.exponents)
        settled &= ~self.strange
        mantissa = self._integers(self.points, whole)
        mantissa *= _INTEGER_POWERS.take(fraction, mode="clip")
        mantissa += self._integers(self.exponents, fraction)
        if self.exponents is self.ends:
            values, exact = _quotients(mantissa, _POWERS.take(fraction, mode="clip"))
        else:
            written, readable = self._exponents()
            settled &= readable
            values, exact = _scaled(mantissa, written - fraction)
        values *= 1.0 - 2.0 * negative
        return values, settled & exact

    def _exponents(self) -> tuple[Places, Mask]:
        marked = self.exponents < self.ends
        first = self.characters[self.exponents + marked]  # or the end of the cell, which is no sign
        negative = first == _MINUS
        length = self.ends - self.exponents - marked - (negative | (first == _PLUS))
        value = self._integers(self.ends, length).astype(np.int64)
        value *= 1 - 2 * negative
        return value, ~marked | ((length > 0) & (length <= _LONGEST_EXPONENT))

    def _integers(self, ends: Places, lengths: Places) -> Words:
        """The integers of `lengths` digits before `ends`; anything where they are too many."""
        total = self._word(ends, lengths)
        for done in range(WORD, min(int(lengths.max()), len(_BEFORE)), WORD):
            total += self._word(ends - done, lengths - done) * _INTEGER_POWERS[done]
        return total

    def _word(self, ends: Places, lengths: Places) -> Words:
        """The integers of the digits before `ends`, at most eight."""
        word = words_before(self.characters, ends)
        word &= LAST.take(lengths, mode="clip")
        return integer_of(word)


def _cells(padded: bytes, delimiter: bytes) -> _Cells | None:
    """Find the cells of a text; None where one has two points or two exponents."""
    characters = np.frombuffer(padded, np.uint8)
    is_border = (characters == _LINE_END) | (characters == ord(delimiter))
    is_point = characters == _POINT
    is_mark = (characters | _LOWER_CASE) == _MARK
    special = np.flatnonzero(is_border | is_point)
    borders, points = special[::2], special[1::2]
    if not (len(special) % 2 and is_border[borders].all() and is_point[points].all()):
        # Not every cell has a point.
        borders, points = special[is_border[special]], special[is_point[special]]
    starts, ends = borders[:-1] + 1, borders[1:]
    marks = np.flatnonzero(is_mark) if is_mark.any() else special[:0]
    exponents = _in_cells(marks, ends, ends)
    points_or_ends = None if exponents is None else _in_cells(points, ends, exponents)
    if exponents is None or points_or_ends is None:
        return None
    known = is_border | is_point | is_mark | (characters - np.uint8(ord("0")) < 10)
    strange = _strange(characters, known, starts, ends, marks)
    return _Cells(characters, starts, ends, points_or_ends, exponents, strange)


def _strange(
    characters: NDArray[np.uint8], known: Mask, starts: Places, ends: Places, marks: Places
) -> Mask:
    """The cells with characters that are not known and are no signs where a sign may be."""
    strange = np.zeros(len(ends), bool)
    places = np.concatenate([starts, marks + 1]) if len(marks) else starts
    first = characters[places]
    signs = (first == _MINUS) | (first == _PLUS)
    if np.count_nonzero(known) + np.count_nonzero(signs) < len(known):
        known[places[signs]] = True
        strange[np.searchsorted(ends, np.flatnonzero(~known))] = True
    return strange


def _in_cells(places: Places, ends: Places, otherwise: Places) -> Places | None:
    """Spread places over the cells they are in; None where two are in the same."""
    if not len(places):
        return otherwise
    if len(places) == len(ends) and (ends[:-1] < places[1:]).all() and (places < ends).all():
        return places  # the rule: each cell has one
    cells = np.searchsorted(ends, places)
    if (cells[1:] == cells[:-1]).any():
        return None
    found = otherwise.copy()
    found[cells] = places
    return found


def _scaled(mantissa: Words, powers: Places) -> tuple[Floats, Mask]:
    """M·10^k, and where that is known to be rounded correctly."""
    within = np.clip(powers, -_LARGEST_POWER, _LARGEST_POWER)
    values, settled = _quotients(mantissa, _POWERS.take(-within, mode="clip"))
    up = within > 0
    values[up] *= _POWERS[within[up]]
    return values, settled & (within == powers) & ~(up & (mantissa > _LARGEST_EXACT))


def _quotients(mantissa: Words, divisor: Floats) -> tuple[Floats, Mask]:
    """M / divisor, and where that is known to be rounded correctly."""
    high = mantissa.astype(np.float64)
    long = mantissa > _LARGEST_EXACT
    if not long.any():
        return high / divisor, ~long
    low = (mantissa - high.astype(np.uint64)).view(np.int64).astype(np.float64)
    values, sure = _long_quotients(high, low, divisor)
    return np.where(long, values, high / divisor), sure | ~long


def _long_quotients(high: Floats, low: Floats, divisor: Floats) -> tuple[Floats, Mask]:
    """(high + low) / divisor, and where it is known to be rounded correctly.

    The quotient is q + c with q = fl(high / divisor) and c = (high − q·divisor + low) / divisor.
    The remainder high − q·divisor is a float64 number; so c is rounded twice, and off by less than
    2^-50 of itself. Where both ends of that interval lead to the same sum, so does c.
    """
    quotient = high / divisor
    product, error = _product(quotient, divisor)
    correction = ((high - product) - error + low) / divisor
    lowest = quotient + correction * (1 - 2.0**-50)
    return lowest, lowest == quotient + correction * (1 + 2.0**-50)


def _product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a·b as the sum of two numbers, exactly.

    T. J. Dekker, A floating-point technique for extending the available precision, Numer. Math. 18,
    1971, section 5.
    """
    a_high, b_high = _upper_half(a), _upper_half(b)
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _upper_half(a: Floats) -> Floats:
    scaled = a * (2.0**27 + 1)
    return scaled - (scaled - a)
