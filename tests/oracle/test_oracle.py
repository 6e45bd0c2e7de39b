"""The oracle against published figures, NumPy's rounding and summation, and mpmath."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
from flint import arb

from tests.golden import rows
from tests.oracle import oracle
from tests.oracle.oracle import (
    BFLOAT16,
    FLOAT8_E4M3FN,
    FLOAT8_E5M2,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    FORMATS,
    Case,
    ExactRow,
    Format,
    Real,
    Target,
)

INF, NAN = math.inf, math.nan
MODELS = {FLOAT16: ("strict", "wide-sum", "fused"), FLOAT32: ("strict", "wide-sum")}


def got(quantity: str, name: str, fmt: Format, model: str, row: list[float]) -> list[float]:
    return Case(quantity, name, fmt, model, row).got


def loss(
    name: str, fmt: Format, row: list[float], label: int = 0, model: str = "wide-sum"
) -> oracle.Finding:
    return Case("ce", name, fmt, model, row, Target(label)).finding(0)


def random_row(n: int, scale: float, seed: int) -> list[float]:
    return rows.logits({"kind": "normal", "n": n, "scale": scale, "seed": seed})


# --- Formats and rounding ---

EDGES = {
    "float16": (11.0859375, 11.09375, -17.34375, -17.328125, -9.7109375, -9.703125),
    "bfloat16": (88.5, 89, -93, -92.5, -87.5, -87),
    "float32": (
        88.72283172607422,
        88.72283935546875,
        -103.97208404541016,
        -103.97207641601562,
        -87.3365478515625,
        -87.33654022216797,
    ),
    "float64": (
        709.782712893384,
        709.7827128933841,
        -745.1332191019412,
        -745.1332191019411,
        -708.3964185322642,
        -708.3964185322641,
    ),
    "float8_e4m3fn": (6, 6.5, -7, -6.5, -4.5, -4),
    "float8_e5m2": (10, 12, -12, -10, -10, -8),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges_of_exp_are_the_published_ones(name: str) -> None:
    assert tuple(oracle.exp_edges(FORMATS[name]).values()) == EDGES[name]


@pytest.mark.parametrize("name", EDGES)
def test_edges_are_edges_by_mpmath(name: str) -> None:
    fmt, edge = FORMATS[name], oracle.exp_edges(FORMATS[name])
    with mpmath.workdps(60):
        ulp_at_top = mpmath.ldexp(1, fmt.emax - fmt.precision + 1)
        overflow = fmt.max_finite + ulp_at_top / 2
        assert mpmath.exp(edge["last_finite"]) < overflow < mpmath.exp(edge["first_overflow"])
        half = mpmath.mpf(fmt.eta) / 2
        assert mpmath.exp(edge["last_zero"]) < half < mpmath.exp(edge["first_nonzero"])


def test_parameters_of_formats() -> None:
    largest = {f.name: f.max_finite for f in FORMATS.values()}
    assert largest["float16"] == 65504
    assert largest["float8_e4m3fn"] == 448
    assert largest["float8_e5m2"] == 57344
    for name in ("float32", "float64"):
        info = np.finfo(name)
        fmt = FORMATS[name]
        assert fmt.max_finite == info.max
        assert fmt.eta == info.smallest_subnormal
        assert fmt.tiny == info.tiny


def test_rounding_is_once() -> None:
    x = 1.00048828218
    assert oracle.round_float(FLOAT16, x) == 1.0009765625
    assert oracle.round_float(FLOAT16, oracle.round_float(FLOAT32, x)) == 1.0


def test_rounding_agrees_with_numpy() -> None:
    rng = np.random.default_rng(1)
    patterns = rng.integers(0, 2**64, 20000, dtype=np.uint64)
    x = patterns.view(np.float64)
    small = rng.standard_normal(20000) * np.exp2(rng.integers(-30, 20, 20000))
    tiny = rng.standard_normal(5000) * np.exp2(rng.integers(-152, -120, 5000))
    values = np.concatenate([x[np.isfinite(x)], small, tiny])
    with np.errstate(over="ignore", under="ignore"):
        for fmt, dtype in ((FLOAT16, np.float16), (FLOAT32, np.float32)):
            want = [float(v) for v in values.astype(dtype)]
            assert [oracle.round_float(fmt, float(v)) for v in values] == want


@pytest.mark.parametrize(
    ("fmt", "value", "want"),
    [
        (FLOAT16, Fraction(65520), INF),
        (FLOAT16, Fraction(65520) - Fraction(1, 10**9), 65504.0),
        (FLOAT8_E4M3FN, Fraction(464), 448.0),
        (FLOAT8_E5M2, Fraction(61440), INF),
        (FLOAT16, Fraction(1, 2**25), 0.0),
        (FLOAT16, Fraction(1, 2**25) + Fraction(1, 2**90), 2.0**-24),
        (FLOAT16, Fraction(3, 2**25), 2.0**-23),
        (FLOAT64, Fraction(10) ** 400, INF),
        (FLOAT64, Fraction(1, 10**400), 0.0),
        (FLOAT64, Fraction(5, 10**324), 5e-324),
    ],
)
def test_ties_and_thresholds(fmt: Format, value: Fraction, want: float) -> None:
    assert oracle.round_fraction(fmt, value) == want
    assert oracle.round_fraction(fmt, -value) == -want


def test_no_infinity_is_nan() -> None:
    assert math.isnan(oracle.round_fraction(FLOAT8_E4M3FN, Fraction(4641, 10)))
    assert math.isnan(oracle.exp(FLOAT8_E4M3FN, 6.5))


def test_zero_keeps_its_sign() -> None:
    assert math.copysign(1, oracle.add(FLOAT16, -0.0, -0.0)) == -1
    assert math.copysign(1, oracle.subtract(FLOAT16, 1.0, 1.0)) == 1
    assert math.copysign(1, oracle.multiply(FLOAT16, -(2.0**-20), 2.0**-20)) == -1


# --- Operations ---


def test_float32_operations_agree_with_numpy() -> None:
    rng = np.random.default_rng(2)
    words = rng.integers(0, 2**32, (2, 20000), dtype=np.uint64).astype(np.uint32)
    a, b = words.view(np.float32)
    ufuncs = (
        (oracle.add, np.add),
        (oracle.subtract, np.subtract),
        (oracle.multiply, np.multiply),
        (oracle.divide, np.divide),
    )
    with np.errstate(all="ignore"):
        for scalar, ufunc in ufuncs:
            want = ufunc(a, b)
            mine = [scalar(FLOAT32, float(x), float(y)) for x, y in zip(a, b, strict=True)]
            assert np.array_equal(np.array(mine), want.astype(np.float64), equal_nan=True)


@pytest.mark.parametrize("name", ["exp", "log", "log1p"])
def test_elementwise_functions_agree_with_mpmath(name: str) -> None:
    scalar = {"exp": oracle.exp, "log": oracle.log, "log1p": oracle.log1p}[name]
    with mpmath.workdps(50):
        for i in range(400):
            x = (i - 150) / 8 if name == "exp" else (i + 1) / 64
            true = getattr(mpmath, name)(mpmath.mpf(x))
            want = float(np.float32(float(true)))  # 53 bits first: no near-tie among these
            assert scalar(FLOAT32, x) == want


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 15, 17, 127, 128, 129, 136, 255, 1000, 1023, 1024])
def test_a_leaf_is_numpys_sum(n: int) -> None:
    rng = np.random.default_rng(n)
    for fmt, dtype in ((FLOAT32, np.float32), (FLOAT64, np.float64)):
        a = rng.standard_normal(n).astype(dtype)
        assert oracle.tree_sum(fmt, [float(v) for v in a]) == float(np.add.reduce(a))


def test_leaves_pair_up_from_class_0() -> None:
    a = np.random.default_rng(3).standard_normal(1024 * 6 + 5).astype(np.float32)
    leaves = [np.add.reduce(a[i : i + 1024]) for i in range(0, a.size, 1024)]
    pairs = [leaves[0] + leaves[1], leaves[2] + leaves[3], leaves[4] + leaves[5], leaves[6]]
    want = (pairs[0] + pairs[1]) + (pairs[2] + pairs[3])
    assert oracle.tree_sum(FLOAT32, [float(v) for v in a]) == float(want)


@pytest.mark.parametrize(
    ("fmt", "stuck"), [(FLOAT16, 2048), (BFLOAT16, 256), (FLOAT8_E4M3FN, 16), (FLOAT8_E5M2, 8)]
)
def test_a_running_sum_of_ones_sticks(fmt: Format, stuck: int) -> None:
    assert oracle.running_sums(fmt, [1.0] * 4096)[-1] == stuck


def test_pairwise_stops_at_128() -> None:
    row = [0.0] * 8 + [-16.64] * 120
    e = [oracle.exp(FLOAT32, oracle.round_float(FLOAT32, x)) for x in row]
    exact = oracle.exact_sum(e)
    relative = abs(Fraction(oracle.tree_sum(FLOAT32, e)) - exact) / exact / FLOAT32.unit
    assert round(float(relative), 1) == 14.9
    assert relative < oracle.summation_constant(FLOAT32, 128)


# --- Exact values ---


def test_the_worked_example() -> None:
    row = ExactRow([2.0, 1.0, 0.1])
    assert [row.softmax(i).decimal(6) for i in range(3)] == ["0.659001", "0.242433", "0.0985659"]
    e = [oracle.exp(FLOAT64, x) for x in (2.0, 1.0, 0.1)]
    assert [f"{v:.6f}" for v in e] == ["7.389056", "2.718282", "1.105171"]
    assert f"{sum(e):.6f}" == "11.212509"
    shifted = [oracle.exp(FLOAT64, x) for x in (0.0, -1.0, -1.9)]
    assert [f"{v:.6f}" for v in shifted] == ["1.000000", "0.367879", "0.149569"]
    assert f"{sum(shifted):.6f}" == "1.517448"


def test_a_probability_far_below_float64() -> None:
    row = ExactRow([-999.0, 1.0, 2.0, 5.0, 6.0])
    assert row.softmax(0).decimal(4) == "2.455e-437"
    softmax = [f"{row.softmax(i).rounded(FLOAT64):.4f}" for i in range(5)]
    assert softmax == ["0.0000", "0.0048", "0.0131", "0.2641", "0.7179"]
    logs = [float(row.log_softmax(i).decimal(5)) for i in range(5)]
    assert logs == [-1005.3, -5.3314, -4.3314, -1.3314, -0.33141]


def test_the_three_rows() -> None:
    logits = [[0.3321, 0.5043, -1.1833], [-2.1702, -1.8563, 1.0706], [1.7341, 0.2554, -1.3358]]
    softmax = ["0.4153 0.4934 0.0913", "0.0358 0.0490 0.9152", "0.7847 0.1789 0.0364"]
    logs = ["-0.8786 -0.7064 -2.3940", "-3.3294 -3.0155 -0.0886", "-0.2424 -1.7211 -3.3123"]
    for row, p, lp in zip(logits, softmax, logs, strict=True):
        true = ExactRow(row)
        assert " ".join(f"{true.softmax(i).rounded(FLOAT64):.4f}" for i in range(3)) == p
        assert " ".join(f"{true.log_softmax(i).rounded(FLOAT64):.4f}" for i in range(3)) == lp
    losses = [
        ExactRow(row).weighted([(y, Fraction(1))]) for row, y in zip(logits, (1, 2, 0), strict=True)
    ]
    mean = oracle.exact_reduction("mean", losses, [1.0] * 3)
    assert f"{mean.rounded(FLOAT64):.4f}" == "0.3458"


def test_the_two_losses() -> None:
    logits = [
        [-0.13040629029273987, -0.5425235033035278],
        [0.157931387424469, 0.9425035715103149],
    ]
    cases = [
        Case("nll", "shifted", FLOAT32, "wide-sum", row, Target(y))
        for row, y in zip(logits, (1, 0), strict=True)
    ]
    assert [f"{case.got[0]:.4f}" for case in cases] == ["0.9203", "1.1605"]
    losses = [case.got[0] for case in cases]
    mean = oracle.reduce_losses(FLOAT32, "wide-sum", "mean", losses, [1.0, 1.0])
    assert f"{mean:.4f}" == "1.0404"


def test_log_of_softmax_and_log_softmax_differ_until_half() -> None:
    logits = [
        [0.6807700991630554, -0.7550623416900635],
        [-0.14612574875354767, -0.21172422170639038],
        [0.2722793221473694, -0.3762647211551666],
        [-0.8032046556472778, 1.48642897605896],
        [-0.43672817945480347, -0.5018820762634277],
    ]
    first = [
        v for r in logits for v in got("log-softmax", "log-of-shifted", FLOAT32, "wide-sum", r)
    ]
    second = [v for r in logits for v in got("log-softmax", "shifted", FLOAT32, "wide-sum", r)]
    assert first != second
    half = [[oracle.round_float(FLOAT16, v) for v in values] for values in (first, second)]
    assert half[0] == half[1]


def test_log_softmax_near_zero() -> None:
    assert ExactRow([50.0, 0.0]).log_softmax(0).decimal(3) == "-1.93e-22"


def test_equal_logits_are_rational() -> None:
    true = ExactRow([1e300] * 3)
    assert true.softmax(1).rational == Fraction(1, 3)
    assert true.softmax(0).rounded(FLOAT16) == 0.333251953125
    assert 0 < 1 / 70000 < FLOAT16.tiny
    assert ExactRow([0.0] * 70000).softmax(5).rounded(FLOAT16) == 2.0**-24 * 240


def test_cross_entropy_of_equal_large_logits_is_log_2() -> None:
    true = ExactRow([1e8, 1e8]).weighted([(0, Fraction(1))])
    assert true.rounded(FLOAT64) == math.log(2)
    assert loss("minus-lse", FLOAT32, [1e8, 1e8]).got == 0


def test_exact_values_agree_with_mpmath() -> None:
    row = [710.25, -3.5, 709.0, 0.125]
    true = ExactRow(row)
    with mpmath.workdps(500):
        total = mpmath.fsum(mpmath.exp(x) for x in row)
        for i, x in enumerate(row):
            want = mpmath.exp(x) / total
            assert true.softmax(i).decimal(40) == decimal(want)
            assert true.log_softmax(i).decimal(40) == decimal(mpmath.log(want))


def decimal(value: mpmath.mpf) -> str:
    """Forty digits of an mpmath number, in the oracle's notation."""
    man, exp = abs(value).man_exp
    size = Fraction(int(man)) * Fraction(2) ** int(exp)
    return Real(rational=size if value > 0 else -size).decimal(40)


