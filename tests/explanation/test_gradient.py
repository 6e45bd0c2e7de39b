"""The gradient at the blackboard: published and derived figures, and what is said of them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import exp, inf, isnan
from typing import TYPE_CHECKING

import pytest

import softmax_tool as st
from softmax_tool.renderers.grids import Grid, Tables
from softmax_tool.renderers.of_explain import explain as sections

if TYPE_CHECKING:
    from softmax_tool.explanation.report import ExplainReport, GradientWay, Trouble

ALL = ("log-of-naive", "log-of-shifted", "shifted")


def way(report: ExplainReport, formulation: str) -> GradientWay:
    assert report.gradient is not None
    [found] = [x for x in report.gradient.ways if x.formulation == formulation]
    return found


def values(report: ExplainReport, formulation: str) -> list[float]:
    return [x.value for x in way(report, formulation).entries]


def trouble(report: ExplainReport, formulation: str) -> Trouble:
    names = ("gradient", formulation)
    [found] = [x for x in report.trouble if (x.quantity, x.formulation) == names]
    return found


def notes(report: ExplainReport) -> list[str]:
    """Return what stands beneath the gradients, in the layout of the widest terminal."""
    grids = [x.variants[0][0] for x in sections(report) if isinstance(x, Tables)]
    [grid] = [x for x in grids if isinstance(x, Grid) and "What learning follows" in x.title]
    return list(grid.footer)


def test_a_wrong_label_far_off_gives_nan_through_every_logarithm_of_softmax() -> None:
    report = st.explain([[200.0, 0.0]], [1], dtype="single")
    assert all(map(isnan, values(report, "log-of-naive")))
    assert all(map(isnan, values(report, "log-of-shifted")))
    assert values(report, "shifted") == [1, -1]
    assert [x.nll for x in report.losses] == [inf, inf, 200, 200]
    found = trouble(report, "log-of-shifted")
    assert found.said.endswith("is nan and should be -1")
    # float32 gives exp 0 up to -103.97208404541016.
    edge = Fraction(-103.97208404541016)
    assert (found.step, found.operand, found.limit) == ("exp", -200, float(edge))
    assert found.margin == float(edge + 200)


def test_a_right_label_gives_nan_beside_a_loss_of_zero() -> None:
    """The true gradient, exp(-200) or 1.38e-87, is 0 even in float32."""
    report = st.explain([[200.0, 0.0]], [0], dtype="single")
    [loss] = [x.nll for x in report.losses if x.formulation == "log-of-shifted"]
    assert loss == 0
    assert all(map(isnan, values(report, "log-of-shifted")))
    assert values(report, "shifted") == [0, 0]
    assert [x.exact for x in way(report, "shifted").entries] == pytest.approx(
        [-1.3838965267367376e-87, 1.3838965267367376e-87], rel=1e-12
    )
    assert "spoils every weight" in report.story[-2]
    assert "as good as learned" in report.story[-1]
    assert not any("loss scaling" in x for x in report.story)


def test_a_quotient_of_the_way_back_overflows() -> None:
    """The label's probability, exp(-100), is subnormal: 1 over it is beyond float32."""
    report = st.explain([[100.0, 0.0]], [1], dtype="single")
    first, second = values(report, "log-of-shifted")
    assert first == inf
    assert isnan(second)
    assert values(report, "shifted") == [1, -1]
    [loss] = [x.nll for x in report.losses if x.formulation == "log-of-shifted"]
    assert loss == pytest.approx(99.983, abs=5e-4)
    found = trouble(report, "log-of-shifted")
    # The way back divides −1/p and p/p by the sum, 1, p being exp(-100) in units of 2**-149.
    units = round(exp(-100) * 2**149)
    p = Fraction(units, 2**149)
    assert (found.step, found.kind) == ("backward", "overflow")
    assert found.operand == pytest.approx(float(-1 / p), rel=1e-7)
    assert found.limit == -float((2 - Fraction(1, 2**23)) * 2**127)
    assert any(x.startswith("◂ log of shifted: the quotient -2.64305e+43") for x in notes(report))


@pytest.mark.parametrize(
    "row", [[-999.0, 1.0, 2.0, 5.0, 6.0], [-990.0, 1.5, 2.1, 5.6, 6.8]], ids=["-999", "-990"]
)
@pytest.mark.parametrize("dtype", ["half", "single", "double"])
def test_the_gradient_through_an_underflowed_probability_is_lost(
    row: list[float], dtype: str
) -> None:
    report = st.explain([row], [0], dtype=dtype)
    for formulation in ALL[:2]:
        assert isnan(values(report, formulation)[0])
        assert way(report, formulation).lost_share == 1
    assert values(report, "shifted")[0] == -1
    lost = way(report, "shifted").lost_share
    assert lost is not None
    assert lost < 2**-7
    [told] = [x for x in report.story if x.startswith("Back through")]
    assert told == (
        "Back through log(naive softmax) and log(shifted softmax) all of the row's gradient is "
        "lost: it teaches nothing."
    )
    assert not isinstance(way(report, "shifted").entries[0].exact, Decimal)
    assert notes(report)[-1].startswith(
        "lost of the row's gradient: all through log of naive, log of shifted; "
    )


