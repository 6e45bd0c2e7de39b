"""What the library's functions take as options, and how they refuse what they do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

import softmax_tool as st
from softmax_tool import arguments

X, LABELS = [[1.0, 2.0, 3.0], [3.0, 1.0, 0.0]], [0, 2]


class Unread:
    """Logits that nobody may look at."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise AssertionError("work has begun")


class Torchlike:
    """A dtype of another library."""

    def __str__(self) -> str:
        return "torch.float16"

    __repr__ = __str__


def assert_accurate(logits: Any, labels: Any = None, **options: Any) -> None:
    st.assert_accurate([[0.5, 0.5]], logits, labels, **options)


Function = Callable[..., Any]

LOSSES: list[Function] = [st.compute, st.compare, assert_accurate]
TABLES: list[Function] = [*LOSSES, st.inspect]
BLOCKS: list[Function] = [st.compute, st.compare, st.inspect]
EVERY: list[Function] = [*TABLES, st.explain]

REFUSED: list[tuple[list[Function], str, Any, str]] = [
    (EVERY, "axis", 1.0, "axis=1.0: is no whole number"),
    (EVERY, "axis", None, "axis=None: is no whole number"),
    (EVERY, "axis", True, "axis=True: is no whole number"),
    (EVERY, "axis", np.array([0, 1]), "axis=array([0, 1]): is no whole number"),
    (EVERY, "axis", 2**63, "axis=9223372036854775808: is beyond 64 bits"),
    (EVERY, "ignore_index", "0", "ignore_index='0': is no whole number"),
    (EVERY, "ignore_index", 1.5, "ignore_index=1.5: is no whole number"),
    (TABLES, "top", None, "top=None: is no whole number"),
    (TABLES, "top", Fraction(2), "top=Fraction(2, 1): is no whole number"),
    (BLOCKS, "threads", "2", "threads='2': is no whole number"),
    (BLOCKS, "threads", 1.5, "threads=1.5: is no whole number"),
    (BLOCKS, "threads", 0, "threads=0: one at least has to do the work"),
    (BLOCKS, "threads", -1, "threads=-1: one at least has to do the work"),
    (BLOCKS, "input_kind", ["probs"], "input_kind=['probs']: is no name; give a string"),
    (BLOCKS, "dtypes", [], "dtypes=[]: names none; give one at least"),
    (LOSSES, "label_smoothing", "0.1", "label_smoothing='0.1': is not a number"),
    (LOSSES, "label_smoothing", None, "label_smoothing=None: is not a number"),
    (LOSSES, "label_smoothing", 0.1j, "label_smoothing=0.1j: is not a number"),
    (LOSSES, "label_smoothing", [0.1], "label_smoothing=[0.1]: is not a number"),
    (LOSSES, "reduction", ["mean"], "reduction=['mean']: is no name; give a string"),
    (LOSSES, "max_ulp", "1", "max_ulp='1': is not a number"),
    (LOSSES, "max_ulp", True, "max_ulp=True: is not a number"),
    (LOSSES, "max_ulp", np.array([1, 2]), "max_ulp=array([1, 2]): is not a number"),
    (LOSSES, "max_ulp", 10**400, f"max_ulp=1{17 * '0'}...{19 * '0'}: is beyond float64"),
    ([st.compute, st.compare], "ops", [], "ops=[]: names none; give one at least"),
    ([st.compute, st.compare], "ops", ["ce", 1], "ops=1: is no name; give a string"),
    ([st.compute, st.compare], "formulations", (), "formulations=(): names none; give one at "),
    ([st.compare], "arithmetics", [], "arithmetics=[]: names none; give one at least"),
    ([st.compute, st.explain], "arithmetic", ["strict"], "arithmetic=['strict']: is no name; "),
    ([st.explain], "row", 0.0, "row=0.0: is no whole number"),
    ([st.explain], "column", "a", "column='a': is no whole number"),
    ([st.explain], "bits", "no", "bits='no': is neither True nor False"),
    ([assert_accurate], "op", ["ce"], "op=['ce']: is no name; give a string"),
    ([assert_accurate], "budget", 1.5, "budget=1.5: is no whole number"),
    ([assert_accurate], "ignore", 5, "ignore=5: is no name; give a string"),
    ([assert_accurate], "max_rel", "1", "max_rel='1': is not a number"),
]


@pytest.mark.parametrize(
    ("function", "option", "value", "told"),
    [(function, *rest) for functions, *rest in REFUSED for function in functions],
)
def test_options_of_another_type_are_refused_before_any_work(
    function: Function, option: str, value: Any, told: str
) -> None:
    with pytest.raises(st.UsageError, match=f"^{re.escape(told)}") as caught:
        function(Unread(), **{option: value})
    assert len(str(caught.value).splitlines()) == 1


