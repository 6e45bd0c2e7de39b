"""Limits: what they let pass, what is said of odd ones, and the tightest that pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool.check.tolerance import Tolerance, parse_budget
from softmax_tool.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = np.random.default_rng(21)
LOGITS = (RNG.normal(size=(50, 30)) * 4).astype(np.float16)
LABELS = RNG.integers(0, 30, 50)


def softmax(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    e = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


SLIGHTLY_OFF = (softmax(LOGITS) * (1 + 1e-3 * RNG.normal(size=LOGITS.shape))).astype(np.float16)
TENTH_OFF = (softmax(LOGITS) * (1 + 0.1 * RNG.random(LOGITS.shape))).astype(np.float32)

SUGGESTED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "shifted in half": ({"logits": LOGITS}, []),
    "via-lse in half": ({"logits": LOGITS}, ["--op", "softmax", "--formulation", "via-lse"]),
    "log-softmax in single": ({"logits": LOGITS}, ["-d", "single", "--op", "log-softmax"]),
    "losses": ({"logits": LOGITS, "labels": LABELS}, ["--op", "ce", "--op", "nll"]),
    "a candidate in half": ({"logits": LOGITS, "candidate": SLIGHTLY_OFF}, ["--op", "softmax"]),
    "a bad one in single": (
        {"logits": LOGITS, "candidate": TENTH_OFF},
        ["--op", "softmax", "--ignore", "SUM,ORD,RNK,RNG"],
    ),
}


@pytest.mark.parametrize("name", SUGGESTED)
def test_suggested_options_pass_and_one_notch_tighter_fails(
    name: str, check: Callable[..., Any]
) -> None:
    files, options = SUGGESTED[name]
    others = {key: value for key, value in files.items() if key != "logits"}

    def run(*more: str) -> Any:
        return check(files["logits"], *options, *more, "--format", "json", **others)

    suggestions = run("--suggest").report["suggestions"]
    assert [text.split()[0] for text in suggestions] == ["--max-ulp", "--max-abs", "--max-rel"]
    for text in suggestions:
        option, value = text.split()
        assert run(option, value).code == 0, text
        tighter = math.nextafter(float(value), 0)
        failing = run(option, repr(tighter))
        assert failing.code == 1, text
        assert set(failing.failed) <= {"ACC101", "UND101", "ABS101"}


def test_no_tolerance_mends_an_overflow(check: Callable[..., Any]) -> None:
    done = check("12.3,0\n1,2\n", "-d", "half", "--formulation", "naive", "--op", "softmax")
    assert done.code == 1
    options = ("-d", "half", "--formulation", "naive", "--op", "softmax", "--suggest")
    done = check("12.3,0\n1,2\n", *options, "--format", "json")
    assert done.report["suggestions"] == [
        "no tolerance passes: it has no say in OVF101 exp-overflow"
    ]


def test_a_right_candidate_passes_the_narrowest_limit(check: Callable[..., Any]) -> None:
    right = softmax(LOGITS).astype(np.float16)
    for option in ("--max-ulp", "--max-abs", "--max-rel"):
        done = check(LOGITS, "--op", "softmax", option, "0", "--format", "json", candidate=right)
        assert done.code == 0
        assert f"{option} 0 is below half" in done.report["warnings"][0]
        assert f"warning: {option} 0" in done.err


def test_relative_errors_of_subnormal_values(check: Callable[..., Any]) -> None:
    """exp(−744) is 7.671e-324, and 2e-323 off by 1.576 times that."""
    logits, candidate = np.array([[0.0, -744.0]]), np.array([[1.0, 2e-323]])
    for limit, code in (("1.5", 1), ("1.57", 1), ("1.58", 0)):
        options = ("--op", "softmax", "--max-rel", limit, "--select", "ACC")
        assert check(logits, *options, candidate=candidate).code == code


def test_limits_are_each_a_limit() -> None:
    error = np.array([1.0, 3.0, 3.0, 0.5])  # ULP
    absolute = np.array([0.1, 0.1, 0.3, 0.0])
    relative = np.array([0.1, 0.1, 0.03, 0.0])
    bound = np.array([2.0, 2.0, 4.0, 0.0])

    def beyond(**limits: float) -> list[bool]:
        found: list[bool] = Tolerance(**limits).beyond(error, absolute, relative, bound).tolist()
        return found

    assert beyond() == [False, True, False, True]
    assert beyond(max_ulp=1) == [False, True, True, False]
    assert beyond(max_abs=0.2) == [False, False, True, False]
    assert beyond(max_rel=0.05) == [True, True, False, False]
    assert beyond(max_ulp=1, max_abs=0.2, max_rel=0.05) == [True, True, True, False]


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--max-abs", "0.001", "below half a float16 ULP at 10, which is 0.00390625"),
        ("--max-ulp", "0.4", "below half an ULP"),
        ("--max-rel", "0.0004", "below half a float16 ULP"),
        ("--max-abs", "10.1", "so wide that results that are all 0 would pass"),
        ("--max-ulp", "2048", "so wide that results that are all 0 would pass"),
        ("--max-rel", "1", "so wide that results that are all 0 would pass"),
        ("--budget", "100%", "covers every element"),
    ],
)
def test_odd_limits_are_warned_of(
    option: str, value: str, told: str, check: Callable[..., Any]
) -> None:
    # log-softmax of [10, 0] at 0 is −10.0000454; the nearest float16 is −10.
    done = check("10,0\n", "-d", "half", "--op", "log-softmax", option, value, "--format", "json")
    assert told in " ".join(done.report["warnings"])
    assert told in done.err


def test_sensible_limits_are_not(check: Callable[..., Any]) -> None:
    for option, value in (("--max-ulp", "2"), ("--max-abs", "0.01"), ("--max-rel", "0.01")):
        done = check("10,0\n", "-d", "half", "--op", "softmax", option, value, "--format", "json")
        assert done.report["warnings"] == []


def test_budgets() -> None:
    assert parse_budget(" 3 ").allows(0) == 3
    assert parse_budget("0.01%").allows(9_999) == 0
    assert parse_budget("0.01%").allows(10_000) == 1
    assert parse_budget("1e-2%").allows(10_000) == 1
    assert parse_budget("100%").allows(7) == 7
    assert parse_budget("1" + 400 * "0").allows(7) == 10**400  # beyond float64


@pytest.mark.parametrize("budget", ["nan%", "inf%", "-inf%", "nan", "inf", "-1", "101%", "1.5", ""])
def test_what_is_no_budget(budget: str) -> None:
    with pytest.raises(UsageError, match="is neither a count like 3 nor a share like"):
        parse_budget(budget)


def test_a_budget_of_hundreds_of_digits_covers_all(check: Callable[..., Any]) -> None:
    done = check(
        "0,0\n", "--op", "softmax", "--budget", 401 * "9", candidate=np.array([[0.4, 0.6]])
    )
    assert (done.code, "covers every element" in done.err) == (0, True)


@pytest.mark.parametrize(("budget", "code"), [("0", 1), ("2", 1), ("3", 0), ("5%", 1), ("10%", 0)])
def test_a_budget_covers_inaccuracy_and_nothing_else(
    budget: str, code: int, check: Callable[..., Any]
) -> None:
    x = np.zeros((10, 3), np.float32)
    p = np.full((10, 3), 1 / 3, np.float32)
    p[[1, 4, 8], 1] += np.float32(1e-4)  # 3 of 30 elements
    options = ("--op", "softmax", "--ignore", "SUM,RNK", "--budget", budget, "--format", "json")
    done = check(x, *options, candidate=p)
    assert done.code == code
    assert done.report["cases"][0]["beyond"] == 3
    p[0, 0] = np.nan
    done = check(x, *options, candidate=p)
    assert "NAN101" in done.failed


@pytest.mark.parametrize("budget", ["0", "1", "2", "100%"])
def test_a_budget_covers_no_nan_by_whichever_rule(budget: str, check: Callable[..., Any]) -> None:
    options = ("--op", "softmax", "--select", "ACC101", "--budget", budget, "--format", "json")
    x = np.array([[1, 2], [3, 4]], np.float32)
    right = np.array([[0.26894142, 0.7310586], [0.26894142, 0.7310586]], np.float32)
    assert check(x, *options, candidate=right).code == 0
    wrong = right.copy()
    wrong[0, 0] = np.nan
    done = check(x, *options, candidate=wrong)
    [rule] = done.report["rules"]
    assert (done.code, rule["elements"], rule["allowed"]) == (1, 1, 0)
    wrong[1, 0] *= np.float32(1.01)  # beside it, one that a budget does cover
    [rule] = check(x, *options, candidate=wrong).report["rules"]
    assert (rule["elements"], rule["allowed"], rule["failed"]) == (2, int(budget != "0"), True)


def test_a_budget_covers_nothing_beyond_every_tolerance(check: Callable[..., Any]) -> None:
    """A masked class has the log-probability −inf, and exp(12.3) overflows in half precision."""
    x, y = np.array([[0, -np.inf]], np.float32), np.array([[0, -7]], np.float32)
    options = ("--select", "ACC101", "--budget", "1")
    assert check(x, "--op", "log-softmax", *options, candidate=y).code == 1
    naive = ("--op", "softmax", "--formulation", "naive", "-d", "half")
    assert check("12.3,0\n1,2\n", *naive, *options).code == 1
    single = ("--op", "ce", "--ignore", "LAB103", "--budget", "1")
    loss = np.array(3, np.float32)
    assert check(x, *single, labels=np.array([1]), candidate=loss).code == 1


@pytest.mark.parametrize("wrong", [np.nan, -np.inf, -7])
def test_no_tolerance_passes_what_is_not_finite(wrong: float, check: Callable[..., Any]) -> None:
    x = np.array([[0, -np.inf, 0]], np.float32)
    right = np.array([[-0.6931472, -np.inf, -0.6931472]], np.float32)  # ln 2 = 0.69314718
    candidate = right.copy()
    candidate[0, 1 if wrong == -7 else 0] = wrong
    options = ("--op", "log-softmax", "--select", "ACC101", "--suggest", "--format", "json")
    [said] = check(x, *options, candidate=candidate).report["suggestions"]
    assert said == (
        "no tolerance passes: it has no say in results that are nan or infinite, nor where the "
        "exact value is"
    )
    assert check(x, *options, candidate=right).report["suggestions"][0].startswith("--max-ulp")
