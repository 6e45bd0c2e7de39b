"""Ties: all of them count, though only the first few are named."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.renderers import json as as_json
from softmax_tool.renderers import markdown


def told(row: list[float], dtype: str = "single") -> str:
    stream = io.StringIO()
    markdown.render(st.explain([row], dtype=dtype), stream)
    [line] = [x for x in stream.getvalue().splitlines() if x.startswith("- argmax: ")]
    return line.removeprefix("- argmax: ")


@pytest.mark.parametrize("count", [9, 100, 4096])
def test_ties_are_counted(count: int) -> None:
    more = count - 8
    assert told([1.5] * count).startswith(
        f"the {count} classes 0, 1, 2, 3, 4, 5, 6, 7 and {more} more before softmax and after it"
    )
    stream = io.StringIO()
    as_json.render(st.explain([[1.5] * count]), stream)
    argmax = json.loads(stream.getvalue())["argmax"]
    assert argmax["read"] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert argmax["counts"] == {"read": count, "rounded": count, "naive": count, "shifted": count}
    assert argmax["kept"] is True


def test_few_ties_are_named_all() -> None:
    assert told([0.0] * 8).startswith("the 8 classes 0, 1, 2, 3, 4, 5, 6 and 7 before softmax and")
    assert told([1.0, 0.0]).startswith("class 0 before softmax and")


def test_a_tie_that_is_made_behind_the_named_ones_is_seen() -> None:
    """Between 2048 and 4096 float16 holds even numbers only: the last class ties once rounded."""
    row = [2049.0] * 9 + [2048.0]
    argmax = st.explain([row], dtype="half").argmax
    assert argmax.read == argmax.rounded
    assert (argmax.counts["read"], argmax.counts["rounded"]) == (9, 10)
    assert not argmax.kept
    assert told(row, "half").startswith(
        "the 9 classes 0, 1, 2, 3, 4, 5, 6, 7 and 1 more as read, the 10 classes 0, 1, 2, 3, 4, 5, "
        "6, 7 and 2 more in float16; after naive softmax no class, shifted softmax the 10 classes"
    )


def test_as_many_ties_that_are_others_are_not_the_same() -> None:
    # Read: 2**24 + 1 in the even classes. Rounded to float32 it ties with 2**24 in the odd ones.
    row = np.where(np.arange(20) % 2, 2.0**24, 2.0**24 + 1)
    argmax = st.explain([row], dtype="single").argmax
    assert argmax.counts["read"] == 10
    assert argmax.counts["rounded"] == 20
    assert not argmax.kept
