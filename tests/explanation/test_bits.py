from __future__ import annotations

import io
import struct
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool import explain
from softmax_tool.explanation.bits import pattern
from softmax_tool.formats import FLOAT16, FLOAT32, FLOAT64, FloatFormat
from softmax_tool.renderers import table

CODES = {"float16": ("e", "H", 5), "float32": ("f", "I", 8), "float64": ("d", "Q", 11)}
# OCP 8-bit formats, whose fields differ from those of IEEE: no infinity in the first.
E4M3FN = FloatFormat("float8_e4m3fn", 4, -6, 8, 448.0, False, np.dtype(np.float32))
E5M2 = FloatFormat("float8_e5m2", 3, -14, 15, 57344.0, True, np.dtype(np.float32))


def machine_bits(value: float, target: FloatFormat) -> str:
    """Give the bits that the machine stores, cut into the three fields."""
    code, whole, exponent = CODES[target.name]
    [number] = struct.unpack(f">{whole}", struct.pack(f">{code}", value))
    text = f"{number:0{target.bits}b}"
    return f"{text[0]} {text[1 : 1 + exponent]} {text[1 + exponent :]}"


@given(st.floats(allow_nan=False), st.sampled_from([FLOAT16, FLOAT32, FLOAT64]))
def test_bits_are_those_of_the_machine(value: float, target: FloatFormat) -> None:
    rounded = float(target.round(np.array([value]))[0])
    assert pattern(rounded, target) == machine_bits(rounded, target)


@pytest.mark.parametrize(
    ("value", "target", "bits"),
    [
        (nan, FLOAT16, "0 11111 1000000000"),
        (448.0, E4M3FN, "0 1111 110"),
        (nan, E4M3FN, "0 1111 111"),
        (-(2.0**-9), E4M3FN, "1 0000 001"),
        (inf, E5M2, "0 11111 00"),
        (1.75, E5M2, "0 01111 11"),
    ],
)
def test_odd_bits(value: float, target: FloatFormat, bits: str) -> None:
    assert pattern(value, target) == bits


@pytest.mark.parametrize("dtype", ["half", "single", "double"])
def test_bits_fit_a_narrow_screen(dtype: str) -> None:
    """True values beyond float64, 3e-5362, are the widest that stand beside them."""
    report = explain([[12345.3, -800.123456789, 3e-300]], [0], dtype=dtype, bits=True)
    stream = io.StringIO()
    table.render(report, stream, width=80, color=False, ascii_only=False)
    assert max(map(len, stream.getvalue().splitlines())) <= 80
