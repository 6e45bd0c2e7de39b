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
