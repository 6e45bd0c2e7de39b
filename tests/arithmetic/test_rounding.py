"""Rounding into formats against NumPy's casts and the oracle's integers, on every boundary."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.formats import FLOAT16, FLOAT32, FLOAT64, FORMATS, FloatFormat
from tests.arithmetic.test_elementwise import OTHERS
from tests.oracle import oracle

if TYPE_CHECKING:
    from numpy.typing import NDArray

# float16's parameters in a wider storage: nothing is left to a cast.
QUANTISED = replace(FLOAT16, name="float16 by hand", storage=np.dtype(np.float32))
EVERY = {**FORMATS, **OTHERS}


def boundaries(wide: Any) -> NDArray[Any]:
    """Every float16, every midpoint, and the neighbours of both, of both signs."""
    values = np.arange(0x7C01, dtype=np.uint16).view(np.float16).astype(wide)
    values[-1] = 65536  # where the next number would be
    points = np.concatenate([values, (values[:-1] + values[1:]) / 2])
    around = [points, np.nextafter(points, wide(np.inf)), np.nextafter(points, wide(-np.inf))]
    whole = np.concatenate([*around, np.array([1e5, np.inf, np.nan, 1e30], wide)])
    return np.concatenate([whole, -whole])


@pytest.mark.parametrize("wide", [np.float32, np.float64])
@pytest.mark.parametrize("target", [FLOAT16, QUANTISED], ids=["float16", "by-hand"])
def test_float16_boundaries_round_as_numpy_s_cast(target: FloatFormat, wide: Any) -> None:
    x = boundaries(wide)
    before = x.copy()
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16).astype(np.float32)
    got = target.round(x)
    assert got.dtype == np.float32
    same = (got.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(got) & np.isnan(expected))
    assert x[~same].tolist() == []
    assert np.array_equal(x, before, equal_nan=True)


def test_the_quantiser_is_not_the_cast() -> None:
    assert not QUANTISED.is_native
    assert FLOAT16.is_native


@pytest.mark.parametrize("name", list(OTHERS))
@given(x=st.floats(allow_nan=False, width=64))
def test_other_formats_round_as_the_oracle(name: str, x: float) -> None:
    for value in (x, x / 2.0**1000 * 2.0**100, float(np.float32(np.clip(x, -3e38, 3e38)))):
        got = OTHERS[name].round(np.array([value]))[0]
        expected = oracle.round_float(oracle.FORMATS[name], value)
        assert got == expected or (np.isnan(got) and np.isnan(expected)), value


@pytest.mark.parametrize("name", list(EVERY))
@given(
    numerator=st.integers(-(2**80), 2**80),
    denominator=st.integers(1, 2**80),
    power=st.integers(-200, 200),
)
def test_a_rational_number_is_rounded_once(
    name: str, numerator: int, denominator: int, power: int
) -> None:
    value = Fraction(numerator, denominator) * Fraction(2) ** power
    got = EVERY[name].round_exactly(value)
    expected = oracle.round_fraction(oracle.FORMATS[name], value)
    assert got == expected or (np.isnan(got) and np.isnan(expected))


def test_a_number_just_off_a_tie_is_not_a_tie() -> None:
    for target in (FLOAT16, FLOAT32, FLOAT64):
        tie = 1 + Fraction(target.unit_roundoff)
        above = 1 + 2 * target.unit_roundoff
        assert target.round_exactly(tie) == 1
        assert target.round_exactly(tie + Fraction(1, 10**400)) == above
        assert target.round_exactly(Fraction(target.smallest_subnormal) / 2) == 0
        assert target.round_exactly(target.overflow_threshold) == np.inf


def test_ordinals_count_the_numbers_of_a_format() -> None:
    every = np.arange(0x7C00, dtype=np.uint16).view(np.float16)
    assert [FLOAT16.value_at(k) for k in range(0x7C00)] == every.tolist()
    assert [FLOAT16.value_at(-k) for k in range(0x7C00)] == (-every).tolist()
    assert [FLOAT16.ordinal_of(x) for x in every.tolist()] == list(range(0x7C00))
    assert [FLOAT16.ordinal_of(-x) for x in every.tolist()] == list(range(0, -0x7C00, -1))
    for target in EVERY.values():
        last = target.ordinal_of(target.max_finite)
        assert target.value_at(last) == target.max_finite
        assert target.ordinal_of(np.nextafter(target.value_at(last - 1), 0)) == last - 2
        assert target.value_at(1) == target.smallest_subnormal
