from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.readers.shown import counted, listed, quoted, visible


@given(st.text())
def test_visible_text_is_one_printable_line(text: str) -> None:
    assert visible(text).isprintable()


def test_plain_text_stays() -> None:
    assert visible("logits – école 1.csv") == "logits – école 1.csv"


def test_bidi_controls_and_undecodable_bytes_are_escaped() -> None:
    assert visible("a\u202eb\x1b\u200b\udc80\n") == "a\\u202eb\\x1b\\u200b\\udc80\\n"


def test_long_text_is_cut() -> None:
    assert quoted("x" * 41) == "'" + "x" * 40 + "…' (41 characters)"
    assert quoted("x" * 40) == "'" + "x" * 40 + "'"


def test_long_lists_are_cut() -> None:
    assert listed([str(each) for each in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


def test_counts_agree_with_nouns() -> None:
    assert [counted(count, "row") for count in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
