"""Gradients: the bits of an independent way back, and what is known of their failures."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool import counting, engine
from softmax_tool.arithmetic import find_model
from softmax_tool.check import gate
from softmax_tool.check.request import Request
from softmax_tool.errors import UsageError
from softmax_tool.formats import find_format
from softmax_tool.formulations import FORMULATIONS, GRADIENT
from softmax_tool.plan import Options
from softmax_tool.readers import from_arrays, open_logits
from softmax_tool.targets import Targets
from tests.golden import autograd
from tests.oracle import autodiff, oracle

NAMES = [name for quantity, name in FORMULATIONS if quantity == GRADIENT]
KINDS = ("plain", "weights", "smoothing", "weights-smoothing", "probabilities", "all")
DIVISORS = (Fraction(1), Fraction(7), Fraction(5, 4))
SMOOTHING = Fraction(0.1)


def rows_of(dtype: str) -> list[list[float]]:
    rng = np.random.default_rng(42)
    target = find_format(dtype)
    rows = [
        [2.0, 1.0, 0.1],
        [0.0, 0.0, 0.0, 0.0],
        [5.0],
        [200.0, 0.0],
        [88.0, 88.0, 88.0],
        [100.0, 0.0],
        [11.0859375, 11.0859375, 11.0859375],
        [-17.328125, -17.328125, -17.34375],
        [-999.0, 1.0, 2.0, 5.0, 6.0],
        [3.0, -float("inf"), 1.0],
        [60000.0, -60000.0],
        *(list(rng.standard_normal(n) * s) for n in (2, 9, 40) for s in (0.1, 3, 12)),
        list(rng.standard_normal(1030)),  # more than the 1024 that a leaf of a wide sum holds
    ]
    return [target.round(np.asarray(row)).tolist() for row in rows]


def targets_of(kind: str, label: int, classes: int, dtype: str, divisor: Fraction) -> Targets:
    target, rng = find_format(dtype), np.random.default_rng(7)
    smoothing = SMOOTHING if "smoothing" in kind or kind == "all" else Fraction(0)
    weights = rng.uniform(0.2, 3, (1, classes)) if "weights" in kind or kind == "all" else None
    soft = kind in {"probabilities", "all"}
    weights = None if weights is None else target.round(weights)
    own = np.zeros((1, classes), np.float32 if weights is None else weights.dtype)
    own[0, label] = 1 if weights is None else weights[0, label]
    return Targets(
        labels=None if soft else np.array([[label]]),
        probabilities=target.round(rng.dirichlet(np.ones(classes))[None, :]) if soft else None,
        weights=weights,
        smoothing=smoothing,
        kept=1 - smoothing,
        spread=smoothing / classes,
        divisor=divisor,
        own_weights=None if soft else own,
    )


def seed_of(arithmetic: autodiff.Arithmetic, targets: Targets, classes: int) -> list[float]:
    """Return the adjoints of the log-probabilities: the way back through the loss itself."""
    f = arithmetic.work
    upstream = [] if targets.divisor == 1 else [oracle.round_fraction(f, targets.share)]

    def times(*factors: float) -> float:
        product = factors[0]
        for factor in factors[1:]:
            product = oracle.multiply(f, product, factor)
        return product

    def weight(c: int) -> list[float]:
        return [] if targets.weights is None else [float(targets.weights[0, c])]

    kept, spread = (oracle.round_fraction(f, v) for v in (targets.kept, targets.spread))
    if targets.probabilities is not None:
        t = [float(v) for v in targets.probabilities[0]]
        if targets.smoothing:
            t = [oracle.add(f, oracle.multiply(f, v, kept), spread) for v in t]
        t = [times(*weight(c), v) for c, v in enumerate(t)]
        return [-times(*upstream, v) for v in t]
    assert targets.labels is not None
    label = int(targets.labels[0, 0])
    if not targets.smoothing:
        own = times(*upstream, *(weight(label) or [1.0]))
        return [-own if c == label else 0.0 for c in range(classes)]
    hard = times(times(*upstream, kept), *weight(label))
    every = [times(times(*upstream, spread), *weight(c)) for c in range(classes)]
    return [-oracle.add(f, hard, v) if c == label else -v for c, v in enumerate(every)]


@cache
def tapes_of(name: str, dtype: str, model: str) -> list[autodiff.Tape]:
    """Return the way to the log-probabilities of every row, which no target is in."""
    arithmetic = autodiff.Arithmetic.of(model, oracle.FORMATS[dtype])
    clamp = oracle.round_fraction(oracle.FORMATS[dtype], Fraction(1, 10**12))
    return [autodiff.log_probabilities(name, arithmetic, row, clamp) for row in rows_of(dtype)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", ["strict", "wide-sum", "fused"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_bits(name: str, dtype: str, model: str, kind: str) -> None:
    arithmetic = autodiff.Arithmetic.of(model, oracle.FORMATS[dtype])
    target = find_format(dtype)
    tapes = tapes_of(name, dtype, model)
    xp = find_model(model).build(target)
    for index, row in enumerate(rows_of(dtype)):
        label, divisor = index % len(row), DIVISORS[index % len(DIVISORS)]
        targets = targets_of(kind, label, len(row), dtype, divisor)
        with np.errstate(all="ignore"):
            logits = np.array([row]).astype(target.carrier)
            got = FORMULATIONS[GRADIENT, name].compute(xp, xp, logits, targets)[0]
        expected = tapes[index].back(seed_of(arithmetic, targets, len(row)))
        # One zero: the sign of none is promised.
        assert np.array_equal(got + 0.0, np.array(expected) + 0.0, equal_nan=True), (row, label)


# Logits, label, and the loss and gradient that PyTorch's automatic differentiation gives in
# float32 through the same operations.
KNOWN = [
    ([200, 0], 1, "log-of-naive", "inf", ["nan", "nan"]),
    ([200, 0], 1, "log-of-shifted", "inf", ["nan", "nan"]),
    ([200, 0], 1, "clamped", "27.631021", ["0", "0"]),
    ([88, 88, 88], 1, "naive-lse", "inf", ["0", "-1", "0"]),
    ([100, 0], 1, "log-of-shifted", "99.983093", ["inf", "nan"]),
    ([200, 0], 0, "log-of-shifted", "0", ["nan", "nan"]),
    ([20, 0], 0, "shifted", "0", ["0", "2.0611537e-09"]),
    ([20, 0], 0, "exact", "2.0611537e-09", ["-2.0611537e-09", "2.0611537e-09"]),
]


@pytest.mark.parametrize(("row", "label", "name", "loss", "gradient"), KNOWN)
def test_known_failures(
    row: list[float], label: int, name: str, loss: str, gradient: list[str]
) -> None:
    report = st.compute(
        [row], [label], ops=["ce", "gradient"], dtypes=["single"], formulations=[name]
    )
    [found] = report.losses
    [shown] = report.shown
    assert np.float32(found.value) == np.float32(loss) or found.value == float(loss)
    [values] = shown.values
    assert np.array_equal(values, np.array(gradient, np.float32), equal_nan=True)


# Weights of three classes, label smoothing, reduction, the gradients that PyTorch's cross_entropy
# gives in float32 for the logits below, where 1e39 is inf.
INFINITE = [
    (
        [1, 1e39, 1],
        0.0,
        "sum",
        ["-0.34099883", "0.24243298", "0.0985659", "0.09003058", "0.24472849", "-0.334759"],
    ),
    ([1, 1e39, 1], 0.25, "sum", ["inf", "nan", "inf", "inf", "nan", "inf"]),
    ([1e39, 2, 2], 0.0, "sum", ["nan", "inf", "inf", "0.18006116", "0.48945698", "-0.669518"]),
    ([1e39, 2, 2], 0.0, "mean", ["nan", "nan", "nan", "0", "0", "0"]),
    ([1e39, 2, 2], 0.25, "mean", ["nan"] * 6),
]


@pytest.mark.parametrize(("weights", "smoothing", "reduction", "expected"), INFINITE)
def test_infinite_weights(
    weights: list[float], smoothing: float, reduction: str, expected: list[str]
) -> None:
    report = st.compute(
        [[2.0, 1.0, 0.1], [0.0, 1.0, 2.0]],
        [0, 2],
        ops=["gradient"],
        dtypes=["single"],
        formulations=["shifted", "exact"],
        weights=weights,
        label_smoothing=smoothing,
        reduction=reduction,
    )
    gradients = np.array(expected, np.float64).reshape(2, 3)
    for shown, row in zip(report.shown, gradients, strict=True):
        shifted, true = shown.values
        np.testing.assert_allclose(shifted, row, rtol=2e-6)
        # Of one infinite coefficient c, (p − 1) c goes to −∞; a mean makes of it 0 times infinity.
        limit = np.where(np.isnan(row), -np.inf, row) if reduction == "sum" else row
        np.testing.assert_allclose(true, limit, rtol=2e-6)


def test_a_target_of_0_makes_of_an_infinite_weight_no_number() -> None:
    """0 times infinity is in the sum that every entry takes, as in PyTorch, whose row is nan."""
    report = st.compute(
        [[2.0, 1.0, 0.1]],
        [[0.5, 0.0, 0.5]],
        ops=["gradient"],
        dtypes=["single"],
        formulations=["shifted", "exact"],
        weights=[1, 1e39, 1],
        reduction="sum",
    )
    [row] = report.shown
    assert all(np.isnan(values).all() for values in row.values)


@pytest.mark.parametrize(("spread", "told"), [("1e-20", "backward"), ("1e-33", None)])
def test_coefficients_far_apart_are_explained_or_said_to_be_beyond_it(
    spread: str, told: str | None
) -> None:
    """Entry 0 is what the other classes have, 2c; it is lost beside 1, however that is summed."""
    small = float(np.float32(spread))
    report = st.compare(
        [[0.0, -10000.0, -10000.0]],
        [[1.0, small, small]],
        ops=["gradient"],
        dtypes=["single"],
        formulations=["shifted"],
    )
    [case] = report.cases
    [found] = [finding for finding in case.worst if finding.column == 0]
    assert (found.got, found.kind) == (0.0, "absorbed")
    assert found.exact == pytest.approx(2 * small, rel=1e-15)
    assert (found.origin.step if found.origin else None) == told
    if told is None:
        assert found.why == "is lost beside what is larger by more than 30 digits"


@pytest.mark.parametrize("dtype", ["half", "single", "double"])
def test_a_label_that_vanished_is_named_where_the_clamp_drops_it(dtype: str) -> None:
    report = st.compare(
        [[0.0, -800.0, 3.0]],
        [1],
        ops=["gradient"],
        dtypes=[dtype],
        formulations=["clamped"],
        label_smoothing=0.1,
    )
    [case] = report.cases
    found = {finding.column: finding.origin for finding in case.worst}
    assert found
    for origin in found.values():
        assert origin is not None
        assert (origin.step, origin.column, origin.operand) == ("exp", 1, -803.0)


def test_weights_without_a_sum() -> None:
    with pytest.raises(st.UsageError, match="add up to nan, by which a mean would divide"):
        st.compute([[2, 1], [0, 1]], [0, 1], ops=["gradient"], weights=[1e39, -1e39])


def closed_form(x: Any, labels: Any, weights: Any, smoothing: float) -> Any:
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    classes = x.shape[1]
    c = weights * (smoothing / classes + (1 - smoothing) * (np.arange(classes) == labels[:, None]))
    return p * c.sum(axis=1, keepdims=True) - c


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_a_batch(reduction: str, weighted: bool, smoothing: float) -> None:
    rng = np.random.default_rng(5)
    x, labels = rng.standard_normal((40, 6)), rng.integers(0, 6, 40)
    labels[3] = labels[17] = -100
    weights = rng.uniform(0.5, 2, 6) if weighted else np.ones(6)
    kept = labels != -100
    expected = np.zeros_like(x)
    expected[kept] = closed_form(x[kept], labels[kept], weights, smoothing)
    if reduction == "mean":
        expected /= weights[labels[kept]].sum()
    report = st.compute(
        x,
        labels,
        ops=["gradient"],
        dtypes=["double"],
        formulations=["shifted", "log-of-naive", "exact"],
        reduction=reduction,
        weights=weights if weighted else None,
        label_smoothing=smoothing,
        top=40,
    )
    rows = list(report.shown)
    assert len(rows) == len(x)
    for shown in rows:
        for values in shown.values:
            np.testing.assert_allclose(values, expected[shown.row], rtol=1e-12, atol=1e-15)


def test_it_is_taken_only_where_it_is_named() -> None:
    ops = st.compute([[1.0, 2.0]], [0]).settings.ops
    assert GRADIENT not in ops
    with pytest.raises(UsageError, match="op 'gradient' needs labels"):
        st.compute([[1.0, 2.0]], ops=["gradient"])


def test_a_mean_over_no_weight_has_no_gradient() -> None:
    source = from_arrays(np.ones((2, 3)), np.array([2, 2]))
    weights = np.array([1.0, 1.0, 0.0])
    options = Options(dtypes=("float32",), ops=("gradient",), weights=weights)
    with pytest.raises(UsageError, match=r"add up to 0, .*; use --reduction sum"):
        engine.compare(source, options)


def test_a_mean_over_a_pipe_is_the_mean_over_the_file(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(8)
    x, labels = rng.standard_normal((500, 4)), rng.integers(0, 4, 500)
    text = "\n".join(f"{','.join(map(str, row))},{y}" for row, y in zip(x, labels, strict=True))
    path = tmp_path / "logits.csv"
    path.write_text(text + "\n")
    options = Options(dtypes=("float32",), ops=("gradient",), formulations=("shifted",), top=500)
    from_text = engine.compute(open_logits([str(path)], label_column="4"), options)
    from_arrays_ = engine.compute(from_arrays(x, labels), options)
    for one, other in zip(from_text.shown, from_arrays_.shown, strict=True):
        assert np.array_equal(one.values[0], other.values[0])
    monkeypatch.setattr(counting, "_HELD", 1000)
    with pytest.raises(UsageError, match="use --reduction sum, or save the input as NPY"):
        engine.compute(open_logits([str(path)], label_column="4"), options)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("shifted", set()),
        ("log-of-shifted", {"DEN101", "NAN101"}),
        ("clamped", {"ABS101"}),
    ],
)
def test_a_gate_on_the_gradient(name: str, codes: set[str]) -> None:
    """Logits whose label has a probability below every float32, beside a row without trouble."""
    logits = [[-999.0, 1, 2, 5, 6], [1.0, 2, 3, 4, 5]]
    source = from_arrays(np.array(logits), np.array([0, 1]))
    options = Options(dtypes=("float32",), ops=("gradient",), formulations=(name,))
    assert {f.code for f in gate.check(source, options, Request()).findings} == codes


def test_half_precision_is_pytorch_s_bit_for_bit() -> None:
    entries = json.loads(autograd.PATH.read_text())
    logits = np.array([[float.fromhex(x) for x in entry["logits"]] for entry in entries])
    labels = np.array([entry["label"] for entry in entries])
    report = st.compute(
        logits.astype(np.float16),
        labels,
        ops=["gradient"],
        formulations=[*autograd.FORMULATIONS],
        reduction="sum",
    )
    for result in report.results:
        name = result.name.formulation
        theirs = [[float.fromhex(g) for g in entry["gradients"][name]] for entry in entries]
        assert result.values is not None
        np.testing.assert_array_equal(result.values.astype(float), np.array(theirs), err_msg=name)
    assert len(report.results) == len(autograd.FORMULATIONS)