def test_values_that_hug_a_rational() -> None:
    # −2049 lies midway between float16 neighbours; the true value is just beyond it
    assert ExactRow([2048.0, -1.0]).log_softmax(1).rounded(FLOAT16) == -2050
    assert ExactRow([32768.0, -16.0]).log_softmax(1).rounded(FLOAT16) == -32800
    one = ExactRow([60000.0, -60000.0]).softmax(0)
    assert one.rounded(FLOAT16) == 1
    assert oracle.ulp(FLOAT16, one) == Fraction(1, 2**11)  # below 1, however little


def test_a_sum_of_weights_that_vanishes_is_rational() -> None:
    true = ExactRow([1.0, 2.0]).weighted([(0, Fraction(1)), (1, Fraction(-1))])
    assert true.rational == 1


# --- Formulations ---


def test_the_sum_overflows_though_no_exp_does() -> None:
    row = [11.0859375] * 3
    for model in ("strict", "wide-sum"):
        case = Case("softmax", "naive", FLOAT16, model, row)
        assert case.got == [0, 0, 0]
        first = case.finding(0)
        assert (first.kind, first.step, first.origin) == ("overflow", "sum", None)
        assert first.operand == 3 * oracle.exp(FLOAT16, 11.0859375)
        assert first.limit == 65504
    assert got("softmax", "naive", FLOAT16, "fused", row) == [0.333251953125] * 3


