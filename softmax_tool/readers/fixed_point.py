"""Text to float64 where all numerals have the same number of decimals, as most tables are written.

The point then stands at the same distance from the end of each, and is taken out of all at once:
what is left are the digits of an integer M, and the number is M / 10^decimals. With at most 15
digits both are float64 numbers, so that the quotient is rounded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.readers.digits import LAST, WORD, integer_of, places_of, words_before

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.readers.digits import Mask, Places, Words

    Floats = NDArray[np.float64]

_LINE_END, _POINT, _PLUS, _MINUS = b"\n.+-"
_MOST_DIGITS = 2 * WORD - 1  # two words without the point
_FIRST_BYTES = 256  # where it shows soon that cells differ
_ONE_CHARACTER = np.uint64(8)


def fixed_point(padded: bytes, delimiter: bytes) -> tuple[Floats, Mask] | None:
    """Read cells, each of which ends in a delimiter or a line end.

    Parameters
    ----------
    padded : bytes
        The cells, behind 16 digits or more and a line end.
    delimiter : bytes
        The one character that is between two cells of a line.

    Returns
    -------
    tuple or None
        The numbers, and whether each is the last of its line. None where not all cells are
        numerals of at most 15 digits with the same number of decimals.
    """
    decimals = _decimals_of_first(padded, delimiter)
    if not 0 < decimals < _MOST_DIGITS:
        return None
    characters = np.frombuffer(padded, np.uint8)
    borders = places_of((characters == _LINE_END) | (characters == ord(delimiter)))
    starts, ends = borders[:-1] + 1, borders[1:]
    if not (characters.take(ends - (decimals + 1)) == _POINT).all():
        return None
    sign = characters.take(starts)
    negative = sign == _MINUS
    signed = negative | (sign == _PLUS)
    digits = ends - starts
    digits -= signed
    digits -= 1
    most = int(digits.max())
    if int(digits.min()) < decimals or most > _MOST_DIGITS:
        return None
    # Besides the digits there is nothing but signs, points and borders.
    beside = int(np.count_nonzero(signed)) + len(ends) + len(borders)
    if np.count_nonzero(characters - np.uint8(ord("0")) < 10) + beside < len(characters):
        return None
    integers = _digits_before(characters, ends, decimals, digits)
    if most > WORD:
        higher = _digits_before(characters, ends - WORD, decimals - WORD, digits - WORD)
        integers += higher * np.uint64(10**WORD)
    values = integers.view(np.int64).astype(np.float64)
    values /= 10.0**decimals
    values *= 1.0 - 2.0 * negative
    return values, characters.take(ends) == _LINE_END


def _decimals_of_first(padded: bytes, delimiter: bytes) -> int:
    """How many decimals each of the first cells has, or 0 where they differ."""
    start = padded.find(b"\n") + 1
    cells = padded[start : start + _FIRST_BYTES].replace(b"\n", delimiter).split(delimiter)[:-1]
    decimals = {len(cell.rpartition(b".")[2]) for cell in cells}
    return decimals.pop() if len(decimals) == 1 else 0


def _digits_before(
    characters: NDArray[np.uint8], ends: Places, decimals: int, digits: Places
) -> Words:
    """The integers of the last digits before each place, eight of them at most.

    The first of the last `decimals + 1` characters is the point.
    """
    word = words_before(characters, ends)
    fraction = LAST[min(max(decimals, 0), WORD)]
    # What is before the point moves on to where that was, and one more character comes in.
    moved = word << _ONE_CHARACTER
    moved |= characters.take(ends - (WORD + 1))
    moved &= ~fraction
    word &= fraction
    word |= moved
    word &= LAST.take(digits, mode="clip")
    return integer_of(word)
