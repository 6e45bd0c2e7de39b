"""Rows of logits by recipe: integer arithmetic only, so that every machine makes the same ones."""

from __future__ import annotations

import math
from typing import Any

Recipe = dict[str, Any]

_MULTIPLIER = 6364136223846793005
_INCREMENT = 1442695040888963407


def uniforms(seed: int, count: int) -> list[int]:
    """16-bit integers: the top bits of a 64-bit linear congruential generator (Knuth's MMIX)."""
    state = seed
    out = []
    for _ in range(count):
        state = (state * _MULTIPLIER + _INCREMENT) % 2**64
        out.append(state >> 48)
    return out


def logits(recipe: Recipe) -> list[float]:
    """The float64 logits of a recipe, still to be rounded to a format.

    values: hexadecimal floats. constant: n times value. ramp: start + i·step.
    normal: scale·(Σ of 12 uniforms − 393210)/65536, about the normal distribution.
    spike: base everywhere but height at position `at`.
    cycle: start + (multiplier·i mod modulus)·step.
    Then, where `masked` is k: −inf at every k-th position from 0.
    """
    kind, n = recipe["kind"], recipe.get("n", 0)
    if kind == "values":
        row = [float.fromhex(text) for text in recipe["values"]]
    elif kind == "constant":
        row = [recipe["value"]] * n
    elif kind == "ramp":
        row = [recipe["start"] + i * recipe["step"] for i in range(n)]
    elif kind == "spike":
        row = [recipe["base"]] * n
        row[recipe["at"]] = recipe["height"]
    elif kind == "cycle":
        period = [recipe["multiplier"] * i % recipe["modulus"] for i in range(recipe["modulus"])]
        once = [recipe["start"] + k * recipe["step"] for k in period]
        row = (once * (n // len(once) + 1))[:n]
    elif kind == "normal":
        draws = uniforms(recipe["seed"], 12 * n)
        sums = [sum(draws[12 * i : 12 * i + 12]) for i in range(n)]
        row = [(total - 393210) / 65536 * recipe["scale"] for total in sums]
    else:
        raise ValueError(f"no recipe {kind}")
    if "masked" in recipe:
        row[:: recipe["masked"]] = [-math.inf] * len(row[:: recipe["masked"]])
    return [float(x) for x in row]


def values(*row: float) -> Recipe:
    return {"kind": "values", "values": [float(x).hex() for x in row]}


def weights(n: int) -> tuple[float, ...]:
    """Class weights ((7c mod 5) + 1)/4: exact in every format."""
    return tuple((7 * c % 5 + 1) / 4 for c in range(n))


def probabilities(n: int) -> tuple[float, ...]:
    """Target probabilities (3c mod 8)/16: exact, some of them 0, not normalised."""
    return tuple((3 * c % 8) / 16 for c in range(n))
