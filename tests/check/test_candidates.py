"""Results of somebody else: files of every shape, functions, baselines, reduced losses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RNG = np.random.default_rng(6)
X = (RNG.normal(size=(4, 6, 5)) * 3).astype(np.float32)
LABELS = RNG.integers(0, 6, (4, 5))
LABELS[1, 2] = -100


def softmax(x: Any, axis: int) -> Any:
    wide = x.astype(np.float64)
    e = np.exp(wide - wide.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def losses() -> Any:
    picked = np.take_along_axis(softmax(X, 1), np.maximum(LABELS, 0)[:, None], axis=1)[:, 0]
    return np.where(LABELS == -100, 0.0, -np.log(picked)).astype(np.float32)


P = softmax(X, 1).astype(np.float32)
ROWS = np.moveaxis(P, 1, -1).reshape(-1, 6)
AXIS = ("--axis", "1", "--format", "json")
LOSS = (*AXIS, "--op", "ce")


# Shapes.


@pytest.mark.parametrize(
    "candidate", [P, np.asfortranarray(P), ROWS, P.astype(">f4")], ids=["axis", "F", "rows", "swap"]
)
def test_shapes_that_fit(candidate: Any, check: Callable[..., Any]) -> None:
    done = check(X, *AXIS, "--op", "softmax", candidate=candidate)
    assert (done.code, done.report["cases"][0]["judged"]) == (0, X.size)
    wrong = candidate.copy()
    wrong[3, 1] *= 2
    assert check(X, *AXIS, "--op", "softmax", candidate=wrong).code == 1


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("turned", [False, True], ids=["as the logits", "rows"])
def test_the_class_axis_may_be_the_first_of_two(
    tmp_path: Path, check: Callable[..., Any], *, turned: bool, as_text: bool
) -> None:
    logits = X[:, :, 0]
    right = softmax(logits, 0).astype(np.float32)
    candidate = right.T if turned else right
    wrong = candidate.copy()
    wrong[0, 0] *= 2
    options = ("--axis", "0", "--format", "json", "--op", "softmax")
    for array, code in ((candidate, 0), (wrong, 1)):
        if as_text:
            file = tmp_path / "candidate.csv"
            np.savetxt(file, array, delimiter=",", fmt="%.9g")
            done = check(logits, *options, "--dtype", "single", "--candidate", str(file))
        else:
            done = check(logits, *options, candidate=array)
        assert (done.code, done.report["cases"][0]["judged"]) == (code, logits.size)


@pytest.mark.parametrize(
    "candidate",
    [losses(), losses().ravel(), losses().reshape(-1, 1), losses().reshape(1, -1)],
    ids=["labels", "flat", "column", "row"],
)
def test_shapes_of_losses(candidate: Any, check: Callable[..., Any]) -> None:
    done = check(X, *LOSS, labels=LABELS, candidate=candidate)
    assert (done.code, done.report["cases"][0]["judged"]) == (0, 19)
    wrong = candidate.copy()
    wrong.flat[7] += np.float32(99)  # row 7 is the one that is ignored
    assert check(X, *LOSS, labels=LABELS, candidate=wrong).code == 0
    wrong.flat[8] += np.float32(1e-3)
    done = check(X, *LOSS, labels=LABELS, candidate=wrong)
    [finding] = [f for f in done.report["findings"] if f["code"] == "ACC101"]
    assert (finding["row"], finding["column"]) == (8, LABELS.flat[8])


@pytest.mark.parametrize(("wrong", "code"), [(777, "ACC101"), (np.nan, "NAN101")])
def test_an_ignored_row_has_no_loss(wrong: float, code: str, check: Callable[..., Any]) -> None:
    """ln(1 + e) is 1.3132617; a mean does not look at the row, the losses of rows hold its 0."""
    files = {"labels": np.array([0, -100]), "candidate": np.array([1.3132617, 0], np.float32)}
    logits, options = np.array([[1, 2], [3, 4]], np.float32), ("--op", "ce", "--format", "json")
    done = check(logits, *options, "--reduction", "none", **files)
    assert (done.code, done.report["cases"][0]["judged"]) == (0, 2)
    files["candidate"] = np.array([1.3132617, wrong], np.float32)
    done = check(logits, *options, "--reduction", "none", **files)
    [finding] = done.report["findings"]
    assert (finding["code"], finding["row"], finding["column"]) == (code, 1, None)
    assert finding["message"].startswith(f"float32 ce is {wrong}, exactly 0")
    assert finding["message"].endswith(": the row's label is ignored")
    assert check(logits, *options, **files).code == 0


@pytest.mark.parametrize(
    ("reduction", "value"),
    [("mean", losses().sum(dtype=np.float64) / 19), ("sum", losses().sum(dtype=np.float64))],
)
def test_reduced_losses(reduction: str, value: float, check: Callable[..., Any]) -> None:
    options = (*LOSS, "--reduction", reduction)
    right = check(X, *options, labels=LABELS, candidate=np.array(value, np.float32))
    assert right.code == 0
    assert right.report["cases"][0]["judged"] == 1
    for wrong, code in ((value * 19 / 20, "ACC101"), (np.nan, "NAN101"), (-value, "RNG101")):
        done = check(X, *options, labels=LABELS, candidate=np.array(wrong, np.float32))
        assert done.code == 1
        assert code in done.failed
    none = (*LOSS, "--reduction", "none")
    done = check(X, *none, labels=LABELS, candidate=np.array(value, np.float32))
    assert (done.code, "holds a single loss" in done.err) == (2, True)


def test_a_reduced_loss_is_held_against_a_reduced_one(check: Callable[..., Any]) -> None:
    single = np.array(losses().sum(dtype=np.float64) / 19, np.float32)
    for candidate, baseline in ((single, losses()), (losses(), single)):
        done = check(X, *LOSS, labels=LABELS, candidate=candidate, baseline=baseline)
        assert (done.code, "give two of a kind" in done.err) == (2, True)
    done = check(X, *LOSS, labels=LABELS, candidate=single, baseline=single)
    assert done.code == 0
    done = check(X, *LOSS, labels=LABELS, candidate=single, baseline=single * np.float32(2))
    assert done.failed == ["BSL102"]
    off = single * np.float32(1 + 3e-7)
    done = check(X, *LOSS, "--select", "BSL", labels=LABELS, candidate=off, baseline=single)
    assert done.failed == ["BSL101"]


def test_text_against_text(check: Callable[..., Any]) -> None:
    table = "\n".join(",".join(f"{v:.9g}" for v in row) for row in X[:, :, 0].tolist())
    right = "\n".join(",".join(f"{v:.9g}" for v in row) for row in P[:, :, 0].tolist())
    options = ("--op", "softmax", "--format", "json")
    assert check(table, *options, "-d", "single", candidate=right).code == 0
    short = "\n".join(right.splitlines()[:-1])
    long = right + "\n" + right.splitlines()[0]
    for candidate in (short, long):
        done = check(table, *options, "-d", "single", candidate=candidate)
        assert (done.code, "rows of results, but the logits have" in done.err) == (2, True)
    done = check(table, *options, candidate=right)
    assert (done.code, "name it with --dtype" in done.err) == (2, True)
    done = check(table, *options, "-d", "single", candidate="1,2\n3,4\n")
    assert (done.code, "do not fit" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("candidate", "options", "told"),
    [
        (P[:3], "--op softmax", "do not fit logits"),
        (P[:, :5], "--op softmax", "do not fit logits"),
        (ROWS.T, "--op softmax", "do not fit logits"),
        (P.astype(np.int32), "--op softmax", "results are floating-point numbers"),
        (P, "--op softmax -d half", "is no float16, so these are not results in float16"),
        (P, "--op softmax -d quarter", "unknown dtype"),
        (losses()[:2], "--op ce --labels labels.npy", "do not fit logits"),
        (P, "--op ce --labels labels.npy", "do not fit logits"),
        (np.zeros(()), "--op softmax", "a single number"),
    ],
)
def test_results_that_do_not_fit(
    candidate: Any, options: str, told: str, check: Callable[..., Any], tmp_path: Path
) -> None:
    np.save(tmp_path / "labels.npy", LABELS)
    done = check(X, *AXIS, *options.split(), candidate=candidate)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("\n") == 1


def test_a_format_in_a_wider_store(check: Callable[..., Any]) -> None:
    half = softmax(X.astype(np.float16), 1).astype(np.float16)
    stored = half.astype(np.float32)
    done = check(X, *AXIS, "--op", "softmax", "-d", "half", candidate=stored)
    assert (done.code, done.report["settings"]["dtypes"]) == (0, ["float16"])


def test_logits_in_another_dtype_than_the_results(check: Callable[..., Any]) -> None:
    x = (RNG.normal(size=(30, 8)) * 20).astype(np.float32)
    half = softmax(x, 1).astype(np.float16)  # of logits that were not rounded to half
    options = ("--op", "softmax", "--format", "json")
    assert check(x, *options, candidate=half).code == 1
    assert check(x, *options, "--logits-dtype", "single", candidate=half).code == 0


# What is wrong, and what is not.


def test_masked_classes_and_rows_that_are_nan(check: Callable[..., Any]) -> None:
    x = X[:, :, 0].copy()
    x[0, 2] = -np.inf
    x[1, :] = -np.inf
    with np.errstate(invalid="ignore"):
        p = softmax(x, 1).astype(np.float32)
    p[1] = 0  # what masked attention makes of a row without classes
    options = ("--op", "softmax", "--ignore", "INP", "--format", "json")
    assert check(x, *options, candidate=p).code == 0
    p[0, 2] = np.float32(1e-9)
    done = check(x, *options, candidate=p)
    assert (done.failed, done.report["findings"][0]["exact"]) == (["ACC101"], 0.0)
    y = np.log(softmax(x[:1], 1)).astype(np.float32)
    assert check(x[:1], "--op", "log-softmax", candidate=y).code == 0
    y[0, 2] = -65504
    assert check(x[:1], "--op", "log-softmax", candidate=y).code == 1


@pytest.mark.parametrize(
    ("spoil", "code", "told"),
    [
        (lambda p: p * np.float32(1.5), "ACC101", "1.5 times what they should be"),
        (lambda p: p * np.float32(0.5), "SUM102", "of the row sum to 0."),
        (lambda p: np.where(p == p.max(), np.float32(np.nan), p), "NAN101", "is nan, exactly"),
        (lambda p: np.where(p == p.min(), -p, p), "RNG101", "lies between 0 and 1"),
        (lambda p: p[:, ::-1], "RNK101", "the exact values in column"),
        (lambda p: p[:, ::-1], "ORD101", "for logit"),
    ],
)
def test_what_is_wrong_is_told(spoil: Any, code: str, told: str, check: Callable[..., Any]) -> None:
    x = X[:1, :, 0]
    candidate = np.asarray(spoil(P[:1, :, 0]), np.float32)
    done = check(x, "--op", "softmax", "--format", "json", candidate=candidate)
    messages = [f["message"] for f in done.report["findings"] if f["code"] == code]
    assert any(told in message for message in messages), done.report["findings"]


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_what_is_not_finite_is_in_no_order(lost: float, check: Callable[..., Any]) -> None:
    x = np.array([[1, 2, 3, 4]], np.float32)
    candidate = np.array([[0.0320586, lost, 0.2368828, 0.001]], np.float32)
    done = check(x, "--op", "softmax", "--format", "json", candidate=candidate)
    found = [f for f in done.report["findings"] if f["code"] == "ORD101"]
    assert [f["column"] for f in found] == [3]
    assert found[0]["message"].endswith("less than 0.236883 for 3 in column 2")


def test_naive_overflow_and_underflow_are_recognised(check: Callable[..., Any]) -> None:
    options = ("--op", "softmax", "--format", "json")
    for row, told in (([12.0, 11.0], "naive softmax gives"), ([-20.0, -21.0], "naive softmax")):
        x = np.array([row], np.float16)
        with np.errstate(all="ignore"):
            e = np.exp(x)
            candidate = e / e.sum(axis=1, keepdims=True, dtype=np.float16)
        done = check(x, *options, candidate=candidate)
        [finding] = [f for f in done.report["findings"] if f["code"] == "NAN101"]
        assert told in finding["message"]
    mixed = np.array([[np.nan, 0.25]], np.float16)
    done = check(np.array([[12.0, 11.0]], np.float16), *options, candidate=mixed)
    [finding] = [f for f in done.report["findings"] if f["code"] == "NAN101"]
    assert "overflows in float16 (from 11.09375 on)" in finding["message"]


# Baselines.


def test_the_three_way_rule(check: Callable[..., Any]) -> None:
    x = (RNG.normal(size=(40, 9)) * 2).astype(np.float16)
    exact = softmax(x, 1)
    baseline = (exact * (1 + 2e-3)).astype(np.float16)
    options = ("--op", "softmax", "--select", "BSL", "--max-rel", "0.02", "--format", "json")
    for off, factor, fails in ((3e-3, 2, False), (6e-3, 2, True), (6e-3, 4, False)):
        candidate = (exact * (1 + off)).astype(np.float16)
        done = check(x, *options, "--factor", factor, candidate=candidate, baseline=baseline)
        assert done.failed == (["BSL101"] if fails else []), off
    right = exact.astype(np.float16)
    assert check(x, *options, candidate=right, baseline=right).code == 0
    report = check(x, *options, candidate=right, baseline=right).report
    assert [case["subject"] for case in report["cases"]] == ["candidate", "baseline"]


def test_a_row_of_the_baseline_counts_once(check: Callable[..., Any]) -> None:
    x = X[:, :, 0]
    baseline = P[:, :, 0].copy()
    baseline[2, 3], baseline[2, 4] = np.nan, 0.9
    options = ("--op", "softmax", "--format", "json")
    done = check(x, *options, candidate=P[:, :, 0], baseline=baseline)
    [rule] = [rule for rule in done.report["rules"] if rule["code"] == "BSL102"]
    assert (rule["elements"], rule["rows"]) == (2, 1)


@pytest.mark.parametrize("bad", [np.nan, 0.9])
def test_it_is_said_when_it_is_the_baseline_that_is_bad(
    bad: float, check: Callable[..., Any]
) -> None:
    x = X[:, :, 0]
    baseline = P[:, :, 0].copy()
    baseline[2, 3] = bad
    done = check(x, "--op", "softmax", "--format", "json", candidate=P[:, :, 0], baseline=baseline)
    assert done.failed == ["BSL102"]
    [finding] = done.report["findings"]
    assert (finding["row"], finding["column"]) == (2, 3)
    assert "the baseline's" in finding["message"]
    assert any("It is the baseline that is bad" in line for line in done.report["verdict"])


# Functions.

MODULE = """
import mpmath  # type: ignore[import-untyped]
import numpy as np

