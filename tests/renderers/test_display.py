from __future__ import annotations

import math
import unicodedata
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from softmax_tool.renderers import display

finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(min_value=0, max_value=10**30)


def value_of(text: str) -> Decimal:
    return Decimal(text)


@given(finite)
def test_nonzero_is_never_0_and_finite_never_inf(value: float) -> None:
    text = display.number(value)
    assert math.isfinite(float(text))
    assert (value_of(text) == 0) == (value == 0)
    assert math.copysign(1, float(text)) == math.copysign(1, value)


@given(finite, st.integers(min_value=1, max_value=17))
def test_numbers_are_right_to_their_digits(value: float, digits: int) -> None:
    assume(value != 0)
    printed, true = value_of(display.number(value, digits)), Decimal(value)
    assert abs(printed - true) <= abs(true) * Decimal(10) ** (1 - digits)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_too(value: Decimal) -> None:
    text = display.number(value)
    assert (value_of(text) == 0) == (value == 0)
    assert text not in {"inf", "-inf"} or abs(value) > Decimal("1.7e308")


@given(st.integers(min_value=-65504, max_value=65504).map(lambda n: n / 1024))
def test_short_numbers_are_exact(value: float) -> None:
    half = float(np.float16(value))
    text = display.number(half)
    digits = sum(map(str.isdigit, repr(half).removesuffix(".0").lstrip("-0.")))
    if "e" not in repr(half) and digits <= display.SHORT:
        assert float(text) == half


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_an_ulp_error_is_never_0_nor_inf_nor_falsely_a_half(value: float) -> None:
    text = display.ulp(value)
    if text.startswith("> "):
        assert value > float(text[2:])
        return
    assert 0 < float(text) < math.inf
    assert value <= 0.5 or float(text) > 0.5


@given(counts, counts)
def test_percent_is_100_only_for_all_and_0_only_for_none(part: int, rest: int) -> None:
    whole = part + rest
    assume(whole > 0)
    text = display.share(part, whole)
    assert (text == "100 %") == (rest == 0)
    assert (text == "0 %") == (part == 0)


@given(counts)
def test_counts_keep_every_digit(amount: int) -> None:
    assert int(display.count(amount).replace(display.GROUP, "")) == amount


@given(st.text())
def test_names_show_every_character(name: str) -> None:
    shown = display.visible(name)
    assert all(
        unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for letter in shown
    )
    assert display.plain(shown, ascii_only=True).isascii()


def test_ordinary_names_are_left_alone() -> None:
    for name in ("logits.npy", "größe.csv", "日本.npz", "a b"):
        assert display.visible(name) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float16(11.09375), "11.09375"),
        (np.float32(43.28), "43.28"),
        (65504.0, "65504"),
        (1e6, "1000000"),
        (2.0**-24, "5.96046e-08"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (Decimal("NaN"), "nan"),
        (Decimal("Infinity"), "inf"),
        (Decimal("-2.4551387E-437"), "-2.45514e-437"),
        (Decimal("1E-400"), "1e-400"),
        (Decimal("0.25"), "0.25"),
        (Decimal("1E+400"), "1e+400"),
    ],
)
def test_numbers(value: float | Decimal, text: str) -> None:
    assert display.number(value) == text


def test_every_sign_has_an_ascii_form() -> None:
    assert all(text.isascii() for text in display.ASCII_FOR.values())
