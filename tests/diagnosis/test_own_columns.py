"""What masks tell of where an event began is what single elements tell, one by one."""

from __future__ import annotations

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.causes import Causes

SCALES = (1.0, 30.0, 1000.0)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("scale", SCALES)
def test_the_worst_cases_are_the_same(
    monkeypatch: pytest.MonkeyPatch, dtype: str, scale: float
) -> None:
    random = np.random.default_rng(int(scale))
    logits = random.standard_normal((4, 60)) * scale + scale / 2
    logits[random.random(logits.shape) < 0.1] = -np.inf
    told: list[bool] = []
    by_masks = Causes.own

    def watched(self: Causes, code: int) -> object:
        own = by_masks(self, code)
        told.append(own is not None)
        return own

    monkeypatch.setattr(Causes, "own", watched)
    quick = st.compare(logits, dtypes=[dtype])
    assert any(told) or scale == SCALES[0]
    monkeypatch.setattr(Causes, "own", lambda _self, _code: None)
    assert repr(st.compare(logits, dtypes=[dtype]).cases) == repr(quick.cases)