def test_sums_to_one_and_wrong() -> None:
    case = Case("softmax", "naive", FLOAT16, "wide-sum", [-17.328125, -17.328125, -17.34375])
    assert case.got == [0.5, 0.5, 0]
    assert [round(v, 3) for v in case.rounded] == [0.335, 0.335, 0.33]
    kinds = [f.kind for f in case.findings()]
    assert kinds == ["silent-error", "silent-error", "absorbed"]
    assert {f.step for f in case.findings()} == {"exp"}


def test_seventy_thousand_equal_logits() -> None:
    # In strict arithmetic the sum stalls at 2048, however many there are.
    assert set(got("softmax", "shifted", FLOAT16, "strict", [0.0] * 3000)) == {1 / 2048}
    row = [0.0] * 70000
    assert set(got("softmax", "shifted", FLOAT16, "wide-sum", row)) == {0.0}
    assert set(got("softmax", "shifted", FLOAT16, "fused", row)) == {2.0**-24 * 240}


def test_a_stalled_sum_names_the_first_addend_it_lost() -> None:
    finding = Case("softmax", "shifted", FLOAT16, "strict", [0.0] * 3000).finding(0)
    assert (finding.kind, finding.step, finding.origin) == ("stalled-sum", "sum", 2048)
    assert (finding.operand, finding.limit) == (1, 1)
    wide = Case("softmax", "shifted", FLOAT16, "wide-sum", [0.0] * 3000).finding(0)
    assert wide.kind is None