def right(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    print("a line on stdout")
    return e / e.sum(axis=1, keepdims=True)

def wrong(x):
    return np.roll(right(x), 1, axis=1)

def loss(x, labels):
    return -np.log(np.take_along_axis(right(x), np.maximum(labels, 0)[:, None], axis=1))[:, 0]

def raises(x):
    raise RuntimeError("no\\nluck\\x1b[31m")

def leaves(x):
    raise SystemExit(0)

def narrower(x):
    return right(x)[:, 1:]

def integers(x):
    return np.zeros(x.shape, int)

def nothing(x):
    pass

def changing(x, state=[]):
    state.append(0)
    return right(x).astype(np.float64 if len(state) > 1 else x.dtype)

def ends(x):
    import os
    os._exit(0)

def writes(x):
    import os
    print("a line on stdout")
    os.write(1, b"bytes on stdout")
    return right(x)

def reads(x):
    import subprocess
    import sys
    assert sys.stdin.read() == ""
    assert subprocess.run(["cat"], capture_output=True, check=True).stdout == b""
    return right(x)

def asks(x):
    return right(x) * float(input())

def overwrites(x):
    x[:] = 0
    return right(x)

class Namespace:
    right = staticmethod(right)

number = 3
"""


@pytest.fixture
def run_function(
    check: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Check a function of a module in the working directory."""
    name = f"kernels_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(function: str, *options: Any, logits: Any = X[:, :, 0], **files: Any) -> Any:
        candidate = ("--candidate", f"{name}:{function}")
        return check(
            logits, *candidate, "--format", "json", *(options or ("--op", "softmax")), **files
        )

    return run


def test_a_function_is_run_on_blocks_of_rows(run_function: Callable[..., Any]) -> None:
    many = RNG.normal(size=(2800, 100)).astype(np.float32)  # two blocks, of 2**18 elements
    done = run_function("right", logits=many)
    assert (done.code, done.report["candidate"]["shape"]) == (0, [2800, 100])
    assert "runs the code of that module" in done.err
    assert run_function("Namespace.right").code == 0
    assert run_function("wrong").code == 1
    assert run_function("right", "--op", "softmax", "-d", "half").code == 0
    done = run_function("loss", "--op", "ce", labels=LABELS[:, 0])
    assert done.code == 0
    assert run_function("right", "--op", "softmax", "--axis", "1", logits=X).code == 0


def test_what_a_function_writes_is_no_part_of_the_answer(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(MODULE)
    np.save(tmp_path / "x.npy", X[:, :, 0])
    options = ["--candidate", "kernels:writes", "--op", "softmax", "--format", "json"]
    command = [sys.executable, "-m", "softmax_tool.cli", "check", "x.npy", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["passed"]  # JSON, and nothing else
    assert b"a line on stdout" in done.stderr
    assert b"bytes on stdout" in done.stderr


@pytest.mark.parametrize(("function", "code"), [("reads", 0), ("asks", 2)])
def test_a_function_that_reads_gets_the_end_of_input(
    tmp_path: Path, function: str, code: int
) -> None:
    """Whoever started the tool may hold its standard input open for ever."""
    (tmp_path / "kernels.py").write_text(MODULE)
    np.save(tmp_path / "x.npy", X[:, :, 0])
    options = ["--candidate", f"kernels:{function}", "--op", "softmax", "--format", "json"]
    command = [sys.executable, "-m", "softmax_tool.cli", "check", "x.npy", *options]
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w"):
        done = subprocess.run(
            command, cwd=tmp_path, stdin=reading, capture_output=True, check=False, timeout=60
        )
    assert done.returncode == code
    assert (b"raised EOFError" in done.stderr) == (code == 2)


def test_a_module_that_reads_gets_the_end_of_input(
    check: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"reading_{tmp_path.name.replace('-', '_')}"
    start = "import subprocess, sys\nsubprocess.run(['cat'], check=True)\nsys.stdin.read()\n"
    (tmp_path / f"{name}.py").write_text(start + MODULE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    done = check(X[:, :, 0], "--candidate", f"{name}:right", "--op", "softmax")
    assert done.code == 0


def test_the_file_of_a_function_is_no_place_for_the_report(
    run_function: Callable[..., Any], tmp_path: Path
) -> None:
    [module] = tmp_path.glob("kernels_*.py")
    done = run_function("right", "--op", "softmax", "-o", module)
    assert (done.code, module.read_text()) == (2, MODULE)
    assert "would be lost" in done.err


@pytest.mark.parametrize("select", ["RNG", "SUM", "ORD,RNK"])
def test_what_is_not_finite_never_passes_unseen(select: str, check: Callable[..., Any]) -> None:
    nothing = np.full((4, 6), np.nan, np.float32)
    x = X[:, :, 0]
    done = check(x, "--op", "softmax", "--select", select, candidate=nothing)
    assert (done.code, "select NAN101" in done.err) == (2, True)
    done = check(x, "--op", "softmax", "--select", f"ACC,{select}", candidate=nothing)
    assert done.code == 1
    done = check(x, "--op", "softmax", "--ignore", "NAN", candidate=nothing)
    assert done.code == 1


def test_an_element_that_is_off_beside_its_row_is_found(check: Callable[..., Any]) -> None:
    """A sum of 100 000 terms may be off by hundreds of ULP, a single quotient may not."""
    x = RNG.normal(size=(2, 100_000)).astype(np.float32)
    right = softmax(x, 1).astype(np.float32)
    wrong = right.copy()
    wrong[1, x[1].argmax()] *= np.float32(1 + 4e-5)
    options = ("--op", "softmax", "--select", "ACC")
    assert check(x, *options, candidate=right).code == 0
    # All of a row off by one factor of as much is what a sum may do.
    assert check(x, *options, candidate=right * np.float32(1 + 2e-5)).code == 0
    done = check(x, *options, "--format", "json", candidate=wrong)
    [finding] = done.report["findings"]
    assert (finding["row"], finding["column"]) == (1, int(x[1].argmax()))


def test_subnormals_flushed_to_zero_are_named(check: Callable[..., Any]) -> None:
    x = np.array([[0.0, -88.0]], np.float32)
    candidate = np.array([[1.0, 0.0]], np.float32)  # exp(-88) is 6.05e-39, and 2**-126 is 1.2e-38
    done = check(x, "--op", "softmax", "--format", "concise", candidate=candidate)
    assert done.code == 1
    assert "flush to zero" in done.out


def test_a_baseline_that_is_not_finite_allows_nothing(check: Callable[..., Any]) -> None:
    x, baseline = X[:, :, 0], P[:, :, 0].copy()
    baseline[0, 0] = np.nan
    worse = P[:, :, 0] * np.float32(1.01)
    options = ("--op", "softmax", "--select", "BSL101")
    assert check(x, *options, candidate=worse, baseline=baseline).code == 1


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("raises", "raised RuntimeError: no\\nluck\\x1b[31m, in rows 0 to 3"),
        ("leaves", "raised SystemExit: 0"),
        ("narrower", "returned shape 4 × 5 for softmax of logits of shape 4 × 6"),
        ("integers", "holds int64"),
        ("nothing", "holds object"),
        ("number", "is no function, but of type int"),
        ("ends", "ended its process (exit status 0), in rows 0 to 3"),
        ("absent", "cannot be loaded: AttributeError"),
        ("loss", "raised TypeError"),
    ],
)
def test_functions_that_fail(function: str, told: str, run_function: Callable[..., Any]) -> None:
    done = run_function(function)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_function_that_changes_its_dtype(run_function: Callable[..., Any]) -> None:
    many = RNG.normal(size=(5000, 100)).astype(np.float32)
    done = run_function("changing", logits=many)
    assert (done.code, "returned float64, but float32 is judged" in done.err) == (2, True)


def test_a_function_may_do_what_it_likes_with_its_logits(run_function: Callable[..., Any]) -> None:
    done = run_function("overwrites")
    assert done.code == 1  # softmax of zeros, held against that of the logits


def test_modules_that_do_not_load(check: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "broken_kernel.py").write_text("1/0\n")
    for name, told in (
        ("broken_kernel:f", "cannot be loaded: ZeroDivisionError"),
        ("no_such_module_here:f", "cannot be loaded: ModuleNotFoundError"),
        ("no such file:f", "no such file"),
    ):
        done = check(X[:, :, 0], "--op", "softmax", "--candidate", name)
        assert (done.code, done.out) == (2, "")
        assert told in done.err


@pytest.mark.parametrize(
    ("op", "got", "step"),
    [
        ("softmax", np.nan, ": 0/0"),
        ("log-softmax", np.nan, ": 0/0"),
        ("log-softmax", np.inf, ": log 0 is -inf, and x - (-inf) is inf"),
    ],
)
def test_exponentials_that_are_all_zero_are_told_by_what_came_of_them(
    op: str, got: float, step: str, check: Callable[..., Any]
) -> None:
    """In half precision exp(-20) = 2.06e-9 is 0; x − ln 0 is +inf, ln(0/0) is nan."""
    x = np.array([[-20.0, -20.5]], np.float16)
    candidate = np.array([[got, 0.25 if op == "softmax" else -1]], np.float16)
    done = check(x, "--op", op, "--format", "json", candidate=candidate)
    [finding] = [f for f in done.report["findings"] if f["code"] == "NAN101"]
    assert finding["message"].endswith(f"if the maximum is not subtracted{step}")


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_a_float64_loss_is_measured_by_the_exact_one(
    reduction: str, check: Callable[..., Any]
) -> None:
    """Of one row the three are one number, and the result is 0.64598 ULP off the true loss."""
    row = [
        -1.9705124555101823,
        -0.27683858657448734,
        -7.656337947638788,
        -2.6703416888382874,
        4.609016434615665,
    ]
    got = 12.274943763691565
    candidate = np.array([got]) if reduction == "none" else np.array(got)
    with mpmath.workprec(400):
        true = mpmath.log(mpmath.fsum(mpmath.exp(x) for x in row)) - row[2]
        error = float(abs(got - true) / mpmath.mpf(2) ** -49)
    assert error == pytest.approx(0.64598, abs=1e-5)
    options = ("--op", "ce", "--reduction", reduction, "--format", "json", "--max-ulp")
    for limit, code in (("0.64", 1), ("0.65", 0)):
        done = check(np.array([row]), *options, limit, candidate=candidate, labels=np.array([2]))
        assert done.code == code
        assert done.report["cases"][0]["max_ulp"] == pytest.approx(error, rel=1e-12)
