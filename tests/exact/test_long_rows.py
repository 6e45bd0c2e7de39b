"""The reference over rows of a million classes: certified columns, and losses."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from softmax_tool import exact
from softmax_tool.formats import FORMATS
from tests.exact import search
from tests.golden import rows
from tests.golden.long_rows import SMOOTHING
from tests.golden.words import load, words
from tests.oracle.oracle import Target

GOLDEN = {entry["id"]: entry for entry in load("long")["rows"]}


@lru_cache(maxsize=1)
def row_of(name: str) -> Any:
    return np.array([rows.logits(GOLDEN[name]["row"])])


@pytest.mark.parametrize("dtype", list(FORMATS))
@pytest.mark.parametrize("name", list(GOLDEN))
def test_a_million_classes(name: str, dtype: str) -> None:
    entry, fmt = GOLDEN[name], FORMATS[dtype]
    logits = fmt.stored(fmt.round(row_of(name)))
    if dtype not in entry:
        assert np.isinf(logits).all()
        return
    reference = exact.reference(logits, fmt)
    got = {"softmax": reference.softmax.hi, "log-softmax": reference.log_softmax.hi}
    got = {what: values[0, entry["columns"]] for what, values in got.items()}
    for what, smoothing in (("loss", 0.0), ("smoothed", SMOOTHING)):
        target = Target(entry["label"], smoothing=smoothing)
        targets = search.as_targets(target, fmt, logits.shape[1], Fraction(1))
        got[what] = exact.losses(reference, targets, logits, fmt).hi[0]
    assert {k: words(fmt.stored(fmt.round(v))) for k, v in got.items()} == entry[dtype]