def test_shift_overflow_is_what_the_format_holds() -> None:
    case = Case("log-softmax", "shifted", FLOAT16, "wide-sum", [60000.0, -60000.0])
    assert case.got == [0, -INF]
    assert [f.ulp == 0 for f in case.findings()][1]
    assert case.finding(1).kind is None
    weighted = Case(
        "ce", "shifted", FLOAT16, "wide-sum", [60000.0, -60000.0], Target(1, weights=(1, 0.25))
    ).finding(0)
    assert (weighted.got, weighted.exact) == (INF, 30000)
    assert (weighted.kind, weighted.step, weighted.origin) == ("overflow", "shift", 1)
    assert (weighted.operand, weighted.limit) == (-120000, -65504)


@pytest.mark.parametrize("name", ["naive", "log-of-shifted"])
def test_wrong_label_at_200(name: str) -> None:
    name = {"naive": "log-of-naive"}.get(name, name)
    finding = loss(name, FLOAT32, [200.0, 0.0], label=1)
    assert finding.got == INF
    assert finding.kind == ("overflow" if name == "log-of-naive" else "log-of-zero")


def test_the_popular_patch() -> None:
    finding = loss("clamped", FLOAT32, [200.0, 0.0], label=1)
    assert f"{finding.got:.2f}" == "27.63"
    assert (finding.kind, finding.step) == ("silent-error", "exp")
    nothing = loss("clamped", FLOAT16, [200.0, 0.0], label=1)
    assert (nothing.got, nothing.kind) == (INF, "log-of-zero")
    patch = loss("clamped", FLOAT32, [60.0, 0.0], label=1)
    assert (patch.kind, patch.step) == ("silent-error", "clamp")
    assert patch.limit == oracle.round_fraction(FLOAT32, Fraction(1, 10**12))


