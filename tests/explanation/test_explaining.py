from __future__ import annotations

import io
import json
from decimal import Context, Decimal
from math import exp, isnan, log
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.arithmetic import MODELS
from softmax_tool.explanation.explaining import Request, explain
from softmax_tool.explanation.row import read_row
from softmax_tool.explanation.steps import SHOWN
from softmax_tool.readers import Block, open_logits
from softmax_tool.renderers.display import on_board
from softmax_tool.renderers.json import render as render_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from softmax_tool.explanation.report import Entry, ExplainReport


def column(report: ExplainReport, step: str, way: int) -> list[str]:
    """Print the values of one way through a step as they stand on the board."""
    [found] = [s for s in report.steps if s.name == step]
    return [on_board(entry.value) for entry in found.ways[way].entries]


def truths(report: ExplainReport, step: str, way: int) -> list[str]:
    [found] = [s for s in report.steps if s.name == step]
    return [on_board(entry.exact) for entry in found.ways[way].entries]


# The textbook's figures, to six decimals: eˣ and their sum; z, eᶻ and their sum; softmax.
TEXTBOOK = {
    ("exp", 0): ["7.389056", "2.718282", "1.105171"],
    ("sum", 0): ["11.212509"],
    ("shift", 0): ["0", "-1", "-1.900000"],
    ("exp", 1): ["1", "0.367879", "0.149569"],
    ("sum", 1): ["1.517448"],
    ("divide", 0): ["0.659001", "0.242433", "0.098566"],
    ("divide", 1): ["0.659001", "0.242433", "0.098566"],
}


@pytest.mark.parametrize(("step", "way"), TEXTBOOK)
def test_the_textbook(step: str, way: int) -> None:
    report = st.explain()
    assert column(report, step, way) == TEXTBOOK[step, way]
    assert truths(report, step, way) == TEXTBOOK[step, way]


def test_the_textbook_goes_well() -> None:
    report = st.explain()
    assert report.trouble == ()
    [said] = report.story
    assert said.endswith("beyond rounding: both ways give the same softmax but for that.")
    # exp(1), rounded or not, over twice as much.
    [said] = st.explain([[1.0, 1.0]], dtype="float32").story
    assert said.endswith("both ways give the same softmax, to the last bit.")
    p = [exp(x) / (exp(2) + exp(1) + exp(0.1)) for x in (2, 1, 0.1)]
    told = report.information
    assert told.entropy == pytest.approx(-sum(q * log(q) for q in p))
    assert told.information == pytest.approx(-log(p[0]))
    assert told.information_bits == pytest.approx(-log(p[0]) / log(2))
    assert {loss.identical for loss in report.losses} == {True}


def test_limits_are_those_of_the_format_in_which_the_step_is_taken() -> None:
    # mpmath: log((2 - 2**-24) 2**127) = 88.722839052… and -150 log 2 = -103.972077083…
    fused = st.explain([[100.0, -10.0, 5.0]], dtype="half", arithmetic="fused")
    found = {(t.quantity, t.formulation): t.why for t in fused.trouble}
    assert found["softmax", "naive"].startswith(
        "exp(100) in column 0 overflows: float32, in which it is taken, does from "
        "88.72283935546875 on;"
    )
    assert found["log-softmax", "log-of-shifted"].startswith(
        "exp(-110) in column 1 is 0: float32, in which it is taken, gives 0 up to "
        "-103.97208404541016,"
    )
    # exp(88.5) = 2.7e38, three of which are more than float32 holds.
    together = st.explain([[88.5] * 3], dtype="half", arithmetic="fused").trouble[0]
    assert together.why.startswith("the sum 8.")
    assert "the largest float32" in together.why
    strict = st.explain([[100.0, -10.0, 5.0]], dtype="half").trouble[0]
    assert strict.why.startswith("exp(100) in column 0 overflows: float16 does from 11.09375 on;")


