"""Losses and gradients where float64 or a bound comes to its end."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

import softmax_tool as st

INF = float("inf")


def test_a_reduced_loss_is_measured_by_the_true_one() -> None:
    """Of a single row, the sum and the mean are the row's loss, and so are their errors."""
    row = [0.5, 1.5, 3.0]
    report = st.compare([row], [0], dtypes=["float64"], ops=["ce"], reduction="sum")
    with mpmath.workprec(400):
        true = mpmath.log(mpmath.fsum(mpmath.exp(x) for x in row)) - row[0]
        for case, loss in zip(report.cases, report.losses, strict=True):
            assert loss.value is not None
            error = abs(mpmath.mpf(loss.value) - true) / mpmath.mpf(2) ** -51
            assert loss.ulp == case.max_ulp == pytest.approx(float(error), rel=1e-12)


def test_a_mean_that_is_no_float64() -> None:
    """Three equal rows with weights 1, 1 and 5: the mean is that of one row, to 1000 bits."""
    weights = [1.0, 5.0]
    x, labels = np.array([[2.0, 0.5], [2.0, 0.5], [2.0, 0.5]]), [0, 1, 0]
    report = st.compare(
        x, labels, dtypes=["float64"], ops=["ce"], formulations=["exact"], weights=weights
    )
    [loss] = report.losses
    with mpmath.workprec(1000):
        rest = mpmath.log1p(mpmath.exp(mpmath.mpf(-1.5)))
        true = (2 * rest + 5 * (1.5 + rest)) / 7
        assert loss.value is not None
        error = abs(mpmath.mpf(loss.value) - true) / mpmath.mpf(2) ** -52
        assert error > 0
        assert loss.ulp == pytest.approx(float(error), rel=1e-9)


@pytest.mark.parametrize(
    ("labels", "options", "got"),
    [
        ([0], {"label_smoothing": 0.1}, INF),
        ([1], {"label_smoothing": 0.1}, INF),
        ([[0.5, 0.2, 0.3]], {}, INF),
        ([[0.5, 0.0, 0.5]], {}, float("nan")),  # 0 · ∞
    ],
)
@pytest.mark.parametrize("arithmetic", ["strict", "wide-sum", "fused", "native"])
@pytest.mark.parametrize("way", ["log-of-naive", "log-of-shifted"])
def test_a_loss_through_the_logarithm_of_0_is_that_whichever_class_vanished(
    labels: Any, options: dict[str, Any], got: float, arithmetic: str, way: str
) -> None:
    # float16 gives 0 of exp up to −17.34375.
    report = st.compare(
        [[0.0, -200.0, 3.0]],
        labels,
        dtypes=["half"],
        ops=["ce"],
        formulations=[way],
        arithmetics=[arithmetic],
        **options,
    )
    [case] = report.cases
    [found] = case.worst
    assert list(case.kinds) == ["log-of-zero"]
    assert str(found.got) == str(got)
    assert found.origin is not None
    assert (found.origin.step, found.origin.column) == ("exp", 1)


@pytest.mark.parametrize("far", [1e300, 1e301, 8e307])
def test_a_weight_of_0_makes_0_of_any_loss(far: float) -> None:
    report = st.compare(
        [[0.0, far], [1.0, 2.0]],
        [0, 1],
        dtypes=["float64"],
        ops=["ce"],
        formulations=["shifted", "exact"],
        weights=[0.0, 1.0],
    )
    true = float(np.log1p(np.exp(-1.0)))
    for case, loss in zip(report.cases, report.losses, strict=True):
        assert loss.value == pytest.approx(true, rel=1e-15)
        assert loss.exact == pytest.approx(true, rel=1e-15)
        assert case.max_ulp < 1
        assert case.infinite_ulp == 0


@pytest.mark.parametrize(
    ("dtype", "far", "smoothing"),
    [
        ("float32", 8e6, 0.0),
        ("float32", 1e7, 0.0),
        ("float32", 1e7, 0.1),
        ("float32", 3e38, 0.0),
        ("float64", 1e16, 0.0),
        ("float64", 1e16, 0.1),
    ],
)
def test_a_loss_that_is_lost_is_a_silent_error_though_there_is_no_bound(
    dtype: str, far: float, smoothing: float
) -> None:
    """Where y is so large that (2|y| + …)u is 1 or more, the bound is none."""
    report = st.compare(
        [[0.0, far, 5.0]],
        [0],
        dtypes=[dtype],
        ops=["ce"],
        formulations=["clamped", "shifted"],
        label_smoothing=smoothing,
    )
    kinds = {case.name.formulation: set(case.kinds) for case in report.cases}
    assert kinds == {"clamped": {"silent-error"}, "shifted": set()}


@pytest.mark.parametrize("arithmetic", ["strict", "wide-sum"])
@pytest.mark.parametrize(
    ("dtype", "row", "label"),
    [
        ("float32", [88.0] * 3, 1),
        ("float64", [709.7] * 3, 1),
        ("float16", [11.09375, 11.09375, 11.0859375], 2),
    ],
)
def test_no_bound_is_held_against_what_an_overflow_made(
    dtype: str, row: list[float], label: int, arithmetic: str
) -> None:
    """The loss is inf, the gradient of the label finite and wrong: −1 instead of −2/3."""
    report = st.compare(
        [row],
        [label],
        dtypes=[dtype],
        ops=["gradient"],
        formulations=["naive-lse"],
        arithmetics=[arithmetic],
    )
    [case] = report.cases
    assert "silent-error" in case.kinds
    assert (case.bound_ratio, case.bound_elements) == (None, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_clamp_over_a_mask_is_told(dtype: str) -> None:
    [case] = st.compare(
        [[-INF, 0.0, 0.0]], [0], dtypes=[dtype], ops=["ce"], formulations=["clamped"]
    ).cases
    assert case.worst[0].origin is not None
    assert case.worst[0].origin.step == "clamp"


@pytest.mark.parametrize("far", [-600.0, -760.0, -1454.0, -1e30])
def test_a_gradient_just_below_a_power_of_two(far: float) -> None:
    """It is −(1 − p), p far below float64, and its ULP that of the binade below 1; got is 0."""
    [case] = st.compare(
        [[far, 0.0]],
        [0],
        dtypes=["float32"],
        ops=["gradient"],
        formulations=["clamped"],
        reduction="sum",
    ).cases
    assert case.max_ulp == pytest.approx(float(Fraction(2) ** 24), rel=1e-12)


def test_equal_shares_are_powers_of_two_themselves() -> None:
    """Where p is 1/2 exactly, 0 is off by 1/2 in the ULP of 1/2: 2**23 of them."""
    report = st.compare(
        [[3.0, 3.0]], [0], dtypes=["float32"], ops=["gradient"], formulations=["exact"]
    )
    [case] = report.cases
    assert (case.max_ulp, case.ulp_histogram[0][1]) == (0, 2)
