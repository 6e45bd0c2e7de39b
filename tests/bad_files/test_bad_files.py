"""Every sample of malformed input gets exactly the message that `expected.json` holds."""

from __future__ import annotations

import json
import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from softmax_tool import errors
from softmax_tool.readers import open_logits

FOLDER = Path(__file__).parent
CASES: list[dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
# Files that only stand beside a malformed one.
SOUND = {
    "good.npy",
    "good_half.npy",
    "good.csv",
    "four_classes.npy",
    "shard_a.csv",
    "shard_b.csv",
    "shard_c.csv",
}
OTHER = {"make.py", "expected.json", Path(__file__).name, "__pycache__"}


def named(case: dict[str, Any]) -> str:
    return " ".join((*case["files"], *(f"{key}={each}" for key, each in case["options"].items())))


@pytest.mark.parametrize("case", CASES, ids=named)
def test_message(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(errors.SoftmaxToolError) as caught:
        for _ in open_logits(case["files"], **case["options"]).blocks(2):
            pass
    assert (type(caught.value).__name__, str(caught.value)) == (case["error"], case["message"])
    assert str(caught.value).isprintable()


def test_every_sample_is_listed() -> None:
    listed = {
        name for case in CASES for name in (*case["files"], *case["options"].get("labels", ()))
    }
    present = set(os.listdir(FOLDER)) - OTHER  # noqa: PTH208
    assert present - listed == set()
    alone = {case["files"][0] for case in CASES if len(case["files"]) == 1}
    as_labels = {name for case in CASES for name in case["options"].get("labels", ())}
    assert present - SOUND - alone - as_labels == set()


def test_samples_are_what_the_script_writes() -> None:
    samples = runpy.run_path(str(FOLDER / "make.py"))["samples"]()
    present = set(os.listdir(FOLDER)) - OTHER  # noqa: PTH208
    assert set(samples) == present
    for name, data in samples.items():
        # What zlib makes of the same bytes differs between its versions.
        if not name.endswith((".gz", ".npz")):
            assert (FOLDER / name).read_bytes() == data, name


@pytest.mark.parametrize("name", sorted(SOUND))
def test_sound_files_are_sound(name: str) -> None:
    assert sum(len(block.logits) for block in open_logits([str(FOLDER / name)]).blocks(2)) >= 1