def test_errors_are_those_of_the_exact_value_shown_beside_them() -> None:
    # Fractions and mpmath: exp(-42.4…) / 2**-24, and exp(-100) / 2**-17: of -100 - 3.72e-44.
    report = st.explain([[7.6, 50.0]], [1], dtype="float32")
    far = exp(7.599999904632568 - 50)
    found = {step.name: step for step in report.steps}
    for way in found["divide"].ways:
        assert way.entries[1].ulp == pytest.approx(far * 2.0**24, rel=1e-14, abs=0)
    report = st.explain([[0.0, -100.0]], [1], dtype="float32")
    found = {step.name: step for step in report.steps}
    off = exp(-100) * 2.0**17
    assert found["log"].ways[2].entries[1].ulp == pytest.approx(off, rel=1e-14, abs=0)
    assert report.losses[2].ulp == pytest.approx(off, rel=1e-14, abs=0)
    assert report.gradient is not None
    # p - 1 at the label is -1 + exp(-100): its ULP is that below 1.
    off = exp(-100) * 2.0**24
    assert report.gradient.ways[2].entries[1].ulp == pytest.approx(off, rel=1e-14, abs=0)


def test_a_perplexity_is_told_from_one() -> None:
    # mpmath: H = log(1 + t) + 50 t / (1 + t) with t = exp(-50) is 9.83662422461599e-21.
    told = st.explain([[50.0, 0.0]], dtype="float32").information
    assert told.entropy == pytest.approx(9.83662422461599e-21, rel=1e-14, abs=0)
    assert told.perplexity == 1
    assert told.perplexity_minus_one == pytest.approx(9.83662422461599e-21, rel=1e-14, abs=0)
    far = st.explain([[2000.0, -10.0]], dtype="float32").information
    # exp(-2010) 2011, in decimals.
    assert isinstance(far.perplexity_minus_one, Decimal)
    true = Decimal(2011) * Context(prec=30).exp(Decimal(-2010))
    assert abs(far.perplexity_minus_one / true - 1) < Decimal("1e-13")
    for certain in ([[2.0, 1.0, 0.1]], [[1.0]]):
        assert st.explain(certain, dtype="float32").information.perplexity_minus_one is None


@pytest.mark.parametrize("low", [-80.0, -90.0, -100.0])
def test_both_sums_of_exponentials_are_told_from_one(low: float) -> None:
    [total] = [s for s in st.explain([[0.0, low]], dtype="float32").steps if s.name == "sum"]
    for way in total.ways:
        assert way.entries[0].exact_minus_one == pytest.approx(exp(low), rel=1e-15, abs=0)


def test_a_thousand_below() -> None:
    report = st.explain([[-999, 1, 2, 5, 6]], [0], dtype="float32")
    assert column(report, "divide", 1) == ["0", "0.004837", "0.013149", "0.264104", "0.717910"]
    assert truths(report, "log", 2) == [
        *("-1005.331412", "-5.331412", "-4.331412", "-1.331412", "-0.331412")
    ]
    found = {(t.quantity, t.formulation): t for t in report.trouble}
    assert found["softmax", "shifted"].unavoidable
    lost = found["log-softmax", "log-of-shifted"]
    # exp(x) is 0 in float32 up to -103.97208404541016
    assert (lost.kind, lost.step, lost.operand, lost.limit) == (
        *("log-of-zero", "exp", -1005.0, -103.97208404541016),
    )
    assert lost.margin == pytest.approx(1005 - 103.97208404541016, rel=1e-15)
    assert "log Σ exp(x − m)" in lost.repair
    assert ("log-softmax", "shifted") not in found
    assert {x.formulation: x.nll for x in report.losses}["log-of-shifted"] == np.inf


