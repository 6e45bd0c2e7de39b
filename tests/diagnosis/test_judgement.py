"""What is set apart before anything is judged, and what a row-level judgement says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool import engine
from softmax_tool.plan import Options
from softmax_tool.readers import from_arrays
from softmax_tool.tiling import TILE

if TYPE_CHECKING:
    from softmax_tool.report import Case, CompareReport

NOTHING = -np.inf


def case(report: CompareReport, quantity: str, formulation: str) -> Case:
    (found,) = (
        c for c in report.cases if (c.name.quantity, c.name.formulation) == (quantity, formulation)
    )
    return found


def test_a_masked_class_is_never_a_failure() -> None:
    report = st.compare([[1.0, NOTHING, 2.0]], dtypes=["float16"])
    for c in report.cases:
        assert c.masked == 1, c.name
        assert c.judged == 2, c.name
        assert not any(k.elements > k.unavoidable for k in c.kinds.values()), c.name


def test_a_masked_target_is_a_legitimate_infinity() -> None:
    report = st.compare([[1.0, NOTHING]], [1], dtypes=["float32"])
    for c in report.cases:
        if c.name.quantity == "ce" and c.name.formulation != "clamped":
            assert (c.masked, c.kinds) == (1, {}), c.name
    (loss,) = (
        x for x in report.losses if x.name.formulation == "exact" and x.name.quantity == "ce"
    )
    assert loss.value == np.inf


@pytest.mark.parametrize("row", [[np.nan, 1.0], [np.inf, 1.0], [NOTHING, NOTHING]])
def test_an_invalid_row_is_nan_and_set_apart(row: list[float]) -> None:
    report = st.compare([row, [0.0, 0.0]], dtypes=["float16"])
    for c in report.cases:
        assert c.invalid_rows == 1, c.name
        assert c.judged == 2, c.name
        assert not c.kinds, c.name
    values = st.compute([row], dtypes=["float16"], ops=["softmax"]).results[0].values
    assert values is not None
    assert np.isnan(values).all()


def test_an_ignored_row_may_hold_anything() -> None:
    report = st.compare([[np.nan, 1.0], [0.0, 0.0]], [-100, 0], dtypes=["float32"])
    for c in report.cases:
        if c.name.quantity == "ce":
            assert (c.rows, c.elements, c.invalid_rows) == (1, 1, 0), c.name
    for loss in report.losses:
        assert loss.value == pytest.approx(np.log(2), rel=1e-6), loss.name


def test_zero_times_infinity_is_what_is_true() -> None:
    report = st.compare([[1.0, NOTHING]], [1], weights=[1.0, 0.0], dtypes=["float32"], ops=["ce"])
    for c in report.cases:
        if c.name.formulation != "clamped":
            assert not c.kinds, c.name
    assert all(x.value != x.value for x in report.losses if x.name.formulation == "exact")


def test_ranks_change_where_the_largest_are_no_longer_the_same() -> None:
    # Naive in float16: the first two exponentials are one and the same subnormal, the third is 0;
    # in the second row every value is NaN, and nothing is the largest.
    rows = [[-17.328125, -17.3125, -17.34375], [20.0, 21.0, 0.0]]
    naive = case(st.compare(rows, dtypes=["float16"], ops=["softmax"]), "softmax", "naive")
    assert naive.rank_changes == 2
    shifted = case(st.compare(rows, dtypes=["float16"], ops=["softmax"]), "softmax", "shifted")
    assert shifted.rank_changes == 0


def test_a_given_threshold_decides_what_is_a_silent_error() -> None:
    rows = np.random.default_rng(3).normal(size=(50, 20)) * 4
    strict = case(st.compare(rows, dtypes=["half"], max_ulp=0.5), "softmax", "shifted")
    mild = case(st.compare(rows, dtypes=["half"], max_ulp=1e9), "softmax", "shifted")
    errors = dict(strict.ulp_histogram)
    above = sum(count for edge, count in errors.items() if edge > 0.5)
    counted = strict.kinds["silent-error"].elements
    # Those that are 0 or worse have a kind of their own.
    assert 0 < counted <= above
    assert "silent-error" not in mild.kinds


def test_roots_are_counted_apart_from_what_they_spread_to() -> None:
    row = [12.0, 0.0, 1.0, 13.0, 2.0]
    naive = case(st.compare([row], dtypes=["half"], ops=["softmax"]), "softmax", "naive")
    counts = naive.kinds["overflow"]
    assert (counts.elements, counts.rows, counts.roots) == (5, 1, 2)
    origins = {f.column: (f.origin.column, f.propagated) for f in naive.worst if f.origin}
    assert origins[0] == (0, False)


def test_rounding_the_input_is_a_finding_of_its_own() -> None:
    report = st.compare([[1e5, 1.0], [1.0001, 1.0], [1e-9, 0.0]], dtypes=["float16"])
    (rounding,) = report.input_rounding
    assert (rounding.overflowed, rounding.underflowed) == (1, 1)
    assert (rounding.changed, rounding.new_ties) == (3, 2)


def test_a_row_with_nan_hides_no_tie_of_another() -> None:
    report = st.compare([[49.901733, 49.9, 0], [np.nan, 0, 0]], dtypes=["float16"])
    (rounding,) = report.input_rounding
    assert rounding.new_ties == 1


def test_a_wide_row_may_fall_apart_everywhere() -> None:
    """More single errors of one row are looked at than stand in a tile."""
    logits = (np.linspace(-1, 1, TILE + 1, dtype=np.float32) + np.float32(82))[None]
    report = st.compare(logits, dtypes=["float32"], ops=["softmax"])
    assert all(case.judged == TILE + 1 for case in report.cases)


def test_integers_beyond_float64_are_changed_by_rounding() -> None:
    report = st.compare([[2**62 + 1, 2**62], [1, 2]], dtypes=["float64"])
    (rounding,) = report.input_rounding
    assert (rounding.changed, rounding.new_ties) == (1, 1)


def test_the_list_of_worst_cases_keeps_to_rows_and_columns() -> None:
    rows = np.random.default_rng(2).normal(size=(20, 6)) * 20
    for part in ((5, 9), (-3, None)):
        options = Options(dtypes=("float16",), ops=("softmax",), rows=part, columns=(1, 3))
        report = engine.compare(from_arrays(rows), options)
        wanted = range(20)[slice(*part)]
        listed = [f for c in report.cases for f in c.worst]
        assert listed
        assert all(f.row in wanted and f.column in {1, 2} for f in listed)
        assert report.cases[0].rows == 20


def test_exponentials_that_all_vanish_are_the_origin_not_the_sum_they_leave_behind() -> None:
    # Ten classes of e**-17.5 = 2.5e-8 each are 0 in float16; together they are 2.5e-7, four steps.
    report = st.compare([[0.0] + [-17.5] * 10], dtypes=["half"], ops=["log-softmax"])
    found = [f for f in case(report, "log-softmax", "shifted").worst if f.column == 0]
    assert [f.kind for f in found] == ["underflow"]
    origin = found[0].origin
    assert origin is not None
    assert (origin.step, origin.column) == ("exp", 1)
    assert (origin.operand, origin.limit) == (-17.5, -17.34375)


@pytest.mark.parametrize("arithmetic", ["strict", "wide-sum", "fused", "native"])
def test_the_online_sum_passes_over_leaves_of_masked_classes(arithmetic: str) -> None:
    row = [NOTHING] * 2048 + [1.0, 3.0, 2.0]
    report = st.compute(
        [row],
        dtypes=["float32"],
        ops=["softmax"],
        formulations=["online", "shifted"],
        arithmetic=arithmetic,
    )
    shifted, online = (result.values for result in report.results)
    assert shifted is not None
    assert online is not None
    # e**-2, 1 and e**-1 over their sum
    np.testing.assert_allclose(online[0, 2048:], [0.0900306, 0.6652410, 0.2447285], rtol=1e-5)
    assert not online[0, :2048].any()


def test_a_threshold_below_one_is_taken_as_given() -> None:
    rows = np.random.default_rng(3).standard_normal((50, 40)) * 3
    found = case(
        st.compare(rows, dtypes=["single"], max_ulp=0.75, top=2000), "log-softmax", "shifted"
    )
    kinds = {finding.ulp > 0.75: finding.kind for finding in found.worst}
    assert kinds == {True: "silent-error", False: None}


def gradient_of(row: list[float], label: int, formulation: str, dtype: str = "float32") -> Case:
    report = st.compare(
        [row],
        [label],
        dtypes=[dtype],
        ops=["gradient"],
        formulations=[formulation],
        reduction="sum",
    )
    return case(report, "gradient", formulation)


def test_a_nan_of_operands_that_are_numbers_names_them() -> None:
    """A masked class has the probability 0 and no part in the loss: 0/0."""
    c = gradient_of([3.0, 4.0, NOTHING, 1.0, 2.0], 3, "log-of-shifted")
    assert c.kinds["nan"].elements == 5
    [worst] = c.worst
    assert worst.origin is not None
    assert (worst.column, worst.origin.column, worst.origin.step) == (2, 2, "backward")
    assert (worst.origin.operand, worst.origin.limit) == (0, 0)
    assert worst.why == "0 / 0 in column 2 is not a number"


@pytest.mark.parametrize("formulation", ["log-of-naive", "log-of-shifted"])
def test_a_nan_from_another_class_names_what_became_zero_there(formulation: str) -> None:
    c = gradient_of([-999.0, 1.0, 2.0, 5.0, 6.0], 0, formulation)
    assert {kind: counts.elements for kind, counts in c.kinds.items()} == {
        "zero-denominator": 1,
        "nan": 4,
    }
    for found in c.worst:
        assert found.origin is not None
        assert (found.origin.column, found.origin.step) == (0, "exp"), found.column


def test_a_gradient_cut_off_by_the_clamp_goes_back_to_it() -> None:
    c = gradient_of([30.0, 0.0, -10.0], 1, "clamped")
    found = next(f for f in c.worst if f.column == 1)
    assert (found.got, found.kind) == (0, "absorbed")
    assert found.origin is not None
    assert (found.origin.step, found.origin.column) == ("backward", 1)
    assert "by the clamp" in found.why


def test_in_half_precision_the_clamp_is_not_there() -> None:
    """1e-12 rounds to 0, and max(p, 0) passes everything on: PyTorch's gradient is nan too."""
    c = gradient_of([30.0, 0.0, -10.0], 1, "clamped", "float16")
    assert sum(counts.elements for counts in c.kinds.values()) == 3
    assert all(np.isnan(found.got) for found in c.worst)


def test_a_gradient_that_vanishes_on_the_way_back_is_named() -> None:
    """e**-60 / e**60 is too small for float32: nothing pushes the largest logit down."""
    c = gradient_of([0.0, 0.0, 60.0], 0, "log-of-naive")
    found = next(f for f in c.worst if f.column == 2)
    assert (found.got, found.kind) == (0, "absorbed")
    assert found.origin is not None
    assert (found.origin.step, found.origin.column) == ("backward", 0)
    assert found.origin.operand == pytest.approx(np.exp(-120.0), rel=1e-6)
    assert c.lost_share == pytest.approx(0.5)


def test_no_formulation_is_blamed_for_what_the_format_cannot_hold() -> None:
    """The true gradient of 200, 0 for the first class is ±1.4e-87: 0 in float32 all the same."""
    for formulation in ("exact", "shifted", "naive-lse"):
        assert gradient_of([200.0, 0.0], 0, formulation).lost_share is None, formulation
