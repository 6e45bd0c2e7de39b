"""Errors in float64 of what is far below its smallest number, told in units of that."""

from __future__ import annotations

from decimal import Context, Decimal

import pytest

import softmax_tool as st

DIGITS = Context(prec=60, Emin=-99999)
SMALLEST = Decimal(2) ** -1074


@pytest.mark.parametrize("distance", [790, 800, 800.5, 1000, 1200.25, 1400])
@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("op", ["softmax", "log-softmax"])
def test_a_class_that_vanishes_has_its_error(op: str, classes: int, distance: float) -> None:
    logits = [[0.0] + [-distance] * classes]
    case = st.compare(logits, dtypes=["double"], ops=[op], formulations=["shifted"]).cases[0]
    power = DIGITS.exp(Decimal(-distance))
    # Of softmax each class is that far from 0, of log-softmax the first is as far as all together.
    far = power if op == "softmax" else classes * power
    error = float(DIGITS.divide(far, SMALLEST))
    assert case.max_ulp == pytest.approx(error, rel=1e-12, abs=0)
