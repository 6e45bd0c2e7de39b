"""Reports made by hand: every kind, every odd number, every name that wants to misbehave."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.check.report import (
    CheckedCase,
    CheckFinding,
    CheckReport,
    CheckSettings,
    ResultsInfo,
    RuleResult,
)
from softmax_tool.explanation.explaining import Request, explain, textbook
from softmax_tool.inspection.inspecting import inspect
from softmax_tool.readers import from_arrays
from softmax_tool.report import (
    Case,
    CaseName,
    CompareReport,
    ComputeReport,
    Finding,
    FormatLimits,
    InputInfo,
    InputRounding,
    KindCounts,
    LabelsInfo,
    LimitsReport,
    Loss,
    Origin,
    Pair,
    ReductionEvent,
    Report,
    Result,
    Settings,
    ShownRow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from softmax_tool.explanation.report import ExplainReport
    from softmax_tool.inspection.report import InspectReport

INF = float("inf")
NAN = float("nan")
HISTOGRAM = ((0.0, 3000), (0.5, 496), (1.0, 4), (2.0, 0), (INF, 100))
HOSTILE = "[bold]x[/bold]\x1b[31m\u202egnp.npy"

SOFTMAX = ("naive", "shifted", "online", "via-lse", "exact")
LOG_SOFTMAX = ("log-of-naive", "log-of-shifted", "shifted", "minus-lse", "log1p", "exact")
LOSSES = ("log-of-naive", "shifted", "naive-lse", "clamped", "exact")


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "ops": ("softmax", "log-softmax", "nll", "ce"),
        "formulations": ("naive", "shifted", "exact"),
        "dtypes": ("float16", "float32"),
        "arithmetics": ("wide-sum",),
        "axis": -1,
        "reduction": "mean",
        "ignore_index": -100,
        "label_smoothing": 0.0,
        "weights": None,
        "max_ulp": None,
        "top": 10,
        "rows": None,
        "columns": None,
    }
    return Settings(**(values | changes))


def name(quantity: str, formulation: str, dtype: str) -> CaseName:
    arithmetic = None if formulation == "exact" else "wide-sum"
    return CaseName(quantity, formulation, dtype, arithmetic)


def finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "row": 3,
        "column": 7,
        "logit": 11.203125,
        "got": NAN,
        "exact": 0.3351,
        "ulp": INF,
        "kind": "overflow",
        "origin": Origin(3, 7, "exp", 11.203125, 65504.0),
        "propagated": False,
        "why": "exp(11.203125) > 65504; float16 overflows from 11.09375",
    }
    return Finding(**(values | changes))


def case(of: CaseName, kinds: Mapping[str, KindCounts] | None = None, **changes: Any) -> Case:
    values: dict[str, Any] = {
        "name": of,
        "rows": 360,
        "elements": 3600,
        "kinds": kinds or {},
        "masked": 0,
        "invalid_rows": 0,
        "rank_changes": 0,
        "correctly_rounded": 3599,
        "max_ulp": 0.9731,
        "mean_ulp": 0.2513,
        "infinite_ulp": 0,
        "ulp_histogram": HISTOGRAM,
        "max_abs_error": 0.00048828125,
        "max_rel_error": 0.0009765625,
        "bound_ratio": 0.41,
        "bound_elements": 3600,
        "worst": (),
        "rows_hit": 0,
        "judged": 3600,
        "lost_share": None,
    }
    return Case(**(values | changes))


def compare_report() -> CompareReport:
    unavoidable = {"underflow": KindCounts(40, 21, 40, 40), "subnormal": KindCounts(33, 20, 33, 33)}
    cases: list[Case] = []
    losses: list[Loss] = []
    for formulation in SOFTMAX:
        of = name("softmax", formulation, "float16")
        if formulation == "naive":
            kinds = {
                "overflow": KindCounts(3240, 324, 512, 0),
                "underflow": KindCounts(52, 22, 40, 40),
                "subnormal": KindCounts(30, 12, 30, 30),
            }
            worst: tuple[Finding, ...] = (
                finding(),
                finding(
                    row=0,
                    column=2,
                    logit=-999.0,
                    got=0.0,
                    exact=Decimal("2.4551E-437"),
                    ulp=1.0,
                    kind="underflow",
                    origin=Origin(0, 2, "exp", -999.0, -17.34375),
                    why="exp(-999) < 2⁻²⁵; float16 rounds it to 0 from −17.34375 down",
                ),
            )
            cases.append(
                case(
                    of,
                    kinds,
                    worst=worst,
                    rows_hit=324,
                    rank_changes=324,
                    correctly_rounded=301,
                    max_ulp=INF,
                    mean_ulp=0.31,
                    infinite_ulp=3240,
                )
            )
        else:
            exact = formulation == "exact"
            cases.append(
                case(
                    of,
                    unavoidable,
                    correctly_rounded=3600 if exact else 3599,
                    max_ulp=0.4998 if exact else 1.204,
                )
            )
    for formulation in LOG_SOFTMAX:
        of = name("log-softmax", formulation, "float16")
        if formulation.startswith("log-of"):
            kinds = {"log-of-zero": KindCounts(40, 21, 40, 0)}
            worst = (
                finding(
                    row=0,
                    column=0,
                    logit=-999.0,
                    got=-INF,
                    exact=-1005.25,
                    ulp=131005.0,
                    kind="log-of-zero",
                    origin=Origin(0, 0, "divide", -999.0, 5.960464477539063e-08),
                    why="softmax is 0, its log is −inf; the exact log-softmax is finite",
                ),
            )
            cases.append(case(of, kinds, worst=worst, rows_hit=21, max_ulp=131005.0))
        else:
            cases.append(case(of, max_ulp=0.5004 if formulation == "shifted" else 2.25))
    for quantity in ("nll", "ce"):
        for formulation in LOSSES:
            of = name(quantity, formulation, "float16")
            broken = formulation in {"log-of-naive", "naive-lse"}
            kinds = {"overflow": KindCounts(324, 324, 324, 0)} if broken else {}
            cases.append(
                case(
                    of,
                    kinds,
                    elements=360,
                    judged=360,
                    correctly_rounded=36 if broken else 360,
                    rows_hit=324 if broken else 0,
                    max_ulp=INF if broken else 0.5,
                    mean_ulp=None if broken else 0.2,
                )
            )
            losses.append(
                Loss(
                    of,
                    "mean",
                    NAN if broken else 0.345703125,
                    None,
                    kinds,
                    0.34579123,
                    INF if broken else 0.36,
                    ReductionEvent("stalled-sum", 98.5, 0.25) if broken else None,
                )
            )
    for formulation in SOFTMAX:
        of = name("softmax", formulation, "float32")
        stalled = {"stalled-sum": KindCounts(10, 1, 1, 0), "silent-error": KindCounts(4, 1, 1, 0)}
        cases.append(case(of, stalled if formulation == "online" else {}))
    pairs = (
        Pair(
            "float32",
            "wide-sum",
            ("log-softmax", "log-of-shifted"),
            ("log-softmax", "shifted"),
            10,
            False,
            3,
            5.960464477539063e-08,
            1.0,
            {"float16": True, "bfloat16": True},
        ),
        Pair(
            "float32", "wide-sum", ("nll", "shifted"), ("ce", "shifted"), 5, True, 0, 0.0, 0.0, {}
        ),
    )
    return CompareReport(
        input=InputInfo(
            ("digits_logits.npy",),
            (360, 10),
            "float32",
            LabelsInfo(("digits_labels.npy",), "classes"),
            1,
        ),
        settings=settings(top=2),
        cases=tuple(cases),
        losses=tuple(losses),
        pairs=pairs,
        input_rounding=(
            InputRounding("float16", 2, 0, 1234567, 1, -999.0, 43.28125),
            InputRounding("float32", 0, 0, 0, 0, -999.0, 43.279998779296875),
        ),
        verdict=(
            "float16: naive softmax overflows in 324 of 360 rows (exp, from 11.09375 up).",
            (
                "float16: shifted log-softmax is finite everywhere, at most 0.5004 ULP off; "
                "log(softmax) is −inf in 40 elements of 21 rows."
            ),
            "float32: every formulation survives.",
        ),
        formats=limits_report().formats[:1],
    )


def hostile_report() -> CompareReport:
    """A report whose names carry markup, escapes, a bidi override and a line break."""
    return CompareReport(
        input=InputInfo(
            (HOSTILE, "a|b`<i>.csv"),
            (1, 2),
            "text",
            LabelsInfo((f"{HOSTILE}:[red]label\n2",), "classes"),
            1,
        ),
        settings=settings(weights="*w*[/red].npy"),
        cases=(
            case(
                name("softmax", "naive", "float16"),
                {"nan": KindCounts(2, 1, 1, 0)},
                rows=1,
                elements=2,
                judged=2,
                correctly_rounded=0,
                max_ulp=INF,
                mean_ulp=None,
                max_abs_error=None,
                max_rel_error=None,
                bound_ratio=None,
                rows_hit=1,
                worst=(finding(why="[bold]not markup[/bold] | x"),),
            ),
        ),
        losses=(),
        pairs=(),
        input_rounding=(),
        verdict=("[red]softmax[/red] is nan | everywhere.",),
    )


def demonstration_report() -> CompareReport:
    """The smallest report there is: nothing wrong, nothing to add."""
    return CompareReport(
        input=InputInfo(("<demonstration>",), (1, 5), "float64", None, 1),
        settings=settings(dtypes=("float64",), ops=("softmax",)),
        cases=(
            case(
                name("softmax", "shifted", "float64"),
                rows=1,
                elements=5,
                judged=5,
                correctly_rounded=5,
                max_ulp=0.0,
                mean_ulp=0.0,
            ),
        ),
        losses=(),
        pairs=(),
        input_rounding=(),
        verdict=("float64: every formulation survives.",),
    )


def array(*values: float, dtype: str = "float16") -> Any:
    return np.array(values, dtype=dtype)


def words(*kinds: str) -> Any:
    return np.array(kinds, dtype="U16")


COMPUTED = (
    ("softmax", "naive"),
    ("softmax", "shifted"),
    ("log-softmax", "log-of-naive"),
    ("log-softmax", "log-of-shifted"),
    ("log-softmax", "shifted"),
)


def compute_report(reduction: str = "mean") -> ComputeReport:
    nothing = words("", "", "", "", "")
    logits = array(-999.0, 1.0, 2.0, 11.203125, 12.0)
    naive = array(NAN, NAN, NAN, NAN, NAN)
    shifted = array(0.0, 1.150369644165039e-05, 3.123283386230469e-05, 0.310791015625, 0.689453125)
    log_of = array(-INF, -11.3671875, -10.375, -1.1689453125, -0.3720703125)
    log_softmax = array(-1011.5, -11.375, -10.375, -1.169, -0.372)
    broken = ShownRow(
        row=0,
        label=3,
        classes=5,
        columns=range(5),
        logits=logits,
        values=(naive, shifted, naive, log_of, log_softmax),
        kinds=(
            words("overflow", "overflow", "overflow", "overflow", "overflow"),
            words("underflow", "subnormal", "subnormal", "", ""),
            words("overflow", "overflow", "overflow", "overflow", "overflow"),
            words("log-of-zero", "", "", "", ""),
            nothing,
        ),
        losses=(NAN, 1.1689453125, NAN, 1.1689453125),
        loss_kinds=("overflow", "", "overflow", ""),
        ignored=False,
    )
    fine = ShownRow(
        row=1,
        label=-100,
        classes=5,
        columns=range(5),
        logits=array(2.0, 1.0, 0.10003662109375, 0.0, -1.0),
        values=(
            array(0.6, 0.22, 0.09, 0.081, 0.03),
            array(0.6, 0.2200927734375, 0.09, 0.081, 0.03),
            array(-0.51, -1.51, -2.41, -2.51, -3.51),
            array(-0.51, -1.51, -2.41, -2.51, -3.51),
            array(-0.51, -1.51, -2.41, -2.51, -3.51),
        ),
        kinds=(nothing,) * 5,
        losses=(0.0, 0.0, 0.0, 0.0),
        loss_kinds=("", "", "", ""),
        ignored=True,
    )
    counts: tuple[dict[str, KindCounts], ...] = (
        {"overflow": KindCounts(5, 1, 2, 0)},
        {"underflow": KindCounts(1, 1, 1, 1), "subnormal": KindCounts(2, 1, 2, 2)},
        {"overflow": KindCounts(5, 1, 2, 0)},
        {"log-of-zero": KindCounts(1, 1, 1, 0)},
        {},
    )
    results = tuple(
        Result(
            name(*of, "float16"),
            np.stack([broken.values[place], fine.values[place]]),
            counts[place],
            10,
            2,
        )
        for place, of in enumerate(COMPUTED)
    )
    losses = tuple(
        Loss(
            name(quantity, formulation, "float16"),
            reduction,
            None if reduction == "none" else value,
            array(value, 0.0) if reduction == "none" else None,
            {"overflow": KindCounts(1, 1, 1, 0)} if np.isnan(value) else {},
            None,
            None,
            ReductionEvent("overflow", 70000.0, 65504.0) if np.isnan(value) else None,
        )
        for quantity in ("nll", "ce")
        for formulation, value in (("log-of-naive", NAN), ("shifted", 1.1689453125))
    )
    return ComputeReport(
        input=InputInfo(
            ("logits.csv",), (2, 5), "text", LabelsInfo(("logits.csv:label",), "classes"), 1
        ),
        settings=settings(dtypes=("float16",), reduction=reduction),
        results=results,
        losses=losses,
        shown=(broken, fine),
        shown_because="all 2 rows",
        pairs=(),
        input_rounding=(InputRounding("float16", 0, 0, 3, 0, -999.0, 12.0),),
        verdict=("float16: naive softmax is nan in 1 of 2 rows; shifted is not.",),
    )


def wide_report() -> ComputeReport:
    """One row of 30 522 classes, of which only the interesting ones can be shown."""
    classes = 30_522
    logits = np.linspace(-20.0, 0.0, classes, dtype=np.float32)
    logits[[5, 20_777]] = [17.5, 18.25]
    values = np.full(classes, 1e-9, dtype=np.float32)
    kinds = np.full(classes, "", dtype="U16")
    kinds[1000:1010] = "underflow"
    values[1000:1010] = 0.0
    of = name("softmax", "shifted", "float32")
    counts = {"underflow": KindCounts(10, 1, 10, 2)}
    return ComputeReport(
        input=InputInfo(("vocabulary.npy",), (1, classes), "float32", None, 1),
        settings=settings(dtypes=("float32",), ops=("softmax",), formulations=("shifted",)),
        results=(Result(of, values.reshape(1, -1), counts, classes, 1),),
        losses=(),
        shown=(
            ShownRow(
                row=0,
                label=10_000,
                classes=classes,
                columns=range(classes),
                logits=logits,
                values=(values,),
                kinds=(kinds,),
                losses=(),
                loss_kinds=(),
                ignored=False,
            ),
        ),
        shown_because="all 1 row",
        pairs=(),
        input_rounding=(),
        verdict=("float32: 10 probabilities underflow.",),
    )


def check_settings(**changes: Any) -> CheckSettings:
    values: dict[str, Any] = {
        "ops": ("softmax", "log-softmax"),
        "formulations": ("naive", "log-of-naive"),
        "dtypes": ("float16",),
        "arithmetics": ("wide-sum",),
        "axis": 1,
        "reduction": "mean",
        "ignore_index": -100,
        "label_smoothing": 0.0,
        "weights": None,
        "max_ulp": None,
        "max_abs": None,
        "max_rel": None,
        "budget": "0",
        "headroom": 1.0,
        "factor": None,
        "rules": ("INP101", "OVF101", "ACC101"),
        "top": 2,
    }
    return CheckSettings(**(values | changes))


def check_report() -> CheckReport:
    """Formulations, with findings of the input, shared by computations, and of one of them."""
    naive, log_of_naive = (
        CaseName(*of, "float16", "wide-sum")
        for of in (("softmax", "naive"), ("log-softmax", "log-of-naive"))
    )
    return CheckReport(
        input=InputInfo(("digits_logits.npy",), (360, 10), "float32", None, 1),
        settings=check_settings(),
        candidate=None,
        baseline=None,
        cases=(
            CheckedCase("computation", naive, 360, 3600, 3600, 301, 61, 8.5, INF, 0.0721, 1.0),
            CheckedCase(
                "computation", log_of_naive, 360, 3600, 3590, 72, 38, None, INF, None, None
            ),
        ),
        rules=(
            RuleResult("INP101", "nan-logit", "a logit is nan", 1, 1, 0, failed=True),
            RuleResult("OVF101", "exp-overflow", "exp overflows", 12960, 324, 0, failed=True),
            RuleResult("ACC101", "inaccurate", "off by more", 0, 0, 0, failed=False),
        ),
        findings=(
            CheckFinding("INP101", "nan-logit", 7, 2, "the logit is nan", None, None, None, ()),
            CheckFinding(
                "OVF101",
                "exp-overflow",
                0,
                7,
                "float16 exp(11.5) > 65504 (limit 11.09375)",
                NAN,
                0.9279,
                INF,
                (naive, log_of_naive),
            ),
            CheckFinding(
                "OVF101",
                "exp-overflow",
                1,
                6,
                "float16 exp(25.25) > 65504 (limit 11.09375)",
                0.0,
                Decimal("2.4551E-437"),
                1.0,
                (naive,),
            ),
        ),
        warnings=(),
        suggestions=("no tolerance passes: it has no say in OVF101 exp-overflow",),
        verdict=("Failed: 2 of 3 rules found something.", "INP101 nan-logit, 1 element in 1 row."),
    )


def check_candidate_report() -> CheckReport:
    """A candidate and a baseline, within budget, with names that want to misbehave."""
    name = CaseName("softmax", "given", "float32", None)
    message = "float32 softmax is 0.5, exactly 0.25, 8.4e+06 ULP off: [bold]alone[/bold] in its row"
    return CheckReport(
        input=InputInfo((HOSTILE,), (64, 128256), "float16", None, 1),
        settings=check_settings(
            ops=("softmax",),
            formulations=(),
            arithmetics=(),
            dtypes=("float32",),
            max_ulp=4.0,
            max_rel=1e-3,
            budget="0.01%",
            factor=2.0,
        ),
        candidate=ResultsInfo("kernels:softmax", (64, 128256), "float32"),
        baseline=ResultsInfo("a|b`<i>.npy", (64, 128256), "float16"),
        cases=(
            CheckedCase(
                "candidate", name, 64, 8208384, 8208384, 8208383, 1, 716.4, 8.4e6, 0.25, 1.0
            ),
            CheckedCase("baseline", name, 64, 8208384, 8208384, 8208384, 0, 716.4, 0.5, 1e-9, 3e-8),
        ),
        rules=(RuleResult("ACC101", "inaccurate", "off by more", 1, 1, 820, failed=False),),
        findings=(
            CheckFinding("ACC101", "inaccurate", 17, 4242, message, 0.5, 0.25, 8.4e6, (name,)),
        ),
        warnings=("--max-ulp 4 is odd",),
        suggestions=("--max-ulp 8400000.0", "--max-abs 0.25", "--max-rel 1.0"),
        verdict=("Passed: 1 rule looked for, 16 416 768 elements judged.",),
    )


def limits_report() -> LimitsReport:
    return LimitsReport(
        (
            FormatLimits(
                "float16",
                ("half", "fp16", "f16"),
                16,
                11,
                -14,
                15,
                65504.0,
                True,
                2.0**-14,
                2.0**-24,
                2.0**-11,
                11.0859375,
                11.09375,
                -17.34375,
                -17.328125,
                -9.7109375,
                -9.703125,
                2048.0,
            ),
            FormatLimits(
                "bfloat16",
                ("bf16",),
                16,
                8,
                -126,
                127,
                3.3895313892515355e38,
                True,
                2.0**-126,
                2.0**-133,
                2.0**-8,
                88.5,
                89.0,
                -93.0,
                -92.5,
                -87.5,
                -87.0,
                256.0,
            ),
            FormatLimits(
                "float32",
                ("float", "single", "fp32", "f32"),
                32,
                24,
                -126,
                127,
                3.4028234663852886e38,
                True,
                2.0**-126,
                2.0**-149,
                2.0**-24,
                88.72283172607422,
                88.72283935546875,
                -103.97208404541016,
                -103.97207641601562,
                -87.3365478515625,
                -87.33654022216797,
                16777216.0,
            ),
            FormatLimits(
                "float64",
                ("double", "fp64", "f64"),
                64,
                53,
                -1022,
                1023,
                1.7976931348623157e308,
                True,
                2.0**-1022,
                5e-324,
                2.0**-53,
                709.782712893384,
                709.7827128933841,
                -745.1332191019412,
                -745.1332191019411,
                -708.3964185322642,
                -708.3964185322641,
                9007199254740992.0,
            ),
            FormatLimits(
                "float8_e4m3fn",
                (),
                8,
                4,
                -6,
                8,
                448.0,
                False,
                2.0**-6,
                2.0**-9,
                2.0**-4,
                6.0,
                6.5,
                -7.0,
                -6.5,
                -4.5,
                -4.0,
                16.0,
            ),
            FormatLimits(
                "float8_e5m2",
                (),
                8,
                3,
                -14,
                15,
                57344.0,
                True,
                2.0**-14,
                2.0**-16,
                2.0**-3,
                10.0,
                12.0,
                -12.0,
                -10.0,
                -10.0,
                -8.0,
                8.0,
            ),
        )
    )


def broken_row_report() -> ExplainReport:
    """A row whose naive way overflows, in bits."""
    logits = np.array([[12.0, 11.5, 3.0, *np.linspace(-40, 2, 20)]])
    source = from_arrays(logits, np.array([3]), name="a\x1b[31m.npy")
    return explain(source, Request(dtype="float16", column=-1, bits=True))


def inspected_report() -> InspectReport:
    """Logits of every oddity, with labels, from a file whose name wants to misbehave."""
    logits = np.array([[1e6, -1e6], [np.nan, 0.0], [4.0, 4.0], [-np.inf, 3.0], [800.0, 0.0]])
    source = from_arrays(logits, np.array([1, 0, 1, 1, -100]), name=HOSTILE)
    return inspect(source)


REPORTS: dict[str, Callable[[], Report]] = {
    "check": check_report,
    "check_candidate": check_candidate_report,
    "compare": compare_report,
    "compare_hostile": hostile_report,
    "compare_demonstration": demonstration_report,
    "compute": compute_report,
    "compute_none": lambda: compute_report("none"),
    "compute_wide": wide_report,
    "explain": lambda: explain(textbook(), Request()),
    "explain_broken": broken_row_report,
    "inspect": inspected_report,
    "limits": limits_report,
}


@cache
def made(name: str) -> Report:
    return REPORTS[name]()


@pytest.fixture(params=sorted(REPORTS))
def report(request: pytest.FixtureRequest) -> Report:
    """Every report in turn."""
    return made(request.param)


@pytest.fixture
def reports() -> dict[str, Report]:
    """Every report by name."""
    return {name: made(name) for name in REPORTS}