def test_losses_others_report() -> None:
    assert loss("naive-lse", FLOAT32, [88.0, 88.0, 88.0], label=1).got == INF
    assert f"{loss('log-of-shifted', FLOAT32, [100.0, 0.0], label=1).got:.3f}" == "99.983"
    assert loss("log-of-shifted", FLOAT32, [200.0, 0.0], label=0).got == 0


def test_absorbed_from_a_margin_of_about_17() -> None:
    assert loss("shifted", FLOAT32, [16.0, 0.0]).kind is None
    finding = loss("shifted", FLOAT32, [17.0, 0.0])
    assert (finding.got, finding.kind, finding.step) == (0, "absorbed", "sum")
    assert loss("log1p", FLOAT32, [17.0, 0.0]).kind is None


@pytest.mark.parametrize(("fmt", "model"), [(f, m) for f, ms in MODELS.items() for m in ms])
def test_online_without_rescaling_is_shifted(fmt: Format, model: str) -> None:
    row = [6.0, *(6.0 - abs(x) for x in random_row(700, 2, 9))]
    assert got("softmax", "online", fmt, model, row) == got("softmax", "shifted", fmt, model, row)


def test_online_rescales() -> None:
    row = [i / 8 for i in range(100)]
    sums = [oracle.online_sum(oracle.Machine(FLOAT16, m), row) for m in ("strict", "wide-sum")]
    # leaves keep one maximum: only the strict recurrence rescales within 1024 classes
    e = [oracle.exp(FLOAT16, x - row[-1]) for x in row]
    assert sums[1] == oracle.round_float(FLOAT16, oracle.tree_sum(FLOAT32, e))
    assert sums[0] != sums[1]


def test_invalid_rows_are_nan() -> None:
    for row in ([INF, 1.0], [NAN, 1.0], [-INF, -INF]):
        case = Case("softmax", "naive", FLOAT32, "strict", row)
        assert all(math.isnan(v) for v in case.got + case.rounded)
        assert [f.kind for f in case.findings()] == [None, None]


