"""Reductions that go wrong though every row is fine: the facts are those of half precision."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

import softmax_tool as st

if TYPE_CHECKING:
    from softmax_tool.report import Loss

INF = float("inf")


def loss(rows: int, reduction: str, arithmetic: str) -> Loss:
    report = st.compare(
        np.zeros((rows, 2)),
        np.zeros(rows, int),
        dtypes=["half"],
        ops=["ce"],
        formulations=["shifted"],
        arithmetics=[arithmetic],
        reduction=reduction,
    )
    (found,) = report.losses
    return found


def test_a_running_sum_of_equal_losses_stalls() -> None:
    # ln 2 rounds to 0.693359375; from 1024 on, half an ULP is 0.5, and each step adds 1 at most.
    stalled = loss(70_000, "sum", "strict")
    assert stalled.reduced is not None
    assert stalled.reduced.kind == "stalled-sum"
    exact = 70_000 * 0.693359375
    assert stalled.value is not None
    assert stalled.reduced.operand == exact - stalled.value
    # 28 + 7 additions deep: ⌈log2⌈70000/1024⌉⌉ = 7.
    assert stalled.reduced.limit == (35 * 2.0**-24 + 2.0**-11) * exact


def test_a_mean_of_two_stalled_sums_is_flagged_though_it_looks_well() -> None:
    # 2048/2048 = 1 where ln 2 is right: both sums stick.
    mean = loss(70_000, "mean", "strict")
    assert mean.value == 1.0
    assert mean.reduced is not None
    assert any(
        "Adding up the rows" in s
        for s in st.compare(
            np.zeros((5000, 2)), np.zeros(5000, int), dtypes=["half"], arithmetics=["strict"]
        ).verdict
    )


def test_numpys_own_divisor_overflows() -> None:
    native = loss(65_536, "mean", "native")
    assert native.value == 0.0
    assert native.reduced is not None
    assert (native.reduced.kind, native.reduced.operand) == ("overflow", 65_536.0)
    assert native.reduced.limit == 65_504.0


def test_wide_reductions_do_no_harm() -> None:
    for arithmetic in ("wide-sum", "fused"):
        for reduction in ("sum", "mean"):
            assert loss(70_000, reduction, arithmetic).reduced is None


@pytest.mark.parametrize(
    ("rows", "labels", "weights", "smoothing"),
    [
        ([[1.0, 0.0], [2.0, 0.0]], [0, 0], [0.0, 1.0], 0.1),  # the other class has its part
        ([[1.0, 0.0], [2.0, 0.0]], [0, 1], [1.0, -1.0], 0.0),
        ([[1.0, 0.0], [2.0, 0.0]], [0, 0], [0.0, 1.0], 0.0),
        ([[-INF, 0.0], [2.0, 0.0]], [0, 1], [1.0, -1.0], 0.0),  # an infinite loss
    ],
)
def test_a_mean_over_weights_that_add_up_to_0_is_nan(
    rows: list[list[float]], labels: list[int], weights: list[float], smoothing: float
) -> None:
    report = st.compare(
        rows,
        labels,
        dtypes=["half", "double"],
        ops=["ce"],
        weights=weights,
        label_smoothing=smoothing,
        arithmetics=["strict", "wide-sum", "native"],
    )
    # Σ w_y = 0: nan by definition, in every arithmetic and in truth.
    assert {(str(x.value), str(x.exact), x.ulp) for x in report.losses} == {("nan", "nan", 0.0)}


def of_one_case(
    logits: list[list[float]], arithmetic: str, weights: list[float], reduction: str = "mean"
) -> tuple[Loss, tuple[str, ...]]:
    report = st.compare(
        logits,
        [1] * len(logits),
        dtypes=["double"],
        ops=["ce"],
        formulations=["shifted"],
        arithmetics=[arithmetic],
        weights=weights,
        reduction=reduction,
    )
    (found,) = report.losses
    return found, report.verdict


@pytest.mark.parametrize(
    ("logits", "weights"),
    [([[1.5e308, 0.0]] * 2, [1.0, 1.0]), ([[1.0, 0.0]] * 2, [1.0, 1.2e308])],
)
def test_an_exact_sum_beyond_float64_overflows_nowhere(
    logits: list[list[float]], weights: list[float]
) -> None:
    found, verdict = of_one_case(logits, "wide-sum", weights)
    # The sum of the losses, or of the weights, is beyond float64; the mean of two alike is neither.
    assert found.value is not None
    assert np.isfinite(found.value)
    assert found.reduced is None
    assert not any("Adding up" in sentence for sentence in verdict)


def test_a_running_sum_that_overflows_names_the_exact_sum() -> None:
    found, verdict = of_one_case([[1.5e308, 0.0]] * 2, "strict", [1.0, 1.0])
    assert found.reduced is not None
    assert found.reduced.kind == "overflow"
    # Twice the float64 nearest 1.5e308, which differs from that by less than 1e-16 of it.
    assert isinstance(found.reduced.operand, Decimal)
    assert f"{found.reduced.operand:e}" == "3.00000000000000e+308"
    assert any("overflows: 3e+308 is beyond 1.79769e+308" in sentence for sentence in verdict)


def test_a_stall_is_measured_against_the_exact_sum() -> None:
    # Of losses of about 1 beside 2^53, each is added to an even number: none, or 2 too much.
    rows = 80
    logits = [[2.0**53, 0.0], *[[np.log(np.e - 1), 0.0]] * rows]
    report = st.compute(
        logits,
        [1] * (rows + 1),
        dtypes=["double"],
        ops=["ce"],
        formulations=["shifted"],
        reduction="none",
    )
    losses = report.losses[0].per_row
    assert losses is not None
    assert losses[0] == 2.0**53
    total = sum(map(Fraction, losses.tolist()), Fraction(0))
    found, _ = of_one_case(logits, "strict", [1.0, 1.0], "sum")
    assert found.reduced is not None
    assert found.value is not None
    assert found.reduced.kind == "stalled-sum"
    missed = abs(Fraction(found.value) - total)
    assert found.reduced.operand == float(missed)
    # 28 additions of 2^-53 and u.
    assert found.reduced.limit == float(29 * Fraction(1, 2**53) * total)