def test_numbers_that_are_none() -> None:
    with pytest.raises(st.UsageError, match=r"^row=<int>: is beyond 64 bits$"):
        st.explain(X, row=10**5000)  # more digits than Python prints
    no_numbers: list[Any] = [np.complex64(1), np.str_("1"), np.True_, np.datetime64("2000", "D")]
    for wrong in [*no_numbers, np.zeros(1)]:
        with pytest.raises(st.UsageError, match=r"^max_ulp=.*: is not a number$"):
            st.compute(X, max_ulp=wrong)
    no_integers: list[Any] = [np.float32(1), np.float64(1), np.True_, np.array([1]), b"1"]
    for wrong in no_integers:
        with pytest.raises(st.UsageError, match=r"^top=.*: is no whole number$"):
            st.compute(X, top=wrong)


@pytest.mark.parametrize("function", LOSSES)
def test_a_smoothing_of_nan_is_refused(function: Function) -> None:
    with pytest.raises(st.UsageError, match="label smoothing nan is not between 0 and 1"):
        function([[1.0, 1.0]], label_smoothing=float("nan"))


def test_a_single_name_is_a_list_of_one() -> None:
    one = st.compare(
        X, dtypes="half", ops="softmax", formulations="naive", arithmetics="strict"
    ).settings
    assert (one.dtypes, one.ops) == (("float16",), ("softmax",))
    assert (one.formulations, one.arithmetics) == (("naive",), ("strict",))
    assert st.limits("half").formats == st.limits(["half"]).formats
    assert st.inspect(X, dtypes=np.float16).settings.dtypes == ("float16",)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (float, "float64"),
        ("float", "float32"),  # as in C, and in the names of PyTorch
        (np.half, "float16"),
        (np.single, "float32"),
        (np.float64, "float64"),
        (np.dtype("f8"), "float64"),
        (np.dtype(">f2"), "float16"),
        (Torchlike(), "float16"),
        (np.str_("half"), "float16"),
    ],
)
def test_a_dtype_is_a_name_or_a_dtype(dtype: Any, name: str) -> None:
    assert st.compute(X, dtypes=[dtype]).settings.dtypes == (name,)
    assert st.compare(X, dtypes=dtype).settings.dtypes == (name,)
    assert st.inspect(X, dtypes=(dtype,)).settings.dtypes == (name,)
    assert st.explain(X, dtype=dtype).settings.dtype == name
    assert st.limits(dtype).formats[0].dtype == name


@pytest.mark.parametrize("dtype", [int, np.int64, object, 16, None, ["half"]])
def test_what_is_no_dtype_of_ours_is_told(dtype: Any) -> None:
    with pytest.raises(st.UsageError, match="unknown dtype"):
        st.compute(X, dtypes=[dtype])


def test_a_format_has_one_entry_by_whatever_names() -> None:
    assert st.inspect(X, dtypes=["half", "float16"]).settings.dtypes == ("float16",)
    assert [h.dtype for h in st.inspect(X, dtypes=["half", "float16"]).headroom] == ["float16"]
    assert [f.dtype for f in st.limits(["half", "float16"]).formats] == ["float16"]


def test_integers_of_numpy_are_integers() -> None:
    options: dict[str, Any] = {
        "axis": np.int8(-1),
        "top": np.uint16(1),
        "threads": np.int64(1),
        "ignore_index": np.int32(2),
    }
    report = st.compute(X, LABELS, **options)
    settings = report.settings
    found = (settings.axis, settings.top, settings.ignore_index)
    assert found == (1, 1, 2)
    assert {type(each) for each in found} == {int}
    row: Any = np.int64(1)
    assert st.explain(X, row=row).settings.row == 1
    st.assert_accurate([[0.5, 0.5]], [[1.0, 1.0]], budget=row)


@pytest.mark.parametrize(
    ("smoothing", "value"),
    [
        (np.float32(0.1), Fraction(13421773, 2**27)),  # the float32 nearest to 0.1
        (np.float16(0.25), Fraction(1, 4)),
        (0.1, Fraction(0.1)),
        (Decimal("0.5"), Fraction(1, 2)),
        (np.array(0.75), Fraction(3, 4)),
        (np.int8(1), Fraction(1)),
        (0, Fraction(0)),
    ],
)
def test_a_smoothing_has_its_own_value(smoothing: Any, value: Fraction) -> None:
    """For a row [1, 0] of label 0: −(1 − s/2) log p₀ − s/2 log p₁, where p₀ = 1/(1 + 1/e)."""
    with mpmath.workdps(40):
        s = mpmath.mpf(value.numerator) / value.denominator
        of_sum = mpmath.log(1 + mpmath.exp(-1))
        loss = float((1 - s / 2) * of_sum + s / 2 * (1 + of_sum))
    options: dict[str, Any] = {"labels": [0], "label_smoothing": smoothing}
    report = st.compute([[1.0, 0.0]], ops=["ce"], formulations=["exact"], **options)
    assert report.losses[0].value == loss
    assert report.settings.label_smoothing == value
    compared = st.compare([[1.0, 0.0]], ops="ce", dtypes="double", formulations="exact", **options)
    assert compared.losses[0].value == loss
    st.assert_accurate(np.array([loss]), [[1.0, 0.0]], op="ce", max_abs=1e-12, **options)