# Row, dtype, arithmetic; the worst of naive softmax: kind, step, operand, limit.
TRAPS = [
    ([12, 11.5, 3], "half", "wide-sum", "overflow", "exp", 12.0, 11.09375),
    # Every exponential is finite; three times the float16 nearest to exp(11.0859375) is not.
    ([11.0859375] * 3, "half", "wide-sum", "overflow", "sum", 3 * 65248.0, 65504.0),
    ([-18, -19], "half", "wide-sum", "zero-denominator", "exp", -18.0, -17.34375),
    ([0.0] * 3000, "half", "strict", "stalled-sum", "sum", 1.0, 1.0),
]


@pytest.mark.parametrize(("row", "dtype", "arithmetic", "kind", "step", "operand", "limit"), TRAPS)
def test_where_it_breaks(
    row: list[float],
    dtype: str,
    arithmetic: str,
    kind: str,
    step: str,
    operand: float,
    limit: float,
) -> None:
    report = st.explain([row], dtype=dtype, arithmetic=arithmetic)
    worst = next(t for t in report.trouble if (t.quantity, t.formulation) == SHOWN[0])
    assert (worst.kind, worst.step, worst.operand, worst.limit) == (kind, step, operand, limit)
    assert worst.margin == abs(operand - limit)
    assert worst.said in report.story[0]


@pytest.mark.parametrize("arithmetic", MODELS)
def test_the_values_are_those_of_the_formulations(arithmetic: str) -> None:
    """The board shows what `compute` computes, bit for bit."""
    row = np.random.default_rng(3).normal(size=(1, 12)).astype(np.float16) * 4
    report = st.explain(row, dtype="half", arithmetic=arithmetic)
    computed = st.compute(
        row,
        dtypes=["half"],
        arithmetic=arithmetic,
        ops=["softmax", "log-softmax", "log-of-softmax"],
        formulations=["naive", "shifted"],
    )
    values = {(r.name.quantity, r.name.formulation): r.values for r in computed.results}
    seen = set()
    for step in report.steps:
        for way in step.ways:
            if way.entries[0].ulp is not None:
                got = [entry.value for entry in way.entries]
                expected = values[way.quantity, way.formulation]
                assert expected is not None
                np.testing.assert_array_equal(got, expected[0].astype(np.float64))
                seen.add((way.quantity, way.formulation))
    assert seen >= set(SHOWN) - {("log-softmax", "log-of-naive")}


def test_many_classes_are_folded() -> None:
    row = np.random.default_rng(5).normal(size=(1, 128_256)).astype(np.float32)
    row[0, 777] = 12.0
    row[0, 5] = -40.0
    report = st.explain(row, [99], dtype="half", column=-1)
    shown = [x.column for x in report.logits]
    assert {777, 99, 128_255} <= set(shown)
    assert len(shown) <= 16
    assert report.folded == 128_256 - len(shown)
    assert report.steps[1].columns == tuple(shown)


def test_integers_are_read_exactly() -> None:
    [logit] = st.explain(np.array([[2**53 + 1]])).logits
    assert logit.rounded == 2.0**53
    assert logit.difference == -1


@pytest.mark.parametrize("row", [[np.nan, 1], [np.inf, 1], [-np.inf, -np.inf], [1e39, 0]])
def test_a_row_that_is_nan_is_nobodys_fault(row: list[float]) -> None:
    report = st.explain([row], [1], dtype="float32")
    assert report.trouble == ()
    assert "nan by definition" in report.story[0]
    assert report.information.entropy is None
    assert all(isnan(x.nll) for x in report.losses)


def test_a_masked_class_is_in_order() -> None:
    report = st.explain([[1.0, -np.inf, 0.5]], dtype="half")
    assert report.trouble == ()
    assert report.argmax.after == {"naive": (0,), "shifted": (0,)}


def test_argmax_that_rounding_ties() -> None:
    # Between 2048 and 4096 float16 holds even numbers only.
    argmax = st.explain([[2049.0, 2048.0]], dtype="half").argmax
    assert (argmax.read, argmax.rounded, argmax.after["shifted"]) == ((0,), (0, 1), (0, 1))
    assert argmax.after["naive"] == ()


