"""What is told to mend an element: the right one by its cause, and it does mend it.

That it does is computed here in NumPy's scalars, and held against decimals of 60 digits.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool.explanation import remedies
from softmax_tool.explanation.remedies import (
    BACK,
    LOG1P,
    LOG_SUM,
    LOGARITHM,
    LOGARITHM_WIDER,
    OTHERS,
    SCALING,
    SHIFT,
    WIDER,
    WIDER_STEPS,
    WIDER_SUM,
    Remedy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from softmax_tool.explanation.report import Trouble

DIGITS = Context(prec=60)
TYPES: dict[str, Any] = {"half": np.float16, "single": np.float32, "double": np.float64}


def repair(
    row: list[float], label: int | None, dtype: str, arithmetic: str, name: tuple[str, str]
) -> Trouble:
    labels = None if label is None else [label]
    report = st.explain([row], labels, dtype=dtype, arithmetic=arithmetic)
    [found] = [x for x in report.trouble if (x.quantity, x.formulation) == name]
    return found


NAIVE, SHIFTED = ("softmax", "naive"), ("softmax", "shifted")
LOG_NAIVE, LOG_SHIFTED = ("log-softmax", "log-of-naive"), ("log-softmax", "log-of-shifted")
LOG = ("log-softmax", "shifted")
GRAD_NAIVE, GRAD_SHIFTED = ("gradient", "log-of-naive"), ("gradient", "log-of-shifted")
GRAD = ("gradient", "shifted")
ZEROS = [0.0] * 4096
CLOSE = [1.0866, 10.5892, -5.5601, -1.888, 10.2139, 3.2335]
FLAT = [-17.328125, -17.328125, -17.34375, -17.0]

# Row, label, dtype, arithmetic; the way, the kind, the class that shows it; what mends it.
CASES: list[tuple[list[float], int | None, str, str, tuple[str, str], str, list[Remedy]]] = [
    ([12.0, 11.5, 3.0], None, "half", "wide-sum", NAIVE, "overflow", [SHIFT]),
    ([11.0859375] * 3, None, "half", "strict", NAIVE, "overflow", [SHIFT]),
    ([-18.0, -19.0], None, "half", "wide-sum", NAIVE, "zero-denominator", [SHIFT]),
    (FLAT, None, "half", "wide-sum", NAIVE, "absorbed", [SHIFT]),
    ([-16.95, -16.55], None, "half", "wide-sum", NAIVE, "silent-error", [SHIFT]),
    (ZEROS, None, "half", "strict", NAIVE, "stalled-sum", [WIDER_SUM]),
    (ZEROS, None, "half", "strict", SHIFTED, "stalled-sum", [WIDER_SUM]),
    ([12.0] * 4096, None, "half", "strict", NAIVE, "overflow", [SHIFT, WIDER_SUM]),
    ([-91.76, 0.0, 0.0], None, "single", "strict", NAIVE, "subnormal", [LOGARITHM]),
    ([-200.0, 0.0], None, "single", "wide-sum", SHIFTED, "underflow", [LOGARITHM]),
    ([-6e4, 6e4], None, "half", "wide-sum", SHIFTED, "underflow", [LOGARITHM_WIDER]),
    ([-999.0, 1.0, 2.0, 5.0, 6.0], 0, "single", "wide-sum", LOG_NAIVE, "log-of-zero", [LOG_SUM]),
    ([-999.0, 1.0, 2.0, 5.0, 6.0], 0, "single", "wide-sum", LOG_SHIFTED, "log-of-zero", [LOG_SUM]),
    (ZEROS, 5, "half", "strict", LOG_NAIVE, "stalled-sum", [WIDER_SUM]),
    (ZEROS, 5, "half", "strict", LOG, "stalled-sum", [WIDER_SUM]),
    ([34.0, 14.0], None, "single", "wide-sum", LOG_NAIVE, "absorbed", [LOG1P]),
    ([34.0, 14.0], None, "single", "wide-sum", LOG_SHIFTED, "absorbed", [LOG1P]),
    ([34.0, 14.0], None, "single", "wide-sum", LOG, "absorbed", [LOG1P]),
    ([89.0, 0.0], None, "single", "wide-sum", LOG, "underflow", [LOG1P]),
    ([200.0, 0.0], None, "single", "wide-sum", LOG, "underflow", [WIDER]),
    ([200.0, 0.0], 1, "single", "wide-sum", GRAD_NAIVE, "overflow", [BACK]),
    ([200.0, 0.0], 1, "single", "wide-sum", GRAD_SHIFTED, "zero-denominator", [BACK]),
    ([100.0, 0.0], 1, "single", "wide-sum", GRAD_SHIFTED, "overflow", [BACK]),
    ([20.0, 0.0], 0, "single", "wide-sum", GRAD, "absorbed", [OTHERS]),
    ([22.0, 0.0], 0, "single", "wide-sum", GRAD_SHIFTED, "absorbed", [OTHERS]),
    ([89.0, 0.0], 0, "single", "wide-sum", GRAD, "underflow", [OTHERS]),
    ([89.0, 0.0], 0, "single", "wide-sum", GRAD_SHIFTED, "underflow", [OTHERS]),
    (ZEROS, 5, "half", "strict", GRAD_NAIVE, "stalled-sum", [WIDER_SUM]),
    (ZEROS, 5, "half", "strict", GRAD_SHIFTED, "stalled-sum", [WIDER_SUM]),
    (ZEROS, 5, "half", "strict", GRAD, "stalled-sum", [WIDER_SUM]),
    (CLOSE, 4, "half", "strict", GRAD, "subnormal", [SCALING]),
    (CLOSE, 4, "half", "strict", GRAD_SHIFTED, "subnormal", [SCALING]),
]


@pytest.mark.parametrize(("row", "label", "dtype", "arithmetic", "name", "kind", "mend"), CASES)
def test_each_cause_has_its_remedy(
    row: list[float],
    label: int | None,
    dtype: str,
    arithmetic: str,
    name: tuple[str, str],
    kind: str,
    mend: list[Remedy],
) -> None:
    found = repair(row, label, dtype, arithmetic, name)
    assert found.kind == kind
    assert found.repair == " Besides, ".join(x.text for x in mend)
    if mend != [WIDER]:
        for remedy in mend:
            assert right(remedy, row, label, dtype, found.column)


def softmax(row: list[float], of: Any, accumulator: Any) -> Any:
    z = np.array(row, of) - of(max(row))
    e = np.exp(z, dtype=of)
    return (e / e.sum(dtype=accumulator)).astype(of)


def true_softmax(row: list[float]) -> list[Decimal]:
    e = [DIGITS.exp(Decimal(x)) for x in row]
    total = sum(e, Decimal(0))
    return [DIGITS.divide(x, total) for x in e]


def right(remedy: Remedy, row: list[float], label: int | None, dtype: str, column: int) -> bool:
    """Compute the element with a remedy, and hold it against its true value."""
    of = TYPES[dtype]
    wide = np.float32 if dtype == "half" else np.float64
    row = [float(x) for x in np.array(row, of)]
    p = true_softmax(row)
    gradient = p[column] - (column == label)
    others = [place for place in range(len(row)) if place != column]
    if label == column:
        gradient = -sum((p[x] for x in others), Decimal(0))
    log_p = DIGITS.ln(p[column])
    if max(row) == row[column]:  # the sum of the others is all that tells it from 0
        rest = sum((DIGITS.exp(Decimal(row[x]) - Decimal(row[column])) for x in others), Decimal(0))
        log_p = -DIGITS.ln(DIGITS.add(Decimal(1), rest))
    with np.errstate(over="ignore"):
        e = np.exp(np.array(row, of) - of(max(row)), dtype=of)
    total = e.sum(dtype=wide)
    one_hot = np.arange(len(row)) == (-1 if label is None else label)
    ways: dict[int, tuple[Callable[[], Any], Decimal]] = {
        id(SHIFT): (lambda: softmax(row, of, wide)[column], p[column]),
        id(WIDER_SUM): (lambda: softmax(row, of, wide)[column], p[column]),
        id(LOGARITHM): (lambda: of(of(row[column] - max(row)) - np.log(total)), log_p),
        id(LOGARITHM_WIDER): (lambda: wide(row[column] - max(row)) - np.log(wide(total)), log_p),
        id(LOG_SUM): (lambda: of(of(row[column] - max(row)) - np.log(total)), log_p),
        id(LOG1P): (
            lambda: of(-np.log1p(np.exp(np.array(row, of)[others] - of(max(row))).sum())),
            log_p,
        ),
        id(BACK): (lambda: (softmax(row, of, wide) - one_hot.astype(of))[column], gradient),
        id(OTHERS): (lambda: of(-softmax(row, of, wide)[others].sum()), gradient),
        id(SCALING): (lambda: Decimal(float(of(e[column] * of(256 / total)))) / 256, gradient),
    }
    compute, true = ways[id(remedy)]
    got = compute()
    error = abs(Decimal(float(got)) - true)
    return bool(error <= abs(true) * Decimal(float(np.finfo(of).eps)) * 8)


def test_every_remedy_is_in_some_case() -> None:
    known = {id(x) for x in vars(remedies).values() if isinstance(x, Remedy)}
    tried = {id(x) for case in CASES for x in case[-1]}
    assert known - tried == {id(WIDER_STEPS)}


def test_log1p_is_told_at_the_largest_logit_alone() -> None:
    """The exponential that is lost here is no addend beside a 1."""
    for name in (NAIVE, LOG_NAIVE):
        found = repair(FLAT, None, "half", "wide-sum", name)
        assert found.column == 2
        assert found.repair in {SHIFT.text, LOG_SUM.text}


def test_a_log_softmax_beyond_the_dtype_is_told() -> None:
    """Of [-60000, 60000] it is -120000, and the loss 120000: more than 65504."""
    report = st.explain([[-6e4, 6e4]], [0], dtype="half")
    assert any(
        "log-softmax of class 0: the true value, -120000, is beyond" in x for x in report.story
    )
    assert not any("work with log-softmax, and" in x for x in report.story)
    report = st.explain([[-3e4, 3e4]], [0], dtype="half")
    assert not any("has no number for log-softmax" in x for x in report.story)
