"""Print results: run as a program by `test_same_everywhere`, in another environment."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np

from softmax_tool import exact
from softmax_tool.arithmetic import find_model
from softmax_tool.arithmetic.sharing import Sharing
from softmax_tool.computation import Computation
from softmax_tool.formats import find_format
from softmax_tool.formulations import FORMULATIONS
from softmax_tool.rows import Rows, Yardsticks
from tests.formulations.test_bits import targets_of
from tests.golden import rows
from tests.golden.words import load, words

MODELS = ("strict", "wide-sum", "fused")


def results() -> dict[str, list[str]]:
    """Return every certified row's results, for each dtype, model and formulation."""
    found: dict[str, list[str]] = {}
    for entry in load("bits")["rows"]:
        row = np.array([rows.logits(entry["row"])])
        for variant, expected in entry["cases"].items():
            dtype, arithmetic = variant.split("/")
            if arithmetic not in MODELS:
                continue
            target, model = find_format(dtype), find_model(arithmetic)
            x = target.round(row)
            xp = Sharing(model.build(target))
            reference = exact.reference(x.astype(np.float64), target)
            for name in expected:
                quantity, _, rest = name.partition("/")
                formulation, _, kind = rest.partition("@")
                targets = targets_of(kind, entry["label"], x.shape[1], target) if kind else None
                yardsticks = Yardsticks(Rows(x, targets, reference), target, None)
                computation = Computation(FORMULATIONS[quantity, formulation], model, yardsticks)
                got = target.stored(computation.compute(xp))
                found.setdefault(f"{variant}/{quantity}/{formulation}", []).append(words(got))
    return found


def certified() -> dict[str, list[str]]:
    """Return what `results` is to be: `tests/formulations/test_bits.py` tells that it is here."""
    found: dict[str, list[str]] = {}
    for entry in load("bits")["rows"]:
        for variant, expected in entry["cases"].items():
            if variant.split("/")[1] in MODELS:
                for name, bits in expected.items():
                    found.setdefault(f"{variant}/{name.partition('@')[0]}", []).append(bits)
    return found


def native() -> dict[str, str]:
    """Return digests of NumPy's own functions in each dtype."""
    x = np.random.default_rng(0).uniform(0.01, 10, 200_000)
    return {
        f"{function}/{dtype}": hashlib.sha256(getattr(np, function)(x.astype(dtype))).hexdigest()
        for function in ("exp", "log", "log1p")
        for dtype in ("float16", "float32", "float64")
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"results": results(), "native": native()}))