def test_masked_classes_are_no_failure() -> None:
    for name in oracle.LOG_SOFTMAX:
        case = Case("log-softmax", name, FLOAT16, "wide-sum", [-INF, 1.0, 2.0])
        assert case.got[0] == -INF
        assert case.finding(0).kind is None
    assert loss("shifted", FLOAT32, [-INF, 0.0], label=0).got == INF
    assert loss("shifted", FLOAT32, [-INF, 0.0], label=0).kind is None


def test_float32_wide_sum_agrees_with_numpy_step_by_step() -> None:
    for n, scale in ((5, 3), (200, 2), (1500, 1)):
        row = np.array(random_row(n, scale, n)).astype(np.float32)
        z = row - row.max()
        e = np.exp(z.astype(np.float64)).astype(np.float32)
        leaves = [np.add.reduce(e[i : i + 1024]) for i in range(0, n, 1024)]
        total = leaves[0] + leaves[1] if len(leaves) == 2 else leaves[0]
        want = [float(v) for v in e / total]
        mine = got("softmax", "shifted", FLOAT32, "wide-sum", [float(v) for v in row])
        assert mine == want
        log_s = np.float32(np.log(np.float64(total)))
        mine = got("log-softmax", "shifted", FLOAT32, "wide-sum", [float(v) for v in row])
        assert mine == [float(v) for v in z - log_s]


def test_float16_rounds_where_the_model_says() -> None:
    row = np.array(random_row(300, 2, 4)).astype(np.float16)
    z = row - row.max()
    e = np.exp(z.astype(np.float64)).astype(np.float16)
    total = np.add.reduce(e.astype(np.float32))
    wide = e / total.astype(np.float16)
    values = [float(v) for v in row]
    assert got("softmax", "shifted", FLOAT16, "wide-sum", values) == [float(v) for v in wide]
    strict = np.float16(0)
    for v in e:
        strict += v
    assert got("softmax", "shifted", FLOAT16, "strict", values) == [float(v) for v in e / strict]
    z32 = row.astype(np.float32) - np.float32(row.max())
    e32 = np.exp(z32.astype(np.float64)).astype(np.float32)
    fused = (e32 / np.add.reduce(e32)).astype(np.float16)
    assert got("softmax", "shifted", FLOAT16, "fused", values) == [float(v) for v in fused]


def test_the_threshold_is_the_published_bound() -> None:
    row = [2.0, 1.0, 0.125]
    e = [math.exp(x - 2) for x in row]
    p = [v / sum(e) for v in e]
    spread = sum(a * (2 - x) for a, x in zip(p, row, strict=True))
    u, eta, n = 2.0**-11, 2.0**-24, (2 + 3) * 2.0**-13 + 2
    for i in range(3):
        t = (2 - row[i] + spread + n + 2) * u
        bound = t / (1 - t) * p[i] + eta / 2 * (1 + 4 / sum(e))
        unit = 2.0 ** (math.floor(math.log2(p[i])) - 10)
        case = Case("softmax", "naive", FLOAT16, "strict", row)
        assert case.threshold(i) == pytest.approx(bound / unit, rel=1e-12)
        y = math.log(p[i])
        t = (2 * abs(y) + spread + n) * u
        bound = t / (1 - t) + eta / 2 * 5
        unit = 2.0 ** (math.floor(math.log2(-y)) - 10)
        log_case = Case("log-softmax", "shifted", FLOAT16, "fused", row)
        assert log_case.threshold(i) == pytest.approx(bound / unit, rel=1e-12)
        weighted = Case("ce", "shifted", FLOAT16, "fused", row, Target(i, weights=(3.0,) * 3))
        unit3 = 2.0 ** (math.floor(math.log2(-3 * y)) - 10)
        want = (3 * bound + u * 3 * -y + eta / 2) / unit3
        assert weighted.threshold(0) == pytest.approx(want, rel=1e-12)


# --- Losses and reductions ---