WEIGHTS: dict[str, tuple[Any, str]] = {
    "masked": (
        np.ma.array([1, 2, 3], mask=[False, True, False]),
        "is a masked array; fill it first",
    ),
    "nan": ([1, np.nan, 1], "element 1: weights must be finite, not nan"),
    "inf": ([1, 1, -np.inf], "element 2: weights must be finite, not -inf"),
    "None": ([None, 1, 1], "holds object; weights are real numbers"),
    "dates": (np.array([1, 2, 3], "M8[s]"), "holds datetime64[s]; weights are real numbers"),
    "digits": (["1", "2", "3"], "holds str32; weights are real numbers"),
    "letters": (["a", "b", "c"], "holds str32; weights are real numbers"),
    "complex": ([1j, 1, 1], "holds complex128; weights are real numbers"),
    "real, but complex": (np.ones(3, complex), "holds complex128; weights are real numbers"),
    "truths": ([True, False, True], "holds bool; weights are real numbers"),
    "ragged": ([[1], [1, 2]], "is not an array ("),
    "huge": ([10**400, 1, 1], "holds object; weights are real numbers"),
    "a dict": ({}, "holds object; weights are real numbers"),
    "unreadable": (Unread(), "is not an array (work has begun)"),
    "none": ([], "shape (0,), but the logits have 3 classes"),
    "too few": ([1, 1], "shape (2,), but the logits have 3 classes"),
    "a table": ([[1, 1, 1]], "shape (1, 3), but the logits have 3 classes"),
}


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_refused(function: Function, name: str) -> None:
    weights, told = WEIGHTS[name]
    options = {"op": "ce"} if function is assert_accurate else {}
    with pytest.raises(st.InputError, match=f"^<weights>: {re.escape(told)}") as caught:
        function(X, LABELS, weights=weights, **options)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", ">f8"])
def test_weights_of_every_kind_of_number(dtype: str) -> None:
    """Two rows of two equal logits, weighted 1 and 3: log 2 each, and so is the mean."""
    weights = np.array([1, 3], dtype)
    for weighted in (weights, weights.tolist()):
        report = st.compute([[0.0, 0.0]] * 2, [0, 1], weights=weighted, reduction="sum")
        assert {loss.value for loss in report.losses} == {4 * np.log(2)}


def test_messages_name_arguments_and_not_options_of_the_commands() -> None:
    with pytest.raises(st.UsageError, match=r"<array>: axis 2 does not exist"):
        st.compute(X, axis=2)
    with pytest.raises(st.InputError, match="use ignore_index 7 to skip it"):
        st.compare(X, [0, 7])
    with pytest.raises(st.UsageError, match="op 'ce' needs labels; give them as the argument lab"):
        st.compute(X, ops="ce")
    with pytest.raises(st.InputError, match="stored as float32: use dtype float32"):
        st.assert_accurate(np.array([[0.3, 0.7]], np.float32), [[1.0, 2.0]], dtype="half")
    with pytest.raises(st.UsageError, match=r"max_abs -1\.0: is no limit of an error"):
        st.assert_accurate([[0.5, 0.5]], [[1.0, 1.0]], max_abs=-1)
    with pytest.raises(st.UsageError, match="budget x: is neither a count like 3"):
        st.assert_accurate([[0.5, 0.5]], [[1.0, 1.0]], budget="x")
    with pytest.raises(st.UsageError, match="no rule; see softmax-tool check --list-rules for all"):
        st.assert_accurate([[0.5, 0.5]], [[1.0, 1.0]], ignore="ACC9")
    with pytest.warns(UserWarning, match=r"^max_abs 1e\+09 is so wide"):
        st.assert_accurate([[0.5, 0.5]], [[1.0, 1.0]], max_abs=1e9)
    assert arguments.with_arguments("a--b --input probs --x-y") == "a--b input_kind probs x_y"


def test_what_cannot_be_shown_or_is_of_two_lines_is_told_in_one() -> None:
    endless: Any = 10**5000
    for call in (
        lambda: st.explain([[1.0, 2.0]], dtype=endless),
        lambda: st.explain([[1.0, 2.0]], dtype=""),
        lambda: st.assert_accurate([[0.5, 0.5]], [[0.0, 0.0]], budget="a\nb"),
    ):
        with pytest.raises(st.UsageError) as raised:
            call()
        assert "\n" not in str(raised.value)
