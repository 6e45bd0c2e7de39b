"""Every report of the real engine is valid against its schema, and its numbers add up."""

from __future__ import annotations

import io
import json
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pytest

import softmax_tool as st
from softmax_tool import engine
from softmax_tool.plan import Options
from softmax_tool.renderers import render

RNG = np.random.default_rng(5)
LOGITS = RNG.normal(size=(30, 7)) * 20
LABELS = RNG.integers(0, 7, 30)
MASKED = np.where(RNG.random((30, 7)) < 0.2, -np.inf, LOGITS)
PROBABILITIES = RNG.dirichlet(np.ones(7), 30)

COMPARED: dict[str, dict[str, Any]] = {
    "plain": {"logits": LOGITS},
    "labelled": {"logits": LOGITS, "labels": LABELS},
    "row by row": {"logits": LOGITS, "labels": LABELS, "reduction": "none"},
    "masked, all arithmetics": {
        "logits": MASKED,
        "labels": LABELS,
        "arithmetics": ["strict", "wide-sum", "fused", "native"],
    },
    "weights and smoothing": {
        "logits": LOGITS,
        "labels": LABELS,
        "weights": np.arange(7) - 1.0,
        "label_smoothing": 0.25,
        "reduction": "sum",
    },
    "probabilities": {"logits": LOGITS, "labels": PROBABILITIES},
    "far beyond": {"logits": [[1e308, -1e308], [-999, 6], [60000, -60000]], "labels": [1, 0, 1]},
    "rank 3, class axis 1": {
        "logits": RNG.normal(size=(3, 5, 4)),
        "labels": RNG.integers(0, 5, (3, 4)),
        "axis": 1,
        "reduction": "none",
    },
    "all ignored": {"logits": LOGITS, "labels": np.full(30, -100)},
    "one class": {"logits": [[1.0], [2.0]], "labels": [0, 0]},
}


def validated(report: Any) -> dict[str, Any]:
    stream = io.StringIO()
    render("json", report, stream)
    data: dict[str, Any] = json.loads(stream.getvalue())
    schema = json.loads((files("softmax_tool.schemas") / f"{data['command']}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(data)
    return data


@pytest.mark.parametrize("name", COMPARED)
def test_compare(name: str) -> None:
    data = validated(st.compare(**COMPARED[name]))
    for case in data["cases"]:
        assert sum(count for _, count in case["ulp_histogram"]) == case["judged"]
        assert case["judged"] <= case["elements"]
        assert case["correctly_rounded"] <= case["judged"]
        for counts in case["kinds"].values():
            assert counts["unavoidable"] <= counts["elements"]
            assert counts["rows"] <= min(counts["elements"], case["rows"])
            assert counts["roots"] <= counts["elements"]
        if case["arithmetic"] is None:
            assert case["correctly_rounded"] == case["judged"]
        for finding in case["worst"]:
            assert finding["got"] != finding["exact"] or finding["ulp"] == 0


@pytest.mark.parametrize("name", [n for n in COMPARED if "arithmetics" not in COMPARED[n]])
def test_compute(name: str) -> None:
    report = st.compute(**COMPARED[name], dtypes=["float16", "float64"])
    data = validated(report)
    shape = data["input"]["shape"]
    for result in data["results"]:
        assert list(np.shape(result["values"])) == shape


def test_limits_and_the_demonstration() -> None:
    validated(st.limits())
    data = validated(engine.compare(engine.demonstration(), Options()))
    assert data["input"]["paths"] == ["<demonstration>"]


def test_values_too_small_for_float64_are_decimals() -> None:
    data = validated(st.compare([[60000.0, -60000.0]], dtypes=["half"], ops=["log-softmax"]))
    (naive,) = (c for c in data["cases"] if c["formulation"] == "log-of-naive")
    (finding,) = (f for f in naive["worst"] if f["column"] == 0)
    # log-softmax is −log1p(e**-120000), and log10 e · 120000 = 52115.3377857…: 4.594E-52116
    assert finding["exact"].startswith("-4.59")
    assert finding["exact"].upper().endswith("E-52116")


def test_nll_of_log_softmax_is_cross_entropy() -> None:
    report = st.compare(LOGITS, LABELS)
    for pair in report.pairs:
        if (pair.a[0], pair.b[0]) == ("nll", "ce"):
            assert pair.identical


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("least", [-740, -744, -746, -800, -12000])
def test_a_zero_in_place_of_what_float64_cannot_hold_is_wrong_by_all_of_it(
    least: float, dtype: str
) -> None:
    """|0 − y| / |y| is 1 however small y is."""
    report = st.compare(
        np.array([[0.0, 1.0, 2.0, least], [1.0, 2.0, 3.0, 4.0]]),
        dtypes=[dtype],
        ops=["softmax"],
        formulations=["shifted"],
    )
    is_held = dtype == "float64" and least > -744
    (case,) = (case for case in report.cases if case.name.formulation == "shifted")
    assert case.max_rel_error is not None
    assert (case.max_rel_error < 1) if is_held else (case.max_rel_error == 1)


def test_reports_and_what_holds_arrays_are_equal_to_themselves_alone() -> None:
    options: dict[str, Any] = {"logits": LOGITS, "labels": LABELS, "reduction": "none"}
    for function in (st.compute, st.compare):
        one, other = function(**options), function(**options)
        assert one == one  # noqa: PLR0124
        assert one != other
        assert (one.losses[0] == other.losses[0]) is False
        assert len({one, other, one, one.losses[0], other.losses[0]}) == 4
    computed = st.compute(LOGITS)
    assert computed.results[0] != st.compute(LOGITS).results[0]
    assert len({computed.results[0], computed.shown}) == 2
    assert st.limits() == st.limits()
    assert hash(st.limits()) == hash(st.limits())


def test_a_reduction_that_fails_by_what_it_divides_by_says_so() -> None:
    """60000 and 60000 are float16s, their sum 120000 is beyond; losses of 0 add up to 0."""
    options: dict[str, Any] = {"dtypes": ["half"], "ops": ["ce"], "formulations": ["shifted"]}
    rows: dict[str, Any] = {"logits": [[20.0, -20.0]] * 2, "labels": [0, 0]}
    data = validated(st.compare(**rows, weights=[60000, 1], arithmetics=["strict"], **options))
    (loss,) = data["losses"]
    assert loss["reduced"]["of_divisors"] is True
    assert (loss["reduced"]["kind"], loss["reduced"]["operand"]) == ("overflow", 120000)
    losing: dict[str, Any] = {"logits": [[0.0, 60000.0]] * 2, "labels": [0, 0]}
    data = validated(st.compare(**losing, arithmetics=["strict"], **options))
    assert data["losses"][0]["reduced"]["of_divisors"] is False