def test_smoothing_and_probabilities_agree_with_the_formula() -> None:
    row, w, eps = [0.5, -1.0, 2.0], [0.25, 1.5, 3.0], 0.25
    true = ExactRow(row)
    lp = [true.log_softmax(i).rounded(FLOAT64) for i in range(3)]
    smoothed = (1 - eps) * w[1] * -lp[1] + eps / 3 * sum(a * -b for a, b in zip(w, lp, strict=True))
    case = Case("ce", "exact", FLOAT64, "strict", row, Target(1, weights=tuple(w), smoothing=eps))
    assert case.got[0] == pytest.approx(smoothed, rel=1e-14)
    t = [0.5, 0.25, 0.0]
    mixed = [(1 - eps) * v + eps / 3 for v in t]
    soft = sum(a * b * -c for a, b, c in zip(w, mixed, lp, strict=True))
    target = Target(probabilities=tuple(t), weights=tuple(w), smoothing=eps)
    assert Case("ce", "exact", FLOAT64, "strict", row, target).got[0] == pytest.approx(soft)
    for name in oracle.LOSS:
        for model in ("strict", "wide-sum"):
            got64 = Case("ce", name, FLOAT64, model, row, target).got[0]
            assert got64 == pytest.approx(soft, rel=1e-13)


@pytest.mark.parametrize(
    ("target", "want"),
    [
        (Target(0), INF),
        (Target(0, weights=(0.0, 1.0)), NAN),
        (Target(1, smoothing=0.1), INF),
        (Target(0, smoothing=1.0), NAN),
        (Target(probabilities=(0.0, 1.0)), NAN),
        (Target(probabilities=(0.0, 1.0), smoothing=0.5), INF),
    ],
)
def test_losses_over_a_masked_class(target: Target, want: float) -> None:
    names = [name for name in oracle.LOSS if name != "clamped"]
    for name in ("exact", *names):
        value = Case("ce", name, FLOAT32, "wide-sum", [-INF, 0.0], target).got[0]
        assert value == want or (math.isnan(value) and math.isnan(want))


def test_the_patch_makes_an_infinite_loss_finite() -> None:
    finding = loss("clamped", FLOAT32, [-INF, 0.0], label=0)
    assert (finding.exact, finding.ulp) == (INF, INF)
    assert (finding.kind, finding.step, finding.operand) == ("silent-error", "clamp", 0)


def test_reductions_of_nothing() -> None:
    assert math.isnan(oracle.reduce_losses(FLOAT32, "wide-sum", "mean", [], []))
    assert oracle.reduce_losses(FLOAT32, "strict", "sum", [], []) == 0
    assert math.isnan(oracle.reduce_losses(FLOAT32, "strict", "mean", [0.0], [0.0]))


def test_a_mean_in_half_stalls_left_to_right_only() -> None:
    half = oracle.round_float(FLOAT16, math.log(2))
    losses, ones = [half] * 65536, [1.0] * 65536
    assert oracle.reduce_losses(FLOAT16, "strict", "mean", losses, ones) == 1
    assert oracle.reduce_losses(FLOAT16, "wide-sum", "mean", losses, ones) == half
    assert oracle.reduce_losses(FLOAT16, "wide-sum", "sum", losses, ones) == 45440


# --- ULP errors ---


@pytest.mark.parametrize(
    ("value", "y", "want"),
    [
        (1.0, Real(rational=Fraction(1)), 0.0),
        (1.0, Real(rational=Fraction(1) - Fraction(1, 2**12)), 0.5),
        (2.0**-24, Real(rational=Fraction(0)), 1.0),
        (0.0, Real(rational=Fraction(1, 2**30)), 2.0**-6),
        (INF, Real(rational=Fraction(10**9)), 0.0),
        (INF, Real(rational=Fraction(32768)), 1024.0),
        (32768.0, Real(rational=Fraction(10**9)), 1024.0),
        (NAN, Real(rational=Fraction(1)), INF),
        (NAN, Real(special=NAN), 0.0),
        (1.0, Real(special=NAN), INF),
        (1.0, Real(special=-INF), INF),
        (-INF, Real(special=-INF), 0.0),
        (-0.0, Real(rational=Fraction(0)), 0.0),
    ],
)
def test_ulp_errors_at_the_edges(value: float, y: Real, want: float) -> None:
    assert oracle.ulp_error(FLOAT16, value, y) == want


def test_ulp_error_of_a_ball() -> None:
    third = Real(ball=lambda: arb(1) / 3)
    error = oracle.ulp_error(FLOAT16, 0.333251953125, third)
    assert error == float(abs(Fraction(0.333251953125) - Fraction(1, 3)) * 2**12)


def test_words_round_trip() -> None:
    ordinals = list(range(0, 0x7C00, 97))
    want = [struct.unpack(">e", k.to_bytes(2, "big"))[0] for k in ordinals]
    assert [oracle.grid_value(FLOAT16, k) for k in ordinals] == want
