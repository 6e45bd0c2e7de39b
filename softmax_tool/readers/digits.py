"""Digits in text, eight at a time, by whole-array operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Words = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

WORD = 8  # digits that are put together at once, one in each byte of 64 bits

LAST = np.array(
    [sum(0x0F << (64 - 8 * place) for place in range(1, count + 1)) for count in range(WORD + 1)],
    np.uint64,
)
"""The digit in each of the last bytes of a word: of none, one … eight."""

# Of eight characters, of which the highest bit is the first: the place of the first marked one.
_FIRST_MARKED = np.array([WORD - mask.bit_length() for mask in range(256)])


def places_of(mask: Mask) -> Places:
    """The indices of what is true; quick where no eight neighbours hold two."""
    packed = np.packbits(mask)
    eighths = np.flatnonzero(packed.astype(bool))
    if len(eighths) < np.count_nonzero(mask):
        return np.flatnonzero(mask)
    places = _FIRST_MARKED.take(packed.take(eighths))
    eighths *= WORD
    places += eighths
    return places


def words_before(characters: NDArray[np.uint8], ends: Places) -> Words:
    """The word that ends before each place."""
    starts = (len(characters) - WORD + 1,)
    words = np.ndarray(starts, "V8", characters, 0, (1,))
    return words[ends - WORD].view("<u8")


def integer_of(word: Words) -> Words:
    """The integer that the digits of each word spell, which it replaces; the first is lowest.

    Bytes that are no digits are 0. Neighbours join: eight numbers of one digit, four of two, two of
    four, one of eight.
    """
    for bits, power, mask in (
        (8, 10, 0x00FF00FF00FF00FF),
        (16, 100, 0x0000FFFF0000FFFF),
        (32, 10_000, 0x00000000FFFFFFFF),
    ):
        word *= np.uint64((power << bits) + 1)
        word >>= np.uint64(bits)
        word &= np.uint64(mask)
    return word
