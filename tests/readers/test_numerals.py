from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.readers import numerals

if TYPE_CHECKING:
    from collections.abc import Sequence

PLAIN = ["1.5"] * 32  # beside so many, one that is not settled is read by itself


def written(cells: Sequence[str], delimiter: str = ",") -> list[float]:
    """Read a line of cells, which must be taken."""
    found = numerals.table(delimiter.join(cells).encode(), delimiter.encode(), len(cells))
    assert found is not None
    assert found.shape == (1, len(cells))
    values: list[float] = found[0].tolist()
    return values


def same(got: float, expected: float) -> bool:
    return (math.isnan(got) and math.isnan(expected)) or (
        math.copysign(1, got) == math.copysign(1, expected) and got == expected
    )


DIGITS = st.text("0123456789", max_size=22)
NUMERALS = st.builds(
    "{}{}.{}{}".format,
    st.sampled_from(["", "-", "+"]),
    DIGITS,
    DIGITS,
    st.just("")
    | st.integers(-400, 400).map("e{}".format)
    | st.integers(-9, 9).map("E{:+03}".format),
).filter(numerals.is_number)


@given(st.lists(NUMERALS | st.floats().map(repr), min_size=1, max_size=8))
def test_each_numeral_is_rounded_as_python_rounds_it(cells: list[str]) -> None:
    got = written([*cells, *PLAIN * len(cells)])
    for value, cell in zip(got, cells, strict=False):
        assert same(value, float(cell)), cell


@pytest.mark.parametrize("format_", ["{:.6f}", "{:.9g}", "{:.17g}", "{:.18e}", "{!r}", "{:.0f}"])
def test_whole_tables_of_one_form(format_: str) -> None:
    random = np.random.default_rng(5)
    values = random.standard_normal((50, 40)) * 10.0 ** random.integers(0, 5, (50, 40))
    lines = [[format_.format(value) for value in row] for row in values.tolist()]
    text = "\n".join(map(",".join, lines)).encode()
    got = numerals.table(text, b",", 40)
    assert got is not None
    assert got.tolist() == [[float(cell) for cell in line] for line in lines]


MOST = 10**19


def ties() -> list[tuple[int, int]]:
    """M and d of numbers M / 10^d half-way between two of float64, with M of 19 digits at most."""
    random = np.random.default_rng(6)
    found = []
    for exponent in range(-3, 7):
        for odd in random.integers(2**52, 2**53, 20).tolist():
            tie = Fraction(2 * odd + 1) * Fraction(2) ** exponent
            decimals = max(0, -exponent)
            mantissa = tie * 10**decimals
            assert mantissa.denominator == 1
            if mantissa < MOST:
                found.append((mantissa.numerator, decimals))
    return found


@pytest.mark.parametrize("off", [-1, 0, 1])
def test_what_lies_half_way_or_nearly(off: int) -> None:
    cells, expected = [], []
    for mantissa, decimals in ties():
        while mantissa * 10 < MOST:  # so that it is as near as it can be
            mantissa, decimals = mantissa * 10, decimals + 1  # noqa: PLW2901
        digits = f"{mantissa + off:0{decimals + 1}}"
        cells.append(f"{digits[: len(digits) - decimals]}.{digits[len(digits) - decimals :]}")
        expected.append((mantissa + off) / 10**decimals)  # of integers: rounded once, ties to even
    assert len(cells) > 150
    padding = [f"{place}.25" for place in range(len(cells) * 20)]  # ties are read one by one
    assert written([*cells, *padding])[: len(cells)] == expected


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "NaN", "1e400", "-1e-400", "0" * 40, "1e23"])
def test_few_that_are_not_settled_at_once(cell: str) -> None:
    assert same(written([*PLAIN, cell])[-1], float(cell))


@pytest.mark.parametrize(
    "cell",
    ["", ".", "-", "+.", "1.2.3", "1e", "1e+", "e5", "1e5.0", "1e5e5", "--1", "1-", "1e--5", "1_0",
     "0x1p3", "1,", " 1", "1 ", "a", "١", '"1"', "#", "1#", "1\t", "infinite", "na"],
)  # fmt: skip
def test_what_is_no_numeral_needs_a_closer_look(cell: str) -> None:
    for cells in ([*PLAIN, cell], [cell, *PLAIN], [*PLAIN, "-inf", cell, "2"]):
        assert numerals.table(",".join(cells).encode(), b",", len(cells)) is None


@pytest.mark.parametrize(
    "text",
    ["", "\n", "1,2\n3\n", "1\n2,3\n", "1,2\n\n3,4\n", "1,2,\n", "1,2\n3,4,5,6\n", "1,2;3\n"],
)
def test_lines_must_have_the_same_cells(text: str) -> None:
    assert numerals.table(text.encode(), b",", 2) is None


def test_many_that_are_not_settled_are_left_to_another_way() -> None:
    assert numerals.table(b"nan,nan\n1.5,nan\n", b",", 2) is None


@given(
    st.lists(st.lists(NUMERALS, min_size=3, max_size=3), min_size=1, max_size=9), st.integers(1, 60)
)
def test_pieces_change_nothing(table: list[list[str]], size: int) -> None:
    text = "".join(";".join(row) + "\n" for row in table).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numerals, "_FEW", 1)
        whole = numerals.table(text, b";", 3)
        patch.setattr(numerals, "_PIECE_BYTES", size)
        pieces = numerals.table(text, b";", 3)
    assert whole is not None
    assert pieces is not None
    assert pieces.tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "1",
            "-inf",
            "NaN",
            "1,5",
            "0x10",
            "-0x1.8p3",
            "1,000",
            "1.000,5",
            "1_0",
            "1'000",
            "1 000",
        ),
        *(
            "\u221290000",
            "\u20131",
            "\uff11",
            "\u0661",
            "\uff0b1.5",
            "\u221e",
            "-\u221e",
            "1.5D+03",
        ),
        *("0.5f", "5%", "+ 3", ".5", "5.", "1e5"),
    ],
)
def test_what_was_perhaps_meant_for_a_number(cell: str) -> None:
    assert numerals.looks_like_number(cell)


@pytest.mark.parametrize(
    "cell",
    ["", "a", "x1", "class 1", "2D", "1st", "3O", "-", "+", ".", "e5", "n/a", "C#", "0x", "info"],
)
def test_words(cell: str) -> None:
    assert not numerals.looks_like_number(cell)
