"""How foreign text (file names, cells) appears in a message: one line, nothing invisible, cut."""

from __future__ import annotations

import unicodedata

LONGEST_SHOWN = 40


def visible(text: str) -> str:
    r"""Foreign text with every control, bidi and other invisible character escaped.

    >>> visible("a\tb\u202ec")
    'a\\tb\\u202ec'
    """
    return "".join(
        character if _is_visible(character) else _escaped(character) for character in text
    )


def quoted(text: str) -> str:
    """Foreign text in quotes, escaped, and cut to what fits in a message.

    >>> quoted("1_0")
    "'1_0'"
    """
    return _cut(text, "'")


def shortened(text: str) -> str:
    """Foreign text without quotes, escaped, and cut to what fits in a message.

    >>> shortened("1e400")
    '1e400'
    """
    return _cut(text, "")


def _cut(text: str, quote: str) -> str:
    shown = visible(text[:LONGEST_SHOWN])
    if len(text) <= LONGEST_SHOWN:
        return f"{quote}{shown}{quote}"
    return f"{quote}{shown}…{quote} ({len(text)} characters)"


def listed(names: list[str], most: int = 8) -> str:
    """Names for a message, the first few of them.

    >>> listed(["a", "b"])
    'a, b'
    """
    shown = ", ".join(visible(name[:LONGEST_SHOWN]) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "class", "classes"), counted(3, "row")
    ('1 class', '3 rows')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def _is_visible(character: str) -> bool:
    # Categories C* are controls, formats (bidi overrides), surrogates (undecodable bytes of a
    # file name); Z* are separators, of which only the plain space shows as what it is.
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