def test_an_ignored_row_has_no_loss() -> None:
    report = st.explain([[1.0, 2.0]], [-100])
    assert report.ignored
    assert report.losses == ()


@pytest.mark.parametrize("row", [-3, 3])
def test_a_row_that_is_not_there(row: int) -> None:
    with pytest.raises(st.UsageError, match=r"row -?3: <array> has 2 rows \(0…1"):
        st.explain([[1.0, 2.0], [3.0, 4.0]], row=row)


def test_what_cannot_be_explained() -> None:
    for column in (2, -3):
        wrong = rf"column {column}: the logits have 2 classes \(0…1, or -2…-1 from the end\)"
        with pytest.raises(st.UsageError, match=wrong):
            st.explain([[1.0, 2.0]], column=column)
    with pytest.raises(st.UsageError, match=r"class labels, .* compute and compare take"):
        st.explain([[1.0, 2.0]], [[0.5, 0.5]])


@pytest.mark.parametrize(("row", "first"), [(0, 1.0), (2, 5.0), (-1, 5.0), (-3, 1.0)])
def test_rows_of_text_count_from_the_end_too(tmp_path: Path, row: int, first: float) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2\n3,4\n5,6\n")
    assert read_row(open_logits([str(path)]), row).logits[0, 0] == first


@pytest.mark.parametrize(("row", "shape"), [(0, [None, 2]), (2, [None, 2]), (-1, [3, 2])])
def test_the_shape_of_text_that_was_not_read_to_its_end(
    tmp_path: Path, row: int, shape: list[int | None]
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2\n3,4\n5,6\n")
    stream = io.StringIO()
    render_json(explain(open_logits([str(path)]), Request(row=row)), stream)
    assert json.loads(stream.getvalue())["input"]["shape"] == shape


def test_nothing_is_read_below_the_row() -> None:
    class Guarded:
        paths, shape, classes, axis = ("x",), None, 2, 1

        def blocks(self, _: int) -> Iterator[Block]:
            yield Block(0, np.zeros((2, 2)), None)
            raise AssertionError("read on")

    source: Any = Guarded()
    assert read_row(source, 1).start == 1
    with pytest.raises(AssertionError, match="read on"):
        read_row(source, 2)


def test_the_label_is_named_where_it_is_as_bad_as_any() -> None:
    row = [[-999.0, -998.0, 0.0]]
    found = {(t.quantity, t.formulation): t for t in st.explain(row, [1], dtype="single").trouble}
    assert found["log-softmax", "log-of-shifted"].column == 1
    found = {(t.quantity, t.formulation): t for t in st.explain(row, dtype="single").trouble}
    assert found["log-softmax", "log-of-shifted"].column == 0


def test_a_margin_says_on_which_side() -> None:
    overflow = st.explain([[12.0, 0.0]], dtype="half").trouble[0]
    assert overflow.why.endswith("; that is 0.90625 above it")
    vanished = st.explain([[-18.0, -19.0]], dtype="half").trouble[0]
    assert vanished.why.endswith("; that is 0.65625 below it")
    # A sum near 1 in float32, where half an ULP is 2**-24: it is on neither side of that.
    coarse = st.explain([[12.0, 0.0]], dtype="half", arithmetic="fused").trouble[-1]
    assert (coarse.formulation, coarse.step, coarse.limit, coarse.margin) == (
        "shifted",
        "sum",
        2.0**-24,
        None,
    )
    assert coarse.why.endswith("is rounded too coarsely: half of its ULP is 5.960464477539063e-08")


def test_a_row_of_probabilities_is_told() -> None:
    assert "The row sums to 1" in st.explain([[0.5, 0.25, 0.25]]).story[0]


def test_what_is_absorbed_is_mended_by_log1p_on_every_way() -> None:
    found = st.explain([[34.0, 14.0]], dtype="single").trouble
    assert {t.kind for t in found if t.quantity == "log-softmax"} == {"absorbed"}
    assert all("log1p" in t.repair for t in found if t.quantity == "log-softmax")


def slopes(report: ExplainReport, formulation: str) -> tuple[Entry, ...]:
    assert report.gradient is not None
    [way] = [x for x in report.gradient.ways if x.formulation == formulation]
    return way.entries


def test_the_gradient_is_softmax_less_the_label() -> None:
    # The textbook's softmax, 0.659001 less 1.
    for formulation in ("log-of-naive", "log-of-shifted", "shifted"):
        entries = slopes(st.explain(), formulation)
        assert [on_board(x.exact) for x in entries] == ["-0.340999", "0.242433", "0.098566"]
        assert [x.value for x in entries] == pytest.approx([-0.340999, 0.242433, 0.098566], 1e-5)
        assert all(x.kind == "" for x in entries)
    # exp(-20) / (1 + exp(-20)), which p − 1 in float32 takes for 0.
    [slope, _] = slopes(st.explain([[20.0, 0.0]], [0], dtype="single"), "shifted")
    assert slope.exact == pytest.approx(-2.0611536e-09, rel=1e-7)
    assert st.explain([[1.0, 2.0]]).gradient is None
    assert st.explain([[1.0, float("nan")]], [0]).gradient is None
    assert st.explain([[1.0, 2.0]], [-100]).gradient is None


def test_the_gradient_through_a_logarithm_of_zero_is_nan() -> None:
    """The label's probability is 2.455e-437: log-softmax is what still teaches."""
    report = st.explain([[-999.0, 1.0, 2.0, 5.0, 6.0]], [0], dtype="single")
    assert all(isnan(x.value) for x in slopes(report, "log-of-naive"))
    assert all(isnan(x.value) for x in slopes(report, "log-of-shifted"))
    true = [-1, 0.00483724, 0.013149, 0.264104, 0.71791]
    assert [x.value for x in slopes(report, "shifted")] == pytest.approx(true, rel=1e-5)
    assert [float(x.exact) for x in slopes(report, "shifted")] == pytest.approx(true, rel=1e-5)
    assert report.gradient is not None
    assert [way.lost_share for way in report.gradient.ways[:2]] == [1, 1]
    assert report.story[-2].startswith(
        "Back through log(naive softmax) and log(shifted softmax) all"
    )
    [naive, _] = [x for x in report.trouble if x.quantity == "gradient"]
    assert (naive.step, naive.at_column, naive.operand) == ("exp", 0, -999.0)
    assert "log-softmax" in naive.repair


def test_loss_scaling_is_named_where_log_softmax_does_not_help() -> None:
    # The true gradient is ±exp(-20), 2e-09, and float16 has nothing between 0 and 6e-08.
    report = st.explain([[20.0, 0.0]], [0], dtype="half")
    assert [x.value for x in slopes(report, "shifted")] == [0, 0]
    assert "loss scaling" in report.story[-1]


def test_a_gradient_that_vanished_teaches_nothing() -> None:
    """In float16 both logits are so far apart that 1 absorbs exp(-8) in the sum."""
    report = st.explain([[8.0, 0.0]], [0], dtype="half", arithmetic="strict")
    [label, other] = slopes(report, "shifted")
    # 1 / (1 + exp(8)) is 3.3535e-04.
    assert label.value == 0
    assert label.kind == "absorbed"
    assert label.exact == pytest.approx(-3.3535013e-04, rel=1e-7)
    assert other.value == pytest.approx(3.3535013e-04, rel=1e-3)


def test_what_could_be_avoided_comes_first() -> None:
    # In float16 exp(-16.95) and exp(-16.55) are both 2**-24: [.5, .5], where [.40, .60] is true.
    # That of -60 is 0, and so is its true probability.
    worst = st.explain([[-60.0, -16.95, -16.55]], dtype="half").trouble[0]
    assert (worst.kind, worst.column, worst.unavoidable) == ("silent-error", 1, False)
