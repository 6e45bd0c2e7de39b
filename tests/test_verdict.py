"""Every number in a verdict is a number of the report, and the sentences say what happened."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool import engine
from softmax_tool.plan import Options
from softmax_tool.readers import from_arrays
from softmax_tool.renderers import render
from softmax_tool.renderers.display import count, number, share, ulp

RNG = np.random.default_rng(11)
INPUTS: dict[str, dict[str, Any]] = {
    "large": {"logits": RNG.normal(size=(40, 10)) * 15, "labels": RNG.integers(0, 10, 40)},
    "calm": {"logits": RNG.normal(size=(40, 10)), "labels": RNG.integers(0, 10, 40)},
    "sum overflows": {"logits": [[11.0859375] * 3]},
    "all underflow": {"logits": [[-20.0, -20.0]]},
    "beyond the format": {"logits": [[1e5, 0.0], [np.nan, 1.0], [1.0001, 1.0]]},
    "confident": {"logits": [[50.0, 0.0], [20.0, 0.0]], "labels": [0, 1]},
    "fused": {
        "logits": [[90.0, -10.0, 5.0], [-120.0, -121.0, -122.0], [88.5] * 3],
        "dtypes": ["half"],
        "arithmetics": ["fused"],
    },
    "long": {"logits": np.zeros((2, 5000)), "labels": [0, 1], "arithmetics": ["strict", "fused"]},
}

# Digits that are part of a name or of a formula, not figures.
NAMES = re.compile(r"float16|float32|float64|log1p|0/0|\b(?:is|to|but is:) 0\b")
FIGURES = re.compile(r"-?\d[\d\u202f]*(?:\.\d+)?(?:e[-+]?\d+)?")


def json_of(report: Any) -> dict[str, Any]:
    stream = io.StringIO()
    render("json", report, stream)
    data: dict[str, Any] = json.loads(stream.getvalue())
    return data


def numbers_in(node: Any) -> set[float]:
    if isinstance(node, dict):
        return set().union(*(numbers_in(v) for k, v in node.items() if k != "verdict"), set())
    if isinstance(node, list):
        return set().union(*(numbers_in(v) for v in node), set())
    if isinstance(node, bool) or node is None:
        return set()
    if isinstance(node, str):
        try:
            return {float(node)}
        except ValueError:
            return set()
    return {float(node)}


def printed(data: dict[str, Any]) -> set[str]:
    """Return every way in which a number of the report may stand in a sentence."""
    texts: set[str] = set()
    for value in numbers_in(data):
        texts |= {number(value), ulp(value)}
        if value.is_integer():
            texts.add(count(int(value)))
    for case in data["cases"]:
        texts.add(share(case["correctly_rounded"], case["judged"]).removesuffix(" %").lstrip("<> "))
    return texts


@pytest.mark.parametrize("name", INPUTS)
def test_every_figure_is_in_the_report(name: str) -> None:
    data = json_of(st.compare(**INPUTS[name]))
    known = printed(data)
    assert data["verdict"]
    for sentence in data["verdict"]:
        for figure in FIGURES.findall(NAMES.sub("", sentence)):
            assert figure in known, (figure, sentence)


def test_the_demonstration_too() -> None:
    data = json_of(engine.compare(engine.demonstration(), Options()))
    known = printed(data)
    for sentence in data["verdict"]:
        for figure in FIGURES.findall(NAMES.sub("", sentence)):
            assert figure in known, (figure, sentence)


def test_what_is_wrong_likewise_is_named() -> None:
    report = st.compare(**INPUTS["large"], dtypes=["float16"])
    hit = {
        case.name.formulation
        for case in report.cases
        if any(k == "silent-error" for k in case.kinds)
    }
    (sentence,) = (s for s in report.verdict if "finite but wrong" in s)
    assert len(hit) > 1
    assert all(name in sentence for name in hit)


def test_nothing_is_called_fine_that_was_not_judged() -> None:
    for logits in ([[70000.0, 1.0, 2.0]], [[np.nan, np.nan]]):
        text = sentences(logits=logits, labels=[0], dtypes=["half"])
        assert "nothing goes wrong" not in text
        assert "bit-identical" not in text
        assert "nothing to judge" in text


def test_rows_that_are_all_ignored_are_told_once_and_not_blamed_on_the_input() -> None:
    ignored = "Every row has the ignored label: no loss was looked at."
    table: dict[str, Any] = {"logits": [[1.0, 2.0], [3.0, 5.0]], "dtypes": ["single", "double"]}
    for report in (st.compare, st.compute):
        told = report(**table, labels=[-100, -100], ops=["ce", "nll"]).verdict
        assert [sentence.startswith(ignored) for sentence in told] == [True]
        both = report(**table, labels=[-100, -100], ops=["softmax", "ce"]).verdict
        assert sum(sentence.startswith(ignored) for sentence in both) == 1
        assert any("nothing goes wrong" in sentence for sentence in both)
        assert ignored not in " ".join(report(**table, labels=[-100, 1], ops=["ce"]).verdict)


def test_a_finite_loss_that_is_wrong_is_told_with_both_values() -> None:
    text = sentences(logits=[[60.0, 0.0]], labels=[1], dtypes=["float32"])
    assert "The mean ce in float32 should be 60, but is: clamped 27.63" in text


def sentences(**arguments: Any) -> str:
    return "\n".join(st.compare(**arguments).verdict)


def test_naive_overflow_is_named_with_its_edge() -> None:
    text = sentences(logits=[[12.5, 0.0], [1.0, 2.0]], dtypes=["half"])
    assert "1 of 2 rows overflows in float16 (naive softmax)" in text
    assert "exp(x) passes 65504 from 11.09375; the largest logit is 12.5." in text
    assert "Subtract the row maximum, or use log-softmax." in text


# mpmath, 40 digits: log((2 - 2**-24) 2**127) = 88.722839052… and -150 log 2 = -103.972077083…; the
# neighbours among the float32 are 88.72283172607422, 88.72283935546875 and -103.97208404541016.
FUSED: dict[str, Any] = {"dtypes": ["half"], "arithmetics": ["fused"], "ops": ["softmax"]}


def test_edges_are_those_of_the_format_that_the_arithmetic_works_in() -> None:
    high = st.compare([[90.0, -10.0, 5.0], [50.0, 1.0, 2.0]], **FUSED)
    start = "1 of 2 rows overflows in float16 (naive softmax): exp(x), taken in float32, passes"
    assert f"{start} 3.40282e+38 from 88.7228; the largest logit is 90." in "\n".join(high.verdict)
    assert [limits.dtype for limits in high.formats] == ["float16", "float32"]
    low = sentences(logits=[[-120.0, -121.0]], **FUSED)
    assert "exp(x), taken in float32, is 0 up to -103.972, and no larger logit" in low
    # exp(88.5) = 2.7e38, three of which are more than float32 holds.
    together = sentences(logits=[[88.5] * 3], **FUSED)
    assert "every exp(x) fits, but their sum passes 3.40282e+38." in together


def test_a_clamp_works_in_the_format_that_it_is_applied_in() -> None:
    labelled: dict[str, Any] = {"logits": [[1.0, 2.0]], "labels": [0], "dtypes": ["half"]}
    assert "clamped formulation does nothing" in sentences(**labelled, arithmetics=["wide-sum"])
    assert "clamped formulation" not in sentences(**labelled, arithmetics=["fused"])


def test_a_sum_that_overflows_is_told_from_an_exponential() -> None:
    text = sentences(logits=[[11.0859375] * 3], dtypes=["half"])
    assert "every exp(x) fits, but their sum passes 65504" in text


def test_other_rows_are_not_said_to_overflow_by_the_largest_logit() -> None:
    rounded: dict[str, Any] = {"dtypes": ["single"], "ops": ["softmax"]}
    alone = sentences(logits=[[100.0, 0.0, 0.0]], **rounded)
    assert "from 88.7228; the largest logit is 100" in alone
    # Three exponentials of 88 fit, but not their sum; the nan row is not judged.
    for first in (100.0, np.nan):
        text = sentences(logits=[[first, 100.0, 0.0], [88.0] * 3], **rounded)
        assert "from 88.7228, and a sum of smaller ones may as well; the largest logit" in text


def test_the_extent_of_silent_errors_is_that_of_all_rows_or_not_told() -> None:
    # The first row is off by 676 ULP (docs/kinds.md), the others by far less.
    logits = [[-17.328125, -17.328125, -17.34375], [-13, -13.5, -14], [-12, -12.5, -12.2]]
    naive: dict[str, Any] = {
        "logits": logits,
        "dtypes": ["half"],
        "ops": ["softmax"],
        "formulations": ["naive"],
    }
    start = "naive softmax is finite but wrong in 2 of 3 rows"
    assert f"{start}, by up to 676 ULP: beyond" in sentences(**naive)
    every = Options(ops=("softmax",), dtypes=("half",), formulations=("naive",))
    for options in (replace(every, rows=(1, 3)), replace(every, columns=(2, 3))):
        report = engine.compare(from_arrays(np.array(logits)), options)
        assert f"{start}: beyond" in "\n".join(report.verdict)
    assert f"{start}: beyond" in "\n".join(st.compute(**naive).verdict)


def test_log1p_is_not_said_to_keep_exponentials_that_are_0() -> None:
    text = sentences(logits=[[0.0] + [-18.0] * 4100], dtypes=["half"], ops=["log-softmax"])
    assert "are 0 or vanish in the sum. The log1p formulation keeps those that are not 0." in text


def test_stalled_sums_and_clamps_and_calm_data() -> None:
    stalled = sentences(logits=np.zeros((1, 4096)), dtypes=["half"], arithmetics=["strict"])
    assert "Running sums stall, or lose more bits than a wide one, in 1 of 1 row" in stalled
    assert "sticks at 2048" in stalled
    assert "clamped formulation does nothing in float16" in sentences(
        logits=[[1.0, 2.0]], labels=[0], dtypes=["half"]
    )
    assert "In float64 nothing goes wrong beyond rounding." in sentences(
        logits=[[1.0, 2.0]], dtypes=["double"]
    )


def test_the_bit_question_is_answered() -> None:
    rows = np.array([[0.6807700991630554, -0.7550623416900635]], np.float32)
    text = sentences(logits=rows, dtypes=["float32"])
    assert "log(softmax) and log-softmax are" in text


def lost_gradients(*formulations: str) -> list[str]:
    """What is said of a row whose gradient, softmax less the label, is subnormal in half."""
    report = st.compare(
        [[16.0, 0.0, -1.0]],
        [0],
        dtypes=["half"],
        ops=["gradient"],
        formulations=[*formulations],
        reduction="sum",
    )
    return [sentence for sentence in report.verdict if "gradient is lost" in sentence]


def test_the_exact_gradient_is_no_way_back() -> None:
    """Its entries of 1e-7 and 4e-8 round to whole subnormals, 6e-8 apart."""
    assert lost_gradients("exact") == []


def test_what_the_stable_way_loses_is_said_where_no_other_loses_more() -> None:
    [alone] = lost_gradients("shifted")
    assert alone.endswith("on the way back through shifted.")
    [beside] = lost_gradients("shifted", "log-of-naive")
    assert "through log-of-naive; through log-softmax (shifted) it is" in beside


def test_nothing_is_called_fine_beside_a_reduced_loss_that_is_wrong() -> None:
    table: dict[str, Any] = {"formulations": ["shifted"], "ops": ["ce"]}
    table |= {"dtypes": ["half"]}
    for logits, told in (
        ([[0.0, 40000.0]] * 2, "overflows: 80000 is beyond 65504"),
        ([[0.0, 0.0]] * 5000, "is off by 1418.8, in a wide accumulator by at most 1.69918"),
    ):
        labels = [0] * len(logits)
        for report in (
            st.compare(logits, labels, arithmetics=["strict"], **table),
            st.compute(logits, labels, arithmetic="strict", **table),
        ):
            text = "\n".join(report.verdict)
            assert told in text
            assert "nothing goes wrong" not in text


def test_a_value_beyond_the_dtype_is_not_called_fine() -> None:
    table: dict[str, Any] = {"logits": [[60000.0, -60000.0]], "dtypes": ["half"]}
    for report in (st.compare, st.compute):
        text = "\n".join(report(ops=["log-softmax"], formulations=["shifted"], **table).verdict)
        assert "the logits of 1 row are more than 65504 apart: a log-probability or a loss" in text
        assert "overflows nowhere" not in text
        assert "nothing goes wrong" not in text


def test_ignored_rows_explain_no_overflow() -> None:
    text = sentences(
        logits=[[20.0, 20.0], [11.0625, 11.0625]],
        labels=[-100, 0],
        dtypes=["half"],
        ops=["ce"],
        formulations=["naive-lse"],
    )
    assert "and a sum of smaller ones may as well; the largest logit is 20" in text


def test_scaled_losses_are_not_explained_by_exponentials_alone() -> None:
    smoothed: dict[str, Any] = {
        "label_smoothing": 0.95,
        "weights": [1.0] * 19 + [20000.0],
        "reduction": "none",
        "dtypes": ["half"],
        "ops": ["ce"],
    }
    text = sentences(
        logits=[[0.0] * 19 + [-7.0]], labels=[19], formulations=["log-of-naive"], **smoothed
    )
    assert "their sum, or a product with a weight or a smoothed target, passes 65504" in text
    assert "of products, use a wider dtype" in text
    smoothed |= {"label_smoothing": 1e-8, "weights": [0.0, 40000.0, 0.0, 0.0]}
    text = sentences(logits=[[0.0] * 4], labels=[0], **smoothed)
    assert "(shifted ce): it, or a factor of it, vanishes beside what is larger" in text
    assert "log1p formulation keeps" not in text


def test_a_chosen_limit_is_what_silent_errors_are_beyond() -> None:
    table: dict[str, Any] = {"logits": [[1.3, 2.7, 0.4]], "dtypes": ["half"], "ops": ["softmax"]}
    assert "beyond the 0.1 ULP that are allowed" in sentences(**table, max_ulp=0.1)
    assert "finite but wrong" not in sentences(**table)


def test_a_sum_of_few_terms_is_off_without_having_stalled() -> None:
    logits = [[0.062098238471834655, -0.050833752304506964, -0.07351137925914626]]
    report = st.compare(logits, dtypes=["half"], arithmetics=["strict"], ops=["softmax"])
    assert (
        "Running sums stall, or lose more bits than a wide one, in 1 of 1 row" in report.verdict[0]
    )
    (why,) = {f.why for case in report.cases for f in case.worst if f.kind == "stalled-sum"}
    assert why.startswith("the running sum is off by 0.00146484, a wide one by at most 0.0014")


def test_nothing_is_called_fine_beside_a_loss_that_is_not_finite() -> None:
    half: dict[str, Any] = {"dtypes": ["half"], "ops": ["ce"], "formulations": ["shifted"]}
    logits, labels = [[0.0, 1.0], [0.0, 1.0]], [0, 1]
    for weights in ([1.0, 1e6], [1e-9, 1e-9], [0.0, 0.0]):
        for report in (st.compare, st.compute):
            text = "\n".join(report(logits, labels, weights=weights, **half).verdict)
            assert "The mean ce in float16 is not finite: shifted nan" in text
            assert "nothing goes wrong" not in text
    row: dict[str, Any] = {"weights": [1.0, 1000.0], "reduction": "none"}
    for report in (st.compare, st.compute):
        text = "\n".join(report([[0.0, -100.0], logits[0]], [1, 0], **row, **half).verdict)
        assert "The ce of some rows in float16 is not finite (shifted)" in text
        assert "nothing goes wrong" not in text
    double: dict[str, Any] = {**half, "dtypes": ["double"], "reduction": "sum"}
    text = "\n".join(st.compute([[0.0, 1.5e308]] * 2, [0, 0], **double).verdict)
    assert "The sum ce in float64 is not finite: shifted inf" in text
    assert "nothing goes wrong" not in text


def test_a_distance_that_rounds_to_the_largest_number_is_not_beyond_it() -> None:
    table: dict[str, Any] = {"dtypes": ["half"], "ops": ["log-softmax"]}
    assert "apart" not in sentences(logits=[[65504.0, -15.0]], **table)
    assert "1 row are more than 65504 apart" in sentences(logits=[[65504.0, -16.0]], **table)


def test_what_a_mean_divides_by_is_not_taken_for_its_losses() -> None:
    logits = [[0.0, 1.0]] * 3 + [[0.0, -20.0]] * 4000
    text = sentences(
        logits=logits,
        labels=[0] * len(logits),
        dtypes=["half"],
        arithmetics=["strict"],
        ops=["ce"],
        formulations=["shifted"],
    )
    assert "Adding up what the mean shifted ce is divided by in float16 is off by 1955" in text


def test_a_loss_that_is_correctly_rounded_is_not_called_wrong() -> None:
    """log1p(exp(-16)) = 1.125e-07 lies between two subnormal numbers of half precision."""
    text = sentences(
        logits=[[16.0, 0.0]],
        labels=[0],
        dtypes=["half"],
        ops=["ce"],
        formulations=["log1p", "exact"],
    )
    assert text == "In float16 nothing goes wrong beyond rounding."
    text = sentences(
        logits=[[16.0, 0.0]],
        labels=[0],
        dtypes=["half"],
        ops=["ce"],
        formulations=["log1p", "shifted"],
    )
    assert "should be 1.12535e-07, but is: shifted 0." in text


def test_gradients_that_are_not_finite_are_told() -> None:
    table: dict[str, Any] = {
        "logits": [[30.0, 0.0], [1.0, 2.0]],
        "labels": [0, 0],
        "dtypes": ["half"],
        "ops": ["gradient"],
    }
    told = (
        "In float16 the gradients of some rows are not finite on the way back through "
        "{}; through log-softmax (shifted) they all are."
    )
    names = "log-of-naive, log-of-shifted, naive-lse, clamped"
    assert told.format(names) in sentences(**table)
    formulations = ["log-of-shifted", "shifted", "clamped"]
    computed = st.compute(formulations=formulations, **table)
    assert told.format("log-of-shifted, clamped") in computed.verdict


def test_logits_of_two_rows_are_not_far_apart() -> None:
    table: dict[str, Any] = {"dtypes": ["half"], "formulations": ["shifted"]}
    text = sentences(logits=[[40000.0, 39968.0], [-40000.0, -40032.0]], **table)
    assert "apart" not in text
    assert "shifted softmax overflows nowhere" in text


@pytest.mark.parametrize("report", [st.compare, st.compute])
def test_weights_that_a_dtype_makes_infinite_or_0_are_told(report: Any) -> None:
    table: dict[str, Any] = {"logits": [[1.0, 0.0]], "labels": [0], "dtypes": ["half"]}
    told = (
        "Rounding the weights to float16 makes some of them infinite, the largest float16 being "
        "65504 and some 0: losses are those of the rounded weights. Scale the weights, or use a "
        "wider dtype."
    )
    assert told in report(weights=[70000.0, 1e-9], **table).verdict
    assert not any("weights" in said for said in report(weights=[7.0, 0.0], **table).verdict)
    unweighed = report(weights=[70000.0, 1.0], ops=["softmax"], **table)
    assert not any("weights" in said for said in unweighed.verdict)


@pytest.mark.parametrize("op", ["ce", "nll"])
def test_a_loss_that_is_infinite_for_a_probability_of_0_is_explained(op: str) -> None:
    # exp(-30) is 0 in float16, of which half the smallest is 2**-25.
    report = st.compute([[-30.0, 1.0, 2.0], [3.0, 4.0, 5.0]], [0, 2], ops=[op], dtypes=["half"])
    assert (
        f"log-of-naive {op} is not finite in 1 of 2 rows in float16: a probability underflowed to "
        "0, the logarithm of which is -inf. Use log-softmax."
    ) in report.verdict
