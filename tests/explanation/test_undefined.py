"""A row that is nan by definition: whether it was so as read, or rounding made it so."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.formats import FLOAT16


def exponentials(row: list[float], dtype: str) -> list[float]:
    [step] = [x for x in st.explain([row], dtype=dtype).steps if x.name == "exp"]
    return [float(entry.exact) for entry in step.ways[0].entries]


def test_the_exponential_of_an_infinity() -> None:
    assert exponentials([inf, 1.0, -inf], "double")[::2] == [inf, 0]
    assert exponentials([70000.0, 3.0], "half")[0] == inf


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ([0.0, nan, nan], "a nan in class 1"),
        ([0.0, 1.0, inf], "an inf in class 2"),
        ([-inf, -inf], "nothing but -inf"),
        ([70000.0, inf], "an inf in class 1"),
        ([70000.0, nan], "a nan in class 1"),
    ],
)
def test_a_row_that_is_so_as_read(row: list[float], what: str) -> None:
    [told] = st.explain([row], dtype="half").story
    assert told.startswith(
        f"The row is nan by definition: it holds {what}. No formulation is to blame; look at "
        "where the logits come from."
    )


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        ([0.0, 1.0, inf], True),
        ([70000.0, 3.0], True),
        ([-inf, inf], True),
        ([0.0, nan, inf], False),
        ([inf, inf], False),
        ([-inf, -inf], False),
    ],
)
def test_numbers_in_the_steps_of_such_a_row(row: list[float], numbers: bool) -> None:
    """1 / inf is 0, and inf / inf nan: that is what the naive step shows; results are nan."""
    report = st.explain([row], dtype="half")
    [divide] = [step for step in report.steps if step.name == "divide"]
    shown = [float(entry.value) for entry in divide.ways[0].entries]
    assert any(value == value for value in shown) == numbers  # noqa: PLR0124  (not nan)
    [told] = report.story
    assert ("a number over inf is 0; as results all classes are nan" in told) == numbers
    computed = st.compute([row], dtypes=["half"], ops=["softmax"], formulations=["naive"])
    values = computed.results[0].values
    assert values is not None
    assert np.isnan(values).all()


@pytest.mark.parametrize(
    ("row", "logit", "limit", "became"),
    [
        ([3.0, 70000.0], "70000 of class 1", "65504", "inf"),
        ([-90000.0, 70000.0, 8e4], "70000 of class 1", "65504", "inf, one of 2 that do"),
        ([-70000.0, -inf], "-70000 of class 0", "-65504", "-inf"),
    ],
)
def test_a_row_that_rounding_makes_so(
    row: list[float], logit: str, limit: str, became: str
) -> None:
    [told] = st.explain([row], dtype="half").story
    assert told.startswith(
        f"The row is nan by definition once it is rounded to float16: the logit {logit} is beyond "
        f"{limit}, the last finite number of float16, and becomes {became}."
    )
    assert "where the logits come from" not in told
    assert "wider format" in told


def test_the_advice_mends_it() -> None:
    """Numbers of float16 end at 65504, and those from 65520 on round to inf."""
    assert FLOAT16.overflow_threshold == 65520
    row = [70000.0, 69999.0]
    wider = st.explain([row], dtype="single")
    shifted = st.explain([[x - max(row) for x in row]], dtype="half")
    for mended in (wider, shifted):
        assert "nan by definition" not in mended.story[0]
        # The logistic function of 1.
        assert float(mended.steps[3].ways[1].entries[0].value) == pytest.approx(0.7310586, rel=1e-3)
