"""Losses of several rows in every model and reduction, bit for bit as the oracle has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.formats import FORMATS
from tests.exact.test_losses import arguments
from tests.golden.words import load, words

BATCHES = load("traps")["batches"]
REDUCTIONS = ("none", "sum", "mean")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("batch", BATCHES, ids=lambda b: b["id"])
def test_batch(batch: dict[str, Any], reduction: str) -> None:
    wrong = []
    for model in ("strict", "wide-sum", "fused"):
        report = st.compare(
            **arguments(batch),
            ops=["ce"],
            dtypes=["float16", "float32"],
            arithmetics=[model],
            reduction=reduction,
        )
        for loss in report.losses:
            key = f"{loss.name.dtype}/{model}/{loss.name.formulation}"
            if key not in batch["results"]:
                continue
            expected = batch["results"][key][reduction]
            target = FORMATS[loss.name.dtype]
            if reduction == "none":
                assert loss.per_row is not None
                rows = np.ravel(loss.per_row)
                if "repeat" in batch:  # all are alike
                    bits = rows.view(np.dtype(f"u{rows.itemsize}"))
                    rows = rows[np.unique(bits, return_index=True)[1]]
                got: Any = [words(value) for value in rows[:, None]]
                if "repeat" in batch:
                    got, expected = set(got), set(expected)
            else:
                assert loss.value is not None
                got = words(np.array([loss.value]).astype(target.storage))
            if got != expected:
                wrong.append((key, got, expected))
    assert not wrong
