"""Four kernels, written here from scratch: the right one, a fused one, one wrong element, a stall.

At the size of a language model's vocabulary, as their authors would dump them, and in just so many
rows that blocks are several and other processes are started: 20 of 128,256 classes are more than
2**21 elements.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ROWS, CLASSES = 20, 128_256
WRONG = (17, 4242)

main = import_module("softmax_tool.cli.main")


@pytest.fixture(scope="module")
def logits() -> NDArray[np.float16]:
    values = np.random.default_rng(3).normal(size=(ROWS, CLASSES)) * 2.5
    values[WRONG] = 6.0
    return values.astype(np.float16)


def right(logits: NDArray[np.float16]) -> NDArray[Any]:
    """In float64, rounded once: the right bits but for ties that no float64 can tell."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    return np.asarray((e / e.sum(axis=1, keepdims=True)).astype(np.float16))


def fused(logits: NDArray[np.float16]) -> NDArray[Any]:
    """As torch.softmax on half: float32 inside, rounded at the end."""
    e = np.exp(logits.astype(np.float32) - logits.max(axis=1, keepdims=True).astype(np.float32))
    return np.asarray((e / e.sum(axis=1, keepdims=True)).astype(np.float16))


def stalled(logits: NDArray[np.float16]) -> NDArray[Any]:
    """A running sum in half, which sticks once its terms are below half of its last place."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    total = np.add.accumulate(e, axis=1, dtype=np.float16)[:, -1:]
    return np.asarray(e / total)


def one_wrong(logits: NDArray[np.float16]) -> NDArray[Any]:
    values = fused(logits)
    values[WRONG] *= np.float16(1.25)
    return values


def checked(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    logits: NDArray[Any],
    candidate: NDArray[Any],
) -> tuple[int, dict[str, Any]]:
    np.save(tmp_path / "x.npy", logits)
    np.save(tmp_path / "p.npy", candidate)
    paths = [str(tmp_path / "x.npy"), "--candidate", str(tmp_path / "p.npy")]
    code = main.run(["check", *paths, "--op", "softmax", "--format", "json"])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == code
    return code, report


def failed(report: dict[str, Any]) -> dict[str, int]:
    return {rule["code"]: rule["rows"] for rule in report["rules"] if rule["failed"]}


@pytest.mark.parametrize("kernel", [right, fused])
def test_right_kernels_pass(
    kernel: Any, logits: NDArray[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = checked(tmp_path, capsys, logits, kernel(logits))
    assert (code, failed(report)) == (0, {})
    assert report["cases"][0]["judged"] == ROWS * CLASSES
    assert report["verdict"][0].startswith("Passed")


def test_one_wrong_element_is_named(
    logits: NDArray[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = one_wrong(logits)
    code, report = checked(tmp_path, capsys, logits, candidate)
    assert code == 1
    assert failed(report)["ACC101"] == 1
    [finding] = [f for f in report["findings"] if f["code"] == "ACC101"]
    assert (finding["row"], finding["column"]) == WRONG
    assert finding["got"] == float(candidate[WRONG])
    # In float64, 2^-53 off at most 20 times over: far below what is compared.
    row = logits[WRONG[0]].astype(np.float64)
    exact = np.exp(row[WRONG[1]] - row.max()) / np.exp(row - row.max()).sum()
    ulp = 2.0 ** (np.floor(np.log2(exact)) - 10)
    assert exact > 2**-14
    assert finding["exact"] == pytest.approx(exact, rel=1e-12)
    assert finding["ulp"] == pytest.approx(abs(finding["got"] - exact) / ulp, rel=1e-6)
    assert "alone in its row" in finding["message"]


def test_a_stalled_sum_is_told(
    logits: NDArray[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = stalled(logits)
    code, report = checked(tmp_path, capsys, logits, candidate)
    assert code == 1
    assert failed(report)["SUM102"] == failed(report)["ACC101"] == ROWS
    worst = next(f for f in report["findings"] if f["code"] == "ACC101")
    assert "as one that stalls" in worst["message"]
    assert "with a running sum in float16" in worst["message"]
    sums = next(f for f in report["findings"] if f["code"] == "SUM102")
    total = candidate[sums["row"]].astype(np.float64).sum()
    assert f"sum to {float(total)!r}," in sums["message"]
