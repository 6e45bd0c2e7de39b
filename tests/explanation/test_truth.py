"""The true values of the board against ball arithmetic of 600 bits."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from flint import arb, ctx, fmpq

import softmax_tool as st
from softmax_tool.explanation.truth import Truth
from softmax_tool.formats import FLOAT32, FORMATS
from softmax_tool.ulp import TINIEST

if TYPE_CHECKING:
    from softmax_tool.formats import FloatFormat

ROWS = (
    [2.0, 1.0, 0.1],
    [-999.0, 1.0, 2.0, 5.0, 6.0],
    [50.0, 0.0],
    [1000.0, 0.0, -np.inf],
    [0.0, -30.0, -1e-300],
    [3.0, 3.0, 3.0],
    [800.0, 799.0],
    [88.72283935546875, -745.2, 5e-324, 12.5],
    list(np.random.default_rng(7).normal(size=40) * 30),
)
DIGITS = Decimal("1e-14")  # of a true value beyond float64; others are right to float64


@pytest.fixture(autouse=True)
def many_bits() -> Any:
    before, ctx.prec = ctx.prec, 12_000
    yield
    ctx.prec = before


def ball(value: float) -> Any:
    return arb(fmpq(*value.as_integer_ratio()))


def close(value: Any, true: Any) -> bool:
    """Tell whether a value is within a few float64 roundings of a ball, or 14 digits of it."""
    if true == 0 or (true.is_zero()):
        return bool(value == 0)
    exact = Decimal(value)
    number = arb(f"{exact:e}")
    tolerance = arb(f"{DIGITS:e}") if isinstance(value, Decimal) else arb(2) ** -52
    return bool(abs(number - true) <= tolerance * abs(true))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{len(row)} from {row[0]:.6g}")
def test_every_expression(row: list[float]) -> None:
    truth = Truth(np.array(row))
    balls = {c: ball(x) for c, x in enumerate(row) if x != -np.inf}
    m = balls[int(np.argmax(row))]
    total = sum(((x - m).exp() for x in balls.values()), arb(0))
    assert close(truth.total().number, total)
    assert close(truth.naive_total().number, sum((x.exp() for x in balls.values()), arb(0)))
    assert close(truth.log_total().number, total.log())
    # The reference promises 2**-90.
    assert abs(arb(f"{truth.log_total().value:e}") - total.log()) <= arb("1e-25") * total.log()
    for column, x in balls.items():
        p = (x - m).exp() / total
        assert close(truth.shift(column).number, x - m)
        assert close(truth.exp(column).number, x.exp())
        assert close(truth.exp_shifted(column).number, (x - m).exp())
        assert close(truth.probability(column).number, p)
        assert close(truth.log_probability(column).number, p.log())
        for value, true in (
            (truth.exp_shifted(column), (x - m).exp()),
            (truth.probability(column), p),
        ):
            told = value.number_minus_one
            if told is not None:
                assert close(told, true - 1) or abs(Decimal(told)) < Decimal("1e-290")
            else:
                assert float(value.value) != 1 or true == 1
    entropy = sum(
        (-((x - m).exp() / total) * ((x - m) - total.log()) for x in balls.values()), arb(0)
    )
    assert abs(arb(f"{truth.entropy():e}") - entropy) <= arb("1e-13") * entropy


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{len(row)} from {row[0]:.6g}")
def test_the_gradient(row: list[float]) -> None:
    truth = Truth(np.array(row))
    e = {c: ball(x).exp() for c, x in enumerate(row) if x != -np.inf}
    total = sum(e.values(), arb(0))
    for label in e:
        for column, own in e.items():
            others = sum((x for c, x in e.items() if c != label), arb(0))
            true = -others / total if column == label else own / total
            assert close(truth.gradient(column, label).number, true)


def test_what_hardly_differs_from_one() -> None:
    truth = Truth(np.array([50.0, 0.0]))
    # exp(-50) / (1 + exp(-50)), to 12 digits
    assert float(truth.probability(0).number_minus_one or 0) == pytest.approx(-1.92874984796e-22)
    assert float(truth.total().number_minus_one or 0) == pytest.approx(1.92874984796e-22)
    assert truth.exp_shifted(0).number_minus_one is None  # exp(0) is 1
    assert Truth(np.array([5.0])).probability(0).number_minus_one is None


CLOSE_ROWS = (
    [7.599999904632568, 50.0],
    [0.0, -100.0],
    [0.0, -100.0, 0.0],  # 1/2 less 9.3e-45
    [0.0, -1e-300],  # 1/2 and 2.5e-301
    [-1e-9, 0.0, -60.0, -1e-9],
    [0.0, -80.0],
    [2.0, 1.0, 0.1],
    [0.0, -700.0, -720.0],
)


@pytest.mark.parametrize("row", CLOSE_ROWS, ids=str)
def test_the_sum_of_exponentials_is_told_from_one(row: list[float]) -> None:
    truth, total = Truth(np.array(row)), sum((ball(x).exp() for x in row), arb(0))
    told = truth.naive_total().number_minus_one
    if abs(total - 1) < arb(2) ** -54:
        assert told is not None
        assert close(told, total - 1)
    else:
        assert told is None


@pytest.mark.parametrize("target", FORMATS.values(), ids=lambda target: target.name)
@pytest.mark.parametrize("row", CLOSE_ROWS, ids=str)
def test_errors_in_ulp_are_those_of_the_true_value(row: list[float], target: FloatFormat) -> None:
    truth = Truth(np.array(row))
    x, m = [ball(value) for value in row], ball(max(row))
    total = sum(((value - m).exp() for value in x), arb(0))
    for column, own in enumerate(x):
        p = (own - m).exp() / total
        for value, true in (
            (truth.probability(column), p),
            (truth.log_probability(column), p.log()),
            (truth.loss(column), -p.log()),
            (truth.gradient(column, column), p - 1),
        ):
            for near in (float(value.value), float(value.value) * 1.0625):
                got = float(target.round(np.array([near]))[0])
                exponent = target.emin
                while arb(2) ** (exponent + 1) <= abs(true):
                    exponent += 1
                error = abs(ball(got) - true) / arb(2) ** (exponent - target.precision + 1)
                assert error > 0
                told = value.ulp_error(got, target)
                # The reference promises 2**-90, of what is not small beside the largest.
                most = arb(2) ** (-1074 if abs(total - round(float(total))) < 1e-6 else -36)
                assert abs(arb(told) - error) <= error * arb(2) ** -52 + most, (column, got)


def test_what_is_right_is_off_by_nothing() -> None:
    truth = Truth(np.array([3.0, 3.0, -np.inf]))
    assert truth.probability(0).ulp_error(0.5, FLOAT32) == 0
    assert truth.probability(2).ulp_error(0.0, FLOAT32) == 0
    # Logits 2e308 apart: what is left of the other class is beyond float64, and beyond decimals.
    assert Truth(np.array([1e308, -1e308])).probability(0).ulp_error(1.0, FLOAT32) == TINIEST


def test_beyond_every_number() -> None:
    truth = Truth(np.array([1e308, -1e308]))
    assert truth.log_probability(1).number == Decimal("-2e308")
    assert 0 < Decimal(truth.probability(1).number) < Decimal("1e-99999")
    assert Decimal(truth.exp(0).number).is_finite()
    assert 0 < truth.entropy() < Decimal("1e-99999")


@pytest.mark.parametrize("row", [[0.0] + [-1.7e308] * 3, [0.0] + [-1.8e305] * 2000])
def test_entropy_where_distances_add_up_beyond_float64(row: list[float]) -> None:
    """Σ p log p is far below exp(−1e305): p is 1 − ε, and every other one ε / n or less."""
    information = st.explain([row], dtype="float64").information
    for value in (information.entropy, information.entropy_bits, information.perplexity_minus_one):
        assert value is not None
        assert 0 < Decimal(value) < Decimal("1e-99999")
    assert information.perplexity == 1


@pytest.mark.parametrize("row", [[np.nan, 1.0], [np.inf, 0.0], [-np.inf, -np.inf]])
def test_rows_that_are_nan(row: list[float]) -> None:
    truth = Truth(np.array(row))
    assert truth.invalid
    for value in (truth.total(), truth.log_total(), truth.naive_total(), truth.probability(0)):
        assert np.isnan(float(value.number))
        assert value.number_minus_one is None
    assert truth.entropy().is_nan()
