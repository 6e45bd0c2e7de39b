"""Every formulation in every model gives the bits of the independent oracle."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from softmax_tool import exact
from softmax_tool.arithmetic import find_model
from softmax_tool.computation import Computation
from softmax_tool.formats import FloatFormat, find_format
from softmax_tool.formulations import FORMULATIONS
from softmax_tool.rows import Rows, Yardsticks
from softmax_tool.targets import Targets
from tests.golden import rows
from tests.golden.words import load, words

GOLDEN = load("bits")
CASES = [
    pytest.param(entry, variant, id=f"{entry['id']}-{variant}")
    for entry in GOLDEN["rows"]
    for variant in entry["cases"]
]


def targets_of(name: str, label: int, classes: int, target: FloatFormat) -> Targets:
    parts = name.split("-")
    smoothing = Fraction(0)
    if "smoothing" in parts:
        smoothing = Fraction(0.3 if name == "weights-smoothing" else 0.1)
    weights = np.array([rows.weights(classes)]) if "weights" in parts else None
    soft = "probabilities" in parts
    return Targets(
        labels=None if soft else np.array([[label]]),
        probabilities=target.round(np.array([rows.probabilities(classes)])) if soft else None,
        weights=None if weights is None else target.round(weights),
        smoothing=smoothing,
        kept=1 - smoothing,
        spread=smoothing / classes,
    )


@pytest.mark.parametrize(("entry", "variant"), CASES)
def test_bits(entry: dict[str, Any], variant: str) -> None:
    dtype, arithmetic = variant.split("/")
    target = find_format(dtype)
    x = target.round(np.array([rows.logits(entry["row"])]))
    reference = exact.reference(x.astype(np.float64), target)
    wrong = []
    for name, expected in entry["cases"][variant].items():
        quantity, formulation = name.split("/")
        if arithmetic == "exact":
            true = reference.softmax if quantity == "softmax" else reference.log_softmax
            got = target.round(true.hi)
        else:
            formulation, _, kind = formulation.partition("@")
            targets = targets_of(kind, entry["label"], x.shape[1], target) if kind else None
            model = find_model(arithmetic)
            yardsticks = Yardsticks(Rows(x, targets, reference), target, None)
            computation = Computation(FORMULATIONS[quantity, formulation], model, yardsticks)
            got = computation.compute(model.build(target))
        got = target.stored(got)
        if words(got) != expected:
            wrong.append((name, words(got)[:80], expected[:80]))
    assert not wrong
