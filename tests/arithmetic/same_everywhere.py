"""Print digests of results: run as a program by `test_same_everywhere`, in another environment."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

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
from tests.golden.words import canonical_bytes, load

MODELS = ("strict", "wide-sum", "fused")


def results() -> dict[str, str]:
    """Return the digest of every certified row's results, for each dtype, model and formulation."""
    digests: dict[str, Any] = {}
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
                digest = digests.setdefault(f"{variant}/{quantity}/{formulation}", hashlib.sha256())
                digest.update(canonical_bytes(got))
    return {name: digest.hexdigest() for name, digest in digests.items()}


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
