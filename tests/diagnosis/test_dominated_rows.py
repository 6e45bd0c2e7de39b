"""Rows that one class dominates, against errors worked out here from digits of the true values."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

import softmax_tool as st

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES, ROWS = 97, 5
BEYOND = Fraction(2) ** 128  # what an infinity stands for


def logits() -> NDArray[Any]:
    """Return rows whose largest logit overflows exp, and is absorbed where it is shifted."""
    random = np.random.default_rng(3)
    x = random.standard_normal((ROWS, CLASSES)) * 3
    x[np.arange(ROWS), random.integers(0, CLASSES, ROWS)] = [89, 93.5, 99, 104.25, 118]
    return x.astype(np.float32)


def log_softmax(row: list[float]) -> list[Fraction]:
    """Return the true values to 60 digits."""
    with mpmath.workdps(100):
        top = max(row)
        others = mpmath.fsum(mpmath.exp(mpmath.mpf(x) - top) for x in row if x != top)
        values = [mpmath.mpf(x) - top - mpmath.log1p(others) for x in row]
        return [Fraction(mpmath.nstr(value, 60)) for value in values]


def ulp(value: Fraction) -> Fraction:
    """Return one ULP of float32 at a value that is not 0."""
    exponent = int(mpmath.floor(mpmath.log(abs(mpmath.mpf(float(value))), 2)))
    return Fraction(2) ** (max(exponent, -126) - 23)


def test_errors_are_those_of_the_definition() -> None:
    x = logits()
    report = st.compare(
        x, dtypes=["float32"], ops=["log-softmax"], formulations=["naive", "shifted"]
    )
    naive, shifted = (case for case in report.cases if case.name.formulation != "exact")
    true = [log_softmax(row) for row in x.tolist()]
    # The sum of the shifted exponentials is 1, its logarithm 0: the shifted logit is the result.
    got = (x - x.max(axis=1, keepdims=True)).tolist()
    errors = [
        abs(Fraction(g) - y) / ulp(y)
        for row, values in zip(got, true, strict=True)
        for g, y in zip(row, values, strict=True)
    ]
    assert shifted.mean_ulp == pytest.approx(float(sum(errors) / len(errors)), rel=1e-9)
    assert shifted.max_ulp == pytest.approx(float(max(errors)), rel=1e-13)
    assert shifted.correctly_rounded == sum(error <= Fraction(1, 2) for error in errors)
    edges, counts = zip(*shifted.ulp_histogram, strict=True)
    above = [sum(error > Fraction(edge) for error in errors) for edge in edges[:-1]]
    assert list(counts) == [
        before - after for before, after in zip([len(errors), *above], [*above, 0], strict=True)
    ]
    assert {kind: count.elements for kind, count in shifted.kinds.items()} == {
        "absorbed": 2,  # the true values of 89 and 93.5 are normal numbers, those of
        "underflow": 3,  # 99 to 118 are not, and that of 118 rounds to 0
    }
    # Naive is NaN at the class that overflows, and −inf at all others.
    finite = [abs(BEYOND + y) / ulp(y) for values in true for y in values if y != max(values)]
    assert naive.infinite_ulp == ROWS
    assert naive.mean_ulp == pytest.approx(float(sum(finite) / len(finite)), rel=1e-15)
    assert naive.rank_changes == ROWS
    assert {kind: count.elements for kind, count in naive.kinds.items()} == {"overflow": x.size}


@pytest.mark.parametrize(
    ("quantity", "formulations"),
    [("log-softmax", ("shifted", "minus-lse", "log1p")), ("softmax", ("shifted", "via-lse"))],
)
def test_a_row_of_round_numbers_beside_an_ordinary_one(
    quantity: str, formulations: tuple[str, ...]
) -> None:
    """All results of the first are met, so that no error of it is larger than any other."""
    random = np.random.default_rng(5)
    x = np.zeros((3, CLASSES), np.float32)
    x[0, 7], x[1] = 100, -100 * np.arange(CLASSES)
    x[2] = random.standard_normal(CLASSES) * 3
    cases = st.compare(x, dtypes=["float32"], ops=[quantity], formulations=formulations).cases
    alone = [
        st.compare(row, dtypes=["float32"], ops=[quantity], formulations=formulations).cases
        for row in x[:, None]
    ]
    for index, case in enumerate(cases):
        values = st.compute(
            x, dtypes=["float32"], ops=[quantity], formulations=[case.name.formulation]
        )
        got = values.results[0].values
        assert got is not None
        true = [log_softmax(row) for row in x.tolist()]
        if quantity == "softmax":
            with mpmath.workdps(100):
                true = [[Fraction(mpmath.nstr(mpmath.exp(y), 60)) for y in row] for row in true]
        off = [
            abs(Fraction(g) - y)
            for row, values in zip(got.tolist(), true, strict=True)
            for g, y in zip(row, values, strict=True)
        ]
        assert case.max_abs_error == pytest.approx(float(max(off)), rel=1e-8)
        for name in ("max_ulp", "max_abs_error", "max_rel_error", "bound_ratio"):
            figures = [getattr(rows[index], name) for rows in alone]
            assert getattr(case, name) == pytest.approx(max(figures), rel=1e-12), name
