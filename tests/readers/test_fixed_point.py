from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.readers.digits import places_of
from softmax_tool.readers.fixed_point import fixed_point

BEFORE = b"0" * 16 + b"\n"


def read(cells: list[str]) -> list[float] | None:
    found = fixed_point(BEFORE + ",".join(cells).encode() + b"\n", b",")
    if found is None:
        return None
    assert found[1].tolist() == [False] * (len(cells) - 1) + [True]
    return found[0].tolist()  # type: ignore[no-any-return]


@st.composite
def tables(draw: st.DrawFn) -> list[str]:
    """Numerals with the same number of decimals, and at most 15 digits."""
    decimals = draw(st.integers(1, 14))
    whole = st.text("0123456789", max_size=15 - decimals)
    fraction = st.text("0123456789", min_size=decimals, max_size=decimals)
    cell = st.builds("{}{}.{}".format, st.sampled_from(["", "-", "+"]), whole, fraction)
    return draw(st.lists(cell, min_size=1, max_size=8))


@given(tables())
def test_each_is_rounded_as_python_rounds_it(cells: list[str]) -> None:
    got = read(cells)
    assert got is not None
    for value, cell in zip(got, cells, strict=True):
        assert (value, math.copysign(1, value)) == (float(cell), math.copysign(1, float(cell)))


@pytest.mark.parametrize("decimals", range(1, 15))
def test_the_most_digits(decimals: int) -> None:
    digits = "987654321987654"
    cells = [f"-{digits[: 15 - decimals]}.{digits[15 - decimals :]}", f".{'1' * decimals}"]
    assert read(cells) == list(map(float, cells))


@pytest.mark.parametrize(
    "cell",
    ["1.25", "1", "1.", "15", ".", "", "-", "a.5", "1.a", "--.5", "1-.5", "1.-", "1..5", "1.5.5",
     "1e.5", "nan", "inf", " .5", "1 .5", "1.5 ", '1".5', "#.5", "1\n.5", "١.5", "1_0.5",
     "1234567890123456.5"],
)  # fmt: skip
def test_whatever_else_stands_in_a_cell(cell: str) -> None:
    for cells in ([cell, "2.5", "-3.5"], ["2.5", "-13.5", cell], ["2.5", cell, "+.5"]):
        assert read(cells) is None


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_places(mask: list[bool]) -> None:
    expected = [place for place, marked in enumerate(mask) if marked]
    assert places_of(np.array(mask)).tolist() == expected


@given(st.lists(st.integers(7, 20), min_size=1, max_size=20))
def test_places_far_apart(gaps: list[int]) -> None:
    expected = np.cumsum(gaps)
    mask = np.zeros(expected[-1] + 1, bool)
    mask[expected] = True
    assert places_of(mask).tolist() == expected.tolist()
