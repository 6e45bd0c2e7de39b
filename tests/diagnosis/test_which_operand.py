"""The operand that is named did round, and its rounding did move the result."""

from __future__ import annotations

from math import exp
from typing import Any

import pytest

import softmax_tool as st


def worst(rows: list[list[float]], labels: list[int] | None = None, **options: Any) -> Any:
    report = st.compare(rows, labels, **options)
    [case] = report.cases
    return case.worst[0]


def test_a_class_that_vanished_is_named_and_not_the_label_whose_exponential_is_exact() -> None:
    """Of 8.6 = 0.05 · 172, 0.05 · −log 1e-12 = 1.38 is left: of exp(-172), float32 has 0."""
    found = worst(
        [[88.0, -84.0]],
        [0],
        dtypes=["single"],
        ops=["ce"],
        formulations=["clamped"],
        label_smoothing=0.1,
    )
    assert (found.origin.step, found.origin.column, found.origin.operand) == ("exp", 1, -172)
    assert found.propagated


@pytest.mark.parametrize("arithmetic", ["wide-sum", "strict"])
def test_an_exponential_of_0_is_exact(arithmetic: str) -> None:
    found = worst(
        [[1.0, 2.0]],
        dtypes=["single"],
        ops=["log-softmax"],
        formulations=["shifted"],
        arithmetics=[arithmetic],
        max_ulp=0.2,
    )
    assert (found.kind, found.origin.step) == ("silent-error", "exp")
    assert (found.origin.column, found.origin.operand) == (0, -1)


def test_a_constant_is_rounded_where_it_is_taken() -> None:
    """Of 5e-7, float16 has 8 of its smallest subnormals: that times 60000 is 1.4e-3 less."""
    found = worst(
        [[8.0, 0.0]],
        [0],
        dtypes=["half"],
        ops=["gradient"],
        formulations=["shifted"],
        weights=[1.0, 60000.0],
        label_smoothing=1e-6,
        reduction="sum",
        max_ulp=3.0,
    )
    assert (found.origin.step, found.origin.column) == ("backward", 1)
    # As the constant was before it was rounded.
    assert found.origin.operand == pytest.approx(0.03, rel=1e-12)


def test_what_the_sum_lost_is_not_the_last_roundings() -> None:
    """log(1 + e^-12), of which float32 keeps 6.199e-6; the last rounding moves it by 2e-11."""
    found = worst(
        [[12.0, 0.0]],
        dtypes=["half"],
        ops=["log-softmax"],
        formulations=["shifted"],
        arithmetics=["fused"],
    )
    assert found.kind == "subnormal"
    assert (found.origin.step, found.origin.column) == ("sum", None)
    assert found.origin.operand == pytest.approx(1 + exp(-12), rel=1e-7)


def test_a_weight_that_is_infinite_in_the_dtype_is_named() -> None:
    """1e6 is beyond float16: what is multiplied by it is no number any more."""
    found = worst(
        [[8.0, 0.0]],
        [0],
        dtypes=["half"],
        ops=["gradient"],
        formulations=["shifted"],
        weights=[1e6, 1.0],
        label_smoothing=0.1,
        reduction="sum",
    )
    assert found.kind == "nan"  # -inf is the limit of (p - 1) c
    assert found.origin.step == "backward"
    assert (found.origin.column, found.origin.operand) == (0, float("inf"))
    assert found.origin.limit == 65504


def test_beside_a_result_near_0_the_sum_is_named_and_no_exact_shift() -> None:
    """1 + e^-36 is 2.32e-16 above 1 and rounds to 2.22e-16 above it; -36 - 0 is exact."""
    found = worst(
        [[-36.0, 0.0]],
        dtypes=["double"],
        ops=["log-softmax"],
        formulations=["shifted"],
        max_ulp=0.3,
    )
    assert (found.kind, found.origin.step, found.origin.column) == ("silent-error", "sum", None)


def test_an_exact_exponential_is_not_named_for_what_moved_its_addend() -> None:
    """On the way back, the addend of class 2 is moved by the sum; its exponential is 1."""
    found = worst(
        [[1.75, -2.25, 0.0]],
        [2],
        dtypes=["single"],
        ops=["gradient"],
        formulations=["naive"],
        reduction="sum",
        max_ulp=1.0,
    )
    assert found.kind == "silent-error"
    assert found.origin.operand != 0
