"""Gradients of somebody else: those of a formula in float64 pass, and what is wrong is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.check import gate
from softmax_tool.check.functions import load_function
from softmax_tool.check.given import results_of_array
from softmax_tool.check.request import Request
from softmax_tool.errors import UsageError
from softmax_tool.formats import find_format
from softmax_tool.plan import Options
from softmax_tool.readers import from_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.check.report import CheckReport

    Array = NDArray[Any]

ROWS, CLASSES = 20, 30
IGNORED = 4


def logits_of(dtype: str) -> Array:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((ROWS, CLASSES)) * 3
    x[3] += 500
    x[5, 7] = -np.inf
    return find_format(dtype).stored(find_format(dtype).round(x))


def labels_of() -> Array:
    labels = np.random.default_rng(4).integers(8, CLASSES, ROWS)
    labels[IGNORED] = -100
    return labels


def gradient(x: Array, target: Array, divisor: float) -> Array:
    """P Σ c − c in float64, c the coefficient of each log-probability; c = 0 where ignored."""
    x = x.astype(np.float64)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    made: Array = (p * target.sum(axis=1, keepdims=True) - target) / divisor
    return made


def one_hot(labels: Array) -> Array:
    return np.asarray((np.arange(CLASSES) == labels[:, None]).astype(np.float64))


def report_on(candidate: Array, dtype: str, labels: Array, **options: Any) -> CheckReport:
    source = from_arrays(logits_of(dtype), labels)
    chosen = Options(ops=("gradient",), **options)
    given = results_of_array(candidate, source, "gradient", name="<candidate>")
    return gate.check_given(source, chosen, Request(), given)


def right(dtype: str, reduction: str = "mean") -> Array:
    divisor = ROWS - 1 if reduction == "mean" else 1
    made = gradient(logits_of(dtype), one_hot(labels_of()), divisor)
    return find_format(dtype).stored(find_format(dtype).round(made))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_right_one_passes(dtype: str, reduction: str) -> None:
    report = report_on(right(dtype, reduction), dtype, labels_of(), reduction=reduction)
    assert report.passed
    assert report.cases[0].judged == ROWS * CLASSES - 1  # a masked class that is met is set apart


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
@pytest.mark.parametrize("soft", [False, True])
def test_weights_smoothing_and_probabilities(smoothing: float, *, soft: bool) -> None:
    rng = np.random.default_rng(6)
    weights = rng.integers(1, 9, CLASSES) / 4.0
    labels = labels_of()
    target, divisor = one_hot(labels), weights[labels[labels >= 0]].sum()
    if soft:
        labels = target = rng.dirichlet(np.ones(CLASSES), ROWS).astype(np.float32)
        target[5, 7] = 0  # the masked class
        divisor = ROWS
    target = target.astype(np.float64) * (1 - smoothing) + smoothing / CLASSES
    if not soft:
        target[IGNORED] = 0
    candidate = gradient(logits_of("float32"), target * weights, divisor).astype(np.float32)
    options: dict[str, Any] = {"weights": weights, "label_smoothing": smoothing}
    assert report_on(candidate, "float32", labels, **options).passed
    candidate[2, 3] *= 1.001
    [found] = report_on(candidate, "float32", labels, **options).findings
    assert (found.code, found.row, found.column) == ("ACC101", 2, 3)


def test_what_is_not_zero_in_an_ignored_row_is_wrong() -> None:
    candidate = right("float32")
    candidate[IGNORED, 9] = 1e-30
    [found] = report_on(candidate, "float32", labels_of()).findings
    assert (found.code, found.row, found.column) == ("ACC101", IGNORED, 9)
    assert found.message.endswith("the row's label is ignored")
    candidate[IGNORED, 9] = np.nan
    [found] = report_on(candidate, "float32", labels_of()).findings
    assert (found.code, found.row, found.column) == ("NAN101", IGNORED, 9)


def test_another_reduction_is_recognised() -> None:
    report = report_on(right("float32", "sum"), "float32", labels_of())
    assert not report.passed
    assert "19 times what they should be, as with another --reduction" in report.findings[0].message


def test_one_that_vanished_on_the_way_back_is_found() -> None:
    """What PyTorch makes of log(exp(x) / Σ exp(x)) in float32: nothing for the largest logit."""
    logits, labels = [[0.0, 0.0, 60.0]], [0]
    wrong = np.array([[-1, 0, 0]], np.float32)
    with pytest.raises(AssertionError, match=r"ACC101 inaccurate: 2 of 3 elements"):
        st.assert_accurate(wrong, logits, labels, op="gradient", reduction="sum")
    correct = np.array([[-1, np.exp(-60.0), 1]], np.float32)
    st.assert_accurate(correct, logits, labels, op="gradient", reduction="sum")


def own_gradient(x: Array, labels: Array) -> Array:
    return gradient(x, one_hot(labels), 1.0).astype(np.float32)


def test_a_function_gives_gradients_of_the_rows_own_losses() -> None:
    target = find_format("float32")
    name = f"{__name__}:own_gradient"
    source = from_arrays(logits_of("float32"), labels_of())
    for reduction in ("sum", "none"):
        function = load_function(name, "gradient", target, None)
        options = Options(ops=("gradient",), reduction=reduction)
        assert gate.check_given(source, options, Request(), function).passed
    function = load_function(name, "gradient", target, None)
    with pytest.raises(UsageError, match=r"cannot know what a mean .* say --reduction sum"):
        gate.check_given(source, Options(ops=("gradient",)), Request(), function)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_careful_one_passes_where_a_coefficient_underflows(reduction: str) -> None:
    """0.5e-6 is 8 of float16's smallest subnormals, which a weight of 60000 makes much of."""
    x, weights = np.array([[8.0, 0.0]], np.float16), np.array([1.0, 60000.0], np.float16)
    half = np.float16
    share = half(1) / weights[0] if reduction == "mean" else half(1)
    spread, kept = half(1e-6 / 2) * share * weights, half(1 - 1e-6) * share * weights
    c = spread + np.array([kept[0], half(0)])
    e = np.exp(x - x.max())
    p = e / e.sum(dtype=np.float32).astype(half)
    made = p * c.sum(dtype=np.float32).astype(half) - c
    # The entry, 0.0297 of a sum, has ULPs of 1.5e-5: the rounded constant alone is 90 of them.
    assert reduction == "mean" or abs(float(spread[1]) - 0.03) > 1e-3
    source = from_arrays(x, np.array([0]))
    chosen = Options(ops=("gradient",), reduction=reduction, weights=weights, label_smoothing=1e-6)
    given = results_of_array(made, source, "gradient", name="<candidate>")
    report = gate.check_given(source, chosen, Request(), given)
    assert report.passed, report
