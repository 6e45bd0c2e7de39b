"""The reference against ball arithmetic: every certified value, in every format."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from softmax_tool import exact
from softmax_tool.formats import FORMATS, find_format
from softmax_tool.tiling import TILE
from tests.golden.words import from_words, load, words

GOLDEN = load("reference")


def row_of(texts: list[str]) -> Any:
    return np.array([[float.fromhex(text) for text in texts]])


@pytest.mark.parametrize("quantity", ["softmax", "log-softmax"])
@pytest.mark.parametrize("dtype", list(FORMATS))
@pytest.mark.parametrize("entry", GOLDEN["rows"], ids=lambda e: e["id"])
def test_certified_rows(entry: dict[str, Any], dtype: str, quantity: str) -> None:
    target = find_format(dtype)
    x = target.round(row_of(entry["row"])).astype(np.float64)
    reference = exact.reference(x, target)
    true = reference.softmax if quantity == "softmax" else reference.log_softmax
    rounded = target.stored(target.round(np.where(reference.invalid, np.nan, true.hi)))[0]
    assert [words(value) for value in rounded[:, None]] == entry[quantity][dtype]


def test_float64_values_carry_their_tails() -> None:
    for entry in GOLDEN["rows"]:
        if "decimal" not in entry["softmax"]:
            continue
        reference = exact.reference(row_of(entry["row"]), FORMATS["float64"])
        for true, texts in (
            (reference.softmax, entry["softmax"]["decimal"]),
            (reference.log_softmax, entry["log-softmax"]["decimal"]),
        ):
            assert true.tail is not None
            for hi, tail, text in zip(true.hi[0], true.tail[0], texts, strict=True):
                if text in {"nan", "-inf", "inf"} or not np.isfinite(hi):
                    continue
                if (
                    int(text.lower().partition("e")[2] or 0) < -400
                ):  # far below η: nothing but 0 can be known
                    assert hi == 0
                    continue
                ulp = Fraction(FORMATS["float64"].ulp(float(hi)))
                known = Fraction(float(hi)) + Fraction(float(tail)) * ulp
                # Forty digits of the truth; the reference promises 2**-90 and η/2**40.
                truth = Fraction(text)
                assert abs(known - truth) <= abs(truth) * Fraction(1, 2**90) + ulp / 2**40


def test_words_round_trip() -> None:
    assert from_words("3c00", np.dtype(np.float16))[0] == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_single_elements_of_one_long_row(dtype: str) -> None:
    """More of them than are made at once."""
    target = FORMATS[dtype]
    logits = target.round(np.random.default_rng(5).standard_normal((1, TILE + 100)) * 3)
    reference = exact.reference(logits, target)
    columns = np.arange(logits.shape[1])[::-1]
    some = reference.pick(np.zeros_like(columns), columns)
    for picked, whole in (
        (some.softmax, reference.softmax),
        (some.log_softmax, reference.log_softmax),
    ):
        # Single ones are as good as float64 at least.
        assert np.allclose(picked.hi[:, 0], whole.hi[0, columns], rtol=1e-14, atol=0)