def test_what_cancels_at_the_label_is_not_mended_by_scaling() -> None:
    """In float32 p − 1 is 0 at a margin of 20, where -2.06e-09 is true: half of the gradient."""
    report = st.explain([[20.0, 0.0]], [0], dtype="single")
    assert values(report, "shifted")[0] == 0
    true = exp(-20) / (1 + exp(-20))
    assert values(report, "shifted")[1] == pytest.approx(true, rel=1e-6)
    assert way(report, "shifted").lost_share == pytest.approx(0.5, abs=1e-6)
    assert trouble(report, "shifted").repair.startswith("at the label p − 1 is minus the sum")
    assert not any("loss scaling" in x for x in report.story)
    assert not any("not finite" in x for x in report.story)


def test_bits_are_shown_when_asked_for() -> None:
    report = st.explain([[200.0, 0.0]], [1], dtype="single", bits=True)
    assert [x.bits for x in way(report, "shifted").entries] == [
        "0 01111111 00000000000000000000000",
        "1 01111111 00000000000000000000000",
    ]


def test_a_row_of_a_vocabulary_is_folded() -> None:
    """128255 zeros beside 60: exp(-60) / (1 + 128255 exp(-60)) in each but the largest."""
    row = [0.0] * 128255 + [60.0]
    report = st.explain([row], [5], dtype="single")
    assert report.gradient is not None
    assert {5, 128255} <= set(report.gradient.columns)
    assert len(report.gradient.columns) < 16
    small = exp(-60) / (1 + 128255 * exp(-60))
    true = {5: small - 1, 128255: 1 - 128255 * small}
    for formulation in ALL:
        for column, entry in zip(
            report.gradient.columns, way(report, formulation).entries, strict=True
        ):
            # p/S of the label is too small for float32: back through log p it pushes nothing down.
            lost = formulation == "log-of-naive" and column != 5
            value = 0.0 if lost else true.get(column, small)
            assert entry.value == pytest.approx(value, rel=1e-6)
            assert float(entry.exact) == pytest.approx(true.get(column, small), rel=1e-12)


@pytest.mark.parametrize(("row", "label"), [([1.0, 2.0], -100), ([1.0, inf], 0), ([-inf, -inf], 0)])
def test_an_ignored_or_invalid_row_has_no_gradient(row: list[float], label: int) -> None:
    report = st.explain([row], [label], dtype="single")
    assert report.gradient is None
    assert not any(x.startswith(("Back through", "What log")) for x in report.story)


def test_one_class_has_the_gradient_zero_of_which_nothing_is_lost() -> None:
    report = st.explain([[3.0]], [0], dtype="single")
    assert report.gradient is not None
    assert [x.lost_share for x in report.gradient.ways] == [None] * 3
    assert not any("lost of" in x for x in notes(report))


@pytest.mark.parametrize("arithmetic", ["strict", "wide-sum", "fused", "native"])
def test_what_is_correctly_rounded_goes_back_to_no_step(arithmetic: str) -> None:
    """2.455e-437 rounds to 0, also where another class of the row is off and traced."""
    report = st.explain([[-999.0, 1.0, 2.0, 5.0, 6.0]], [0], dtype="half", arithmetic=arithmetic)
    [softmax] = [x for x in report.trouble if (x.quantity, x.formulation) == ("softmax", "naive")]
    assert (softmax.kind, softmax.unavoidable, softmax.step) == ("underflow", True, "")
    assert values(report, "shifted")[0] == pytest.approx(-1, rel=2**-10)


def test_two_operands_that_give_no_number_have_no_limit() -> None:
    """Softmax of -inf is 0; on the way back through its logarithm that is 0 / 0."""
    found = trouble(st.explain([[3.0, -inf, 1.0]], [0], dtype="single"), "log-of-shifted")
    assert (found.step, found.operand, found.limit, found.margin) == ("backward", 0, 0, None)
    assert found.why == "0 / 0 in column 1 is not a number"
    assert not any("limit itself" in x for x in st.explain([[3.0, -inf, 1.0]], [0]).story)


def test_a_gradient_beyond_float64_is_lost_altogether() -> None:
    """It is exp(-1545), 1e-671, by both logits."""
    report = st.explain([[-745.0, 800.0]], [1], dtype="half", arithmetic="fused")
    assert [way(report, name).lost_share for name in ALL] == [1, 1, 1]
    assert report.story[-1].endswith("is 0 even in float32; the row is as good as learned.")
    # Where the label is all there is, there is no gradient to lose.
    assert way(st.explain([[1.0, -inf]], [0]), "shifted").lost_share is None


def test_a_limit_beyond_float64_is_written_as_all_numbers_are() -> None:
    report = st.explain([[709.0, 36.0, 100.0, 36.0, -100.0]], dtype="double")
    assert any("2.4703282292062327e-324" in x.why for x in report.trouble)
