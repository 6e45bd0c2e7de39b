"""Origins where float64 itself has no digits left to tell: the ball oracle's, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softmax_tool as st
from tests.oracle.oracle import FLOAT64, Case, Target


@pytest.mark.parametrize(
    ("op", "formulation", "row", "labels"),
    [
        # The logarithm of a sum below 2**-1000 in double-double, too.
        ("ce", "naive-lse", (-708.5, -708.5), [0]),
        ("ce", "naive-lse", (-700.0, -700.5, -701.0), [0]),
        # The quotient of two sums that are hardly normal numbers.
        ("softmax", "naive", (-710.6630779156337, -710.3986107196984, -710.7702383891047), None),
        ("softmax", "naive", (-711.5, -712.25, -709.75, -711.0), None),
    ],
)
def test_silent_errors_of_float64(
    op: str, formulation: str, row: tuple[float, ...], labels: list[int] | None
) -> None:
    report = st.compare([row], labels, dtypes=["float64"], ops=[op], formulations=[formulation])
    target = [] if labels is None else [Target(labels[0])]
    case = Case(op, formulation, FLOAT64, "wide-sum", row, *target)
    silent = [found for found in report.cases[0].worst if found.kind == "silent-error"]
    assert silent
    for found in silent:
        expected = case.finding(0 if found.column is None or labels else found.column)
        assert found.kind == expected.kind
        assert found.origin is not None
        assert found.origin.step == expected.step
        assert (found.origin.operand, found.origin.limit) == (expected.operand, expected.limit)
        assert found.propagated == expected.propagated


def test_a_masked_class_is_no_error_of_the_one_pass_sum() -> None:
    """exp(0) is exact: what is off behind it came of its row's sum, or of its own shift."""
    row = np.random.default_rng(3).normal(0, 3, 60)
    found: dict[str, list[Any]] = {}
    for masked in (False, True):
        logits = np.where(np.arange(60) == 1, -np.inf, row) if masked else np.delete(row, 1)
        report = st.compare(
            [logits],
            dtypes=["float64"],
            ops=["softmax"],
            formulations=["online"],
            arithmetics=["strict"],
            max_ulp=1.0,
        )
        (case,) = report.cases
        steps = [each.origin.step for each in case.worst if each.origin is not None]
        found["masked" if masked else "without"] = [steps, case.kinds]
    assert found["without"][0]
    assert found["masked"][0] == found["without"][0]
    assert found["masked"][1] == found["without"][1]


@pytest.mark.parametrize("logit", [1e5, 1.11e12, 4e15])
def test_far_logits_are_lost_in_the_exponential(logit: float) -> None:
    """The shift is exact; exp of it is 0, which the clamp hides."""
    report = st.compare(
        [[logit, 0.0]], [1], dtypes=["float64"], ops=["nll"], formulations=["clamped"]
    )
    (found,) = report.cases[0].worst
    assert found.origin is not None
    assert (found.origin.step, found.origin.column) == ("exp", 1)
    assert found.origin.operand == -logit


def test_a_clamp_is_told_at_the_class_it_raised() -> None:
    report = st.compare(
        [[0.0, -60.0, 3.0]],
        [0],
        dtypes=["float32"],
        ops=["ce"],
        label_smoothing=0.1,
        formulations=["clamped"],
    )
    (found,) = report.cases[0].worst
    assert found.origin is not None
    assert (found.origin.step, found.origin.column, found.propagated) == ("clamp", 1, True)
    # exp(-60) / (1 + exp(-60) + exp(3)) is 4.1529e-28.
    assert f"{found.origin.operand:.4e}" == "4.1529e-28"
