"""The committed values are what their recipe makes, and the rows are what they were."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import pytest

from tests.golden import long_rows, make, rows
from tests.oracle import oracle


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((make.HERE / f"{name}.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", ["edges", "reference"])
def test_the_recipe_makes_the_file(name: str) -> None:
    assert json.loads(make.compact(make.FILES[name]())) == load(name)


def test_the_generator_is_the_one_the_hashes_were_made_with() -> None:
    row = rows.logits({"kind": "normal", "n": 1000, "scale": 3, "seed": 1003000})
    text = " ".join(x.hex() for x in row)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "f069fa95aca9bbc45cb4badfe0c1023975dcd25750ca626fc53bc864b11cacd9"


def test_some_bits_are_remade() -> None:
    recorded = {entry["id"]: entry for entry in load("bits")["rows"]}
    for name in ("normal-9-10", "ties", "ascending-17", "masked-9", "half-first_overflow"):
        entry = recorded[name]
        assert make.bits_of(entry["row"]) == {k: v for k, v in entry.items() if k != "id"}


def test_every_row_of_bits_is_recorded() -> None:
    assert [(e["id"], e["row"]) for e in load("bits")["rows"]] == make.bit_rows()


@pytest.mark.parametrize("name", ["exp", "log", "log1p"])
def test_elementwise_words_are_the_oracles(name: str) -> None:
    content = load("elementwise")
    for x_word, y_word in content[f"{name}.boundary"] + content[f"{name}.hard"]:
        x = make.float32_of(int(x_word, 16))
        y = make.FUNCTIONS[name](oracle.FLOAT32, x)
        assert struct.pack(">f", y).hex() == y_word


@pytest.mark.parametrize("name", ["exp", "log", "log1p"])
def test_hard_cases_are_hard(name: str) -> None:
    for x_word, _ in load("elementwise")[f"{name}.hard"]:
        assert make.boundary_distance(name, make.float32_of(int(x_word, 16))) < 2.0**-37


def test_traps_are_remade() -> None:
    recorded = {entry["id"]: entry for entry in load("traps")["traps"]}
    for name, _, recipe, labels in make.trap_rows():
        if name in {"sum-overflow", "margin-17", "wrong-100", "masked"}:
            assert make.trap_results(rows.logits(recipe), labels) == recorded[name]["results"]


def test_long_rows_are_remade() -> None:
    recorded = {entry["id"]: entry for entry in load("long")["rows"]}
    assert [(e["id"], e["row"]) for e in recorded.values()] == long_rows.recipes()
    for name in ("spike", "gaps-of-one"):
        assert long_rows.results(name, recorded[name]["row"]) == recorded[name]
