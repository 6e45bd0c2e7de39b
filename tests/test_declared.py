from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.declared import Sighting, as_logits
from softmax_tool.readers import Block

P = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])
LABELS = [1, 0]
NLL = 2.5 * np.log(2)  # of 1/4 and 1/8, on average


def loss(report: Any, quantity: str) -> float:
    [found] = [x for x in report.losses if x.name.quantity == quantity]
    assert found.value is not None
    return float(found.value)


@pytest.mark.parametrize(("kind", "values"), [("probs", P), ("log-probs", np.log(P))])
@pytest.mark.parametrize("quantity", ["nll", "ce"])
def test_the_loss_is_that_of_the_probabilities(kind: str, values: Any, quantity: str) -> None:
    report = st.compute(values, LABELS, formulations=["log1p"], ops=[quantity], input_kind=kind)
    assert loss(report, quantity) == pytest.approx(NLL, rel=1e-15)
    assert report.settings.input == kind
    assert report.looks_like is not None
    assert report.looks_like.rows == 2


def test_softmax_gives_declared_probabilities_back() -> None:
    options: Any = {"ops": ["softmax"], "formulations": ["exact"], "input_kind": "probs"}
    [softmax] = st.compute(P, **options).results
    assert softmax.values is not None
    # Rounding log p costs |log p| u, u = 2**-53, and rounding the result u once more.
    np.testing.assert_allclose(softmax.values, P, rtol=(np.log(8) + 1) * 2.0**-53)


def test_compare_takes_them_too() -> None:
    report = st.compare(P, LABELS, dtypes=["half"], ops=["nll"], input_kind="probs")
    [exact] = [x for x in report.losses if x.name.formulation == "exact"]
    # Logarithms are rounded to float16 before anything is computed.
    assert exact.value == pytest.approx(NLL, rel=1e-3)


def test_a_second_softmax_is_told() -> None:
    report = st.compute(P, LABELS)
    assert report.verdict[0].startswith("The input looks like probabilities: 2 of the first 2 rows")
    # Softmax of [1/2, 1/4, 1/4] and [1/8, 3/4, 1/8] instead: log Σ exp less the label's.
    twice = [np.log(np.exp(row).sum()) - row[y] for row, y in zip(P, LABELS, strict=True)]
    once_more = st.compute(P, LABELS, formulations=["shifted"], ops=["ce"])
    assert loss(once_more, "ce") == pytest.approx(np.mean(twice))


def test_what_is_declared_and_does_not_look_like_it() -> None:
    report = st.compute([[2.0, 1.0, 0.1], [0.5, 0.25, 0.25]], input_kind="probs")
    assert report.verdict[0] == (
        "The input was declared probs, but 1 of 2 rows is no distribution: 1 row holds a value "
        "above 1 (row 0: 2); it looks like logits."
    )
    # The logarithm of 3.1.
    assert "to within 1.13, the largest |log Σ p|" in report.verdict[1]


@pytest.mark.parametrize(
    ("row", "log_sum"),
    [
        ([720.0, 0.0], 720.0),
        ([-800.0, -800.0], 800 - np.log(2)),
        ([-745.0, -745.0], 745 - np.log(2)),  # whose exponentials are subnormal
    ],
)
def test_a_sum_beyond_float64_is_told(row: list[float], log_sum: float) -> None:
    report = st.compute([row, [-1.0, -1.0]], ops=["softmax"], input_kind="log-probs")
    assert report.looks_like is not None
    assert report.looks_like.largest_log_sum == pytest.approx(log_sum, rel=1e-15)


def test_nothing_is_said_of_logits_and_of_log_probabilities() -> None:
    for values in (np.array([[2.0, 1.0, 0.1]]), np.log(P)):
        said = st.compute(values, dtypes=["float64"]).verdict
        assert not any("looks like" in sentence for sentence in said)


def test_a_probability_of_0_masks_and_a_negative_one_is_no_number() -> None:
    block = as_logits(Block(0, np.array([[0.0, 1.0], [-0.5, 1.5]]), None), "probs")
    np.testing.assert_array_equal(block.logits, [[-np.inf, 0.0], [np.nan, np.log(1.5)]])


def test_only_the_first_rows_are_looked_at_unless_something_is_declared() -> None:
    rows = np.tile(P[0], (600, 1))
    parts = [Block(0, rows[:200], None), Block(200, rows[200:], None)]
    seen = sum((Sighting.of(part, "logits") for part in parts), Sighting())
    assert seen == Sighting.of(Block(0, rows, None), "logits")
    assert seen.likeness.rows == 256
    assert sum((Sighting.of(x, "probs") for x in parts), Sighting()).likeness.rows == 600
    wide = np.zeros((3, 1 << 20))
    assert Sighting.of(Block(0, wide, None), "logits").likeness.rows == 1


def test_an_unknown_kind() -> None:
    with pytest.raises(st.UsageError, match="unknown input 'odds'; known are logits, probs, log-p"):
        st.compute(P, input_kind="odds")
