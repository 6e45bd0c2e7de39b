"""True losses against ball arithmetic: every option, every row, and the reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.formats import FORMATS
from tests.golden.words import load, words

LOSSES = load("reference")["losses"]
REDUCTIONS = ("none", "sum", "mean")


def arguments(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what the library takes, from a golden batch."""
    rows = [[float.fromhex(text) for text in row] for row in entry["rows"]]
    if "probabilities" in entry:
        labels: Any = [[float.fromhex(text) for text in row] for row in entry["probabilities"]]
    else:
        labels = entry["labels"]
    given: dict[str, Any] = {"logits": np.array(rows), "labels": np.array(labels)}
    if "repeat" in entry:
        given["logits"] = np.repeat(given["logits"], entry["repeat"], axis=0)
        given["labels"] = np.repeat(given["labels"], entry["repeat"], axis=0)
    if "weights" in entry:
        given["weights"] = [float.fromhex(text) for text in entry["weights"]]
    if "smoothing" in entry:
        given["label_smoothing"] = float.fromhex(entry["smoothing"])
    return given


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("entry", LOSSES, ids=lambda e: e["id"])
def test_certified_losses(entry: dict[str, Any], reduction: str) -> None:
    report = st.compare(**arguments(entry), ops=["ce"], formulations=["exact"], reduction=reduction)
    for loss in report.losses:
        target = FORMATS[loss.name.dtype]
        expected = entry["results"][target.name][reduction]
        if reduction == "none":
            assert loss.per_row is not None
            got: Any = [words(value) for value in loss.per_row[:, None]]
            if "repeat" in entry:
                assert set(got) == set(expected)
                continue
        else:
            assert loss.value is not None
            got = words(np.array([loss.value]).astype(target.storage))
        assert got == expected, target.name


@pytest.mark.parametrize(
    ("weight", "labels", "smoothing", "loss"),
    [
        (70000.0, [0], 0.1, np.inf),
        (-70000.0, [0], 0.1, -np.inf),
        (70000.0, [[0.2, 0.3, 0.5]], 0.0, np.inf),
        (70000.0, [[0.5, 0.0, 0.5]], 0.0, np.nan),  # 0 · inf
        (70000.0, [0], 0.0, 2.40760596),  # which takes one log-probability, of the weight 1
    ],
)
def test_a_weight_that_is_infinite_in_the_dtype(
    weight: float, labels: Any, smoothing: float, loss: float
) -> None:
    """All log-probabilities of 1, 2, 3 are finite: log Σ exp x is 3.40760596."""
    report = st.compare(
        [[1.0, 2.0, 3.0]],
        labels,
        dtypes=["float16"],
        ops=["ce"],
        formulations=["exact", "shifted"],
        weights=[1.0, weight, 1.0],
        label_smoothing=smoothing,
        reduction="sum",
    )
    for found in report.losses:
        assert found.value == pytest.approx(loss, rel=1e-3, nan_ok=True)
    assert not any(case.infinite_ulp for case in report.cases)
