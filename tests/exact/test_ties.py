"""What double-double cannot decide is decided, and rightly."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb, ctx

from softmax_tool.exact import quad, ties


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
