"""Judged by itself, an element of an otherwise plain row is what it is where the row is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool import screening
from softmax_tool.exact import reference
from softmax_tool.formats import FLOAT32
from softmax_tool.measured import Measured
from softmax_tool.scattered import Scattered, judge_scattered
from softmax_tool.ulp import Ruler, UlpStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.report import CompareReport

ROWS, CLASSES = 1800, 300  # a block, and a little of the next


def logits(lowest: float, highest: float) -> NDArray[Any]:
    """Return rows that one class dominates, the more so the higher it is."""
    random = np.random.default_rng(0)
    x = random.standard_normal((ROWS, CLASSES)) * 3
    x[np.arange(ROWS), random.integers(0, CLASSES, ROWS)] += random.uniform(lowest, highest, ROWS)
    return x.astype(np.float32)


@pytest.mark.parametrize("formulation", ["shifted", "minus-lse", "log1p", "log-of-shifted"])
@pytest.mark.parametrize("arithmetic", ["wide-sum", "strict"])
@pytest.mark.parametrize("top", [0, 3])
def test_as_in_the_whole_judgement(
    monkeypatch: pytest.MonkeyPatch, formulation: str, arithmetic: str, top: int
) -> None:
    """Rows are absorbed at their maximum, whose true value is subnormal from some margin on."""
    judged: list[Scattered | NDArray[Any]] = []
    x = logits(60, 115)

    def run() -> CompareReport:
        return st.compare(
            x,
            dtypes=["float32"],
            ops=["log-softmax"],
            formulations=[formulation],
            arithmetics=[arithmetic],
            top=top,
            threads=1,
        )

    def noting(*arguments: Any) -> Scattered | NDArray[Any]:
        judged.append(judge_scattered(*arguments))
        return judged[-1]

    monkeypatch.setattr("softmax_tool.case_work.judge_scattered", noting)
    mine = run()
    if formulation == "shifted":
        assert any(isinstance(scattered, Scattered) for scattered in judged)
    monkeypatch.setattr(screening, "_FEW", CLASSES + 1)  # no row holds few enough
    for one, other in zip(mine.cases, run().cases, strict=True):
        # The whole judgement divides by bounds in another order.
        assert one.bound_ratio == pytest.approx(other.bound_ratio, rel=1e-9)
        assert replace(one, bound_ratio=None) == replace(other, bound_ratio=None)


def test_infinities_add_up_as_all_errors_do() -> None:
    """By the exponents of ULPs alone, and with a NaN at the maximum, whose ULP is far smaller."""
    x = logits(100, 100)
    got = np.full(x.shape, -np.inf, np.float32)
    got[np.arange(ROWS), x.argmax(axis=1)] = np.nan
    ruler = Ruler.of(reference(x, FLOAT32).log_softmax, FLOAT32)
    everything = np.ones(x.shape, bool)
    measured = Measured(got, ruler)
    assert measured.statistics(everything, None) == UlpStatistics.of(ruler.errors(got))
    assert "errors" not in vars(measured)
