"""The models give the same bits whatever the processor can do, where NumPy's own functions do not.

The work that the certified bits are of is done by a Python told to leave this processor's wider
instructions unused; as things are, it is done by `tests/formulations/test_bits.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.arithmetic import same_everywhere

ROOT = Path(__file__).parent.parent.parent


def dispatchable() -> list[str]:
    """Return what NumPy chooses between at run time and this processor has."""
    umath = pytest.importorskip("numpy._core._multiarray_umath")  # NumPy 2 keeps it there
    baseline = set(umath.__cpu_baseline__)
    dispatched = umath.__cpu_dispatch__
    return [f for f in dispatched if f not in baseline and umath.__cpu_features__.get(f, False)]


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    """What is to come out, and what does with the processor's wider instructions switched off."""
    features = dispatchable()
    if not features:
        pytest.skip("NumPy has nothing to switch off on this processor")
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(features)}
    command = [sys.executable, "-m", "tests.arithmetic.same_everywhere"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, text=True) as other:
        # In the meantime:
        here = {"results": same_everywhere.certified(), "native": same_everywhere.native()}
        there = json.loads(other.communicate()[0])
    assert other.returncode == 0
    return here, there


def test_the_models_give_the_same_bits(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    here, there = both
    names = here["results"].keys()
    assert {name.rsplit("/", 2)[0] for name in names} == {
        "float16/strict",
        "float16/wide-sum",
        "float16/fused",
        "float32/strict",
        "float32/wide-sum",
    }
    assert [name for name in names if here["results"][name] != there["results"][name]] == []


def test_numpy_does_not(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    here, there = both
    changed = [name for name, bits in here["native"].items() if bits != there["native"][name]]
    if not changed:
        pytest.skip("NumPy's own functions gave the same bits: the other test shows little here")
    assert {name.split("/")[1] for name in changed} & {"float16", "float32", "float64"}
