"""What double-double cannot decide is decided, and rightly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx, fmpq

from softmax_tool import exact
from softmax_tool.exact import quad, ties
from softmax_tool.formats import FORMATS
from softmax_tool.ulp import Ruler


def test_a_log_softmax_that_hugs_a_midpoint_lies_below_it() -> None:
    # 2**53 + 1 is halfway between neighbours; the true value is that and e**-9e15 more.
    x = np.array([[2.0**53, -1.0], [2.0**53, -3.0]])
    y = quad.reference(x).log_softmax.hi
    assert y[0, 1] == -(2.0**53) - 2
    assert y[1, 1] == -(2.0**53) - 4


@pytest.mark.parametrize("margin", [0.02, 0.1])
def test_decimals_and_double_double_agree_where_both_can_tell(
    margin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(7).normal(size=(6, 9)) * [[1], [10], [100], [300], [700], [0.01]]
    plain = quad.reference(x)
    monkeypatch.setattr(ties, "UNDECIDED", margin)
    decided = quad.reference(x)
    for a, b in ((plain.softmax, decided.softmax), (plain.log_softmax, decided.log_softmax)):
        assert np.array_equal(a.hi, b.hi)
        assert a.tail is not None
        assert b.tail is not None
        assert np.array_equal(a.tail, b.tail)
        assert (np.abs(np.abs(a.tail) - 0.5) < margin).any()


def test_a_wrong_rounding_is_mended() -> None:
    x = np.array([[0.3, -1.2, 2.5]])
    reference = quad.reference(x)
    hi, tail = reference.log_softmax.hi.copy(), np.asarray(reference.log_softmax.tail).copy()
    truth = hi.copy()
    # As if double-double had erred by a whole step: the neighbour, with a tail just beyond a half.
    hi[0, 0] = np.nextafter(hi[0, 0], np.inf)
    tail[0, 0] = -0.5
    ties.settle((hi, tail), x, logarithm=True)
    assert np.array_equal(hi, truth)


def test_below_a_power_of_two_the_boundary_is_half_as_far(monkeypatch: pytest.MonkeyPatch) -> None:
    # The float64 next to −2 towards 0 is half an ULP of −2 away, and the boundary a quarter.
    third = -5 - np.arange(4000) * 2.0**-47
    x = np.stack([np.zeros_like(third), np.full_like(third, -1.8470), third], axis=1)
    for _ in range(30):
        x[:, 1] += -2 - quad.reference(x).log_softmax.hi[:, 1]
    x[:, 1] += 2.0**-52
    y = quad.reference(x).log_softmax
    beside = np.nextafter(-2.0, 0.0)
    assert y.tail is not None
    row = np.flatnonzero((y.hi[:, 1] == beside) & (y.tail[:, 1] < -0.45))[0]
    hi, tail = y.hi[[row]], y.tail[[row]]
    # As if double-double had seen the same value just beyond the boundary.
    wrong, wrong_tail = hi.copy(), tail.copy()
    wrong[0, 1], wrong_tail[0, 1] = -2.0, (1 + tail[0, 1]) / 2
    assert 0.25 < wrong_tail[0, 1] < 0.28
    monkeypatch.setattr(ties, "UNDECIDED", 0.03)
    assert ties.may_be_close(wrong_tail, np.empty_like(tail))
    ties.settle((wrong, wrong_tail), x[[row]], logarithm=True)
    assert np.array_equal(wrong, hi)
    np.testing.assert_allclose(wrong_tail, tail, rtol=0, atol=2.0**-45)


def test_certified_rounding_of_many_values() -> None:
    x = np.random.default_rng(8).normal(size=(40, 25)) * 30
    reference = quad.reference(x)
    saved, ctx.prec = ctx.prec, 200
    try:
        for row in range(40):
            balls = [arb(float(v)) for v in x[row]]
            maximum = arb(float(x[row].max()))
            total = sum(((b - maximum).exp() for b in balls), arb(0))
            for column in range(25):
                p = (balls[column] - maximum).exp() / total
                y = balls[column] - maximum - total.log()
                assert float(reference.softmax.hi[row, column]) == float(p.mid())
                assert float(reference.log_softmax.hi[row, column]) == float(y.mid())
    finally:
        ctx.prec = saved


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float64", 60.0), ("float64", 700.0), ("float32", 300.0), ("float16", 300.0)],
)
def test_confident_rows_round_to_the_side_of_the_truth(dtype: str, scale: float) -> None:
    # Many differences of such logits lie exactly halfway; the logarithm decides, however small.
    target = FORMATS[dtype]
    random = np.random.default_rng(12)
    x = target.round(random.normal(size=(60, 3)) * scale).astype(np.float64)
    got = target.round(exact.reference(x, target).log_softmax.hi)
    saved, ctx.prec = ctx.prec, 8000
    try:
        for row in range(60):
            balls = [arb(float(v)) for v in x[row]]
            first = int(x[row].argmax())
            rest = [(b - balls[first]).exp() for c, b in enumerate(balls) if c != first]
            log_sum = sum(rest, arb(0)).log1p()
            for column in range(3):
                near = Fraction(float(got[row, column]))
                half = Fraction(target.ulp(float(near))) / 2
                y = balls[column] - balls[first] - log_sum
                for end, inside in ((near - half, 1), (near + half, -1)):
                    beyond = (y - arb(fmpq(end.numerator, end.denominator))) * inside
                    assert not beyond < 0, (x[row], column)
    finally:
        ctx.prec = saved


def test_a_value_just_below_a_power_of_two_has_the_ulp_below() -> None:
    # softmax of [0, −50] at 0 is 1 − 1.9e-22: its ULP is 2**-53, though float64 says 1.
    reference = quad.reference(np.array([[0.0, -50.0]]))
    ruler = Ruler.of(reference.softmax, FORMATS["float64"])
    neighbour = np.array([[1 - 2.0**-53, 0.0]])
    assert ruler.errors(neighbour)[0, 0] == pytest.approx(1.0, rel=1e-5)
