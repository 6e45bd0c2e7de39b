"""One report for the same data: whatever the block size, threads, memory layout, or shards."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import softmax_tool as st
from softmax_tool import block_size, engine, renderers
from softmax_tool.plan import Options
from softmax_tool.readers import from_arrays, open_logits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]

CLASSES = 9
EVERYTHING: dict[str, Any] = {
    "dtypes": ("float16", "float32", "float64"),
    "arithmetics": ("strict", "wide-sum", "fused"),
}


def mixed() -> tuple[Array, Array]:
    """Rows of every sort: clean, overflowing, masked, invalid, tied, with zeros of both signs."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(40, CLASSES)) * rng.choice([0.01, 1, 8, 40], (40, 1))
    x[25:37] = 12, *[11.0] * (CLASSES - 1)
    x[37] = 12.5, *[11.5] * (CLASSES - 1)
    x[10, 3:] = -np.inf
    x[11] = -np.inf
    x[12, 2] = np.nan
    x[13] = 0.0
    x[14] = -0.0
    x[15] = -np.arange(CLASSES) * 60.0
    x[16:19] = -17.34375
    x[20:24] = [[0.0], [7e4], [-7e4], [3e4]]
    x[24, 0], x[24, 1] = 6e4, -6e4
    x[38] = 3.0, 3.0, *[-np.inf] * (CLASSES - 2)  # a share is exactly 1/2
    x[39] = 0.0, *[-744.0, -745.0] * (CLASSES // 2)
    return x, rng.integers(CLASSES, size=40)


def text(report: Any) -> str:
    stream = io.StringIO()
    renderers.render("json", report, stream)
    return stream.getvalue()


def without_input(report: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text(report))
    del parsed["input"]
    return parsed


def soft(x: Array) -> Array:
    return np.asarray(np.random.default_rng(8).dirichlet(np.ones(CLASSES), len(x)))


LABELS: dict[str, Callable[[Array, Array], dict[str, Any]]] = {
    "none": lambda _x, _y: {},
    "labels": lambda _x, y: {"labels": y},
    "ignored": lambda _x, y: {"labels": np.where(y == 3, -100, y), "reduction": "sum"},
    "weights": lambda _x, y: {"labels": y, "weights": np.arange(CLASSES) / 4, "reduction": "none"},
    "smoothing": lambda _x, y: {"labels": y, "label_smoothing": 0.1},
    "probabilities": lambda x, _y: {"labels": soft(x)},
}


FEW: dict[str, Any] = {"dtypes": ("float16",), "arithmetics": ("strict",)}


def set_block(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    for name in ("ELEMENTS", "ELEMENTS_OF_FEW_RESULTS", "ELEMENTS_OF_LOSSES"):
        monkeypatch.setattr(block_size, name, elements)


@pytest.mark.parametrize("kind", list(LABELS))
def test_any_block_size(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = mixed()
    for sort, sizes in ((EVERYTHING, (11,)), (FEW, (1, 2, 29))):
        given = {**sort, **LABELS[kind](x, y), "threads": 1}
        set_block(monkeypatch, 1 << 18)
        whole = text(st.compare(x, **given))
        for rows in sizes:
            set_block(monkeypatch, rows * CLASSES)
            assert text(st.compare(x, **given)) == whole, rows


@pytest.mark.parametrize("formulations", [None, ("naive", "shifted")])
def test_any_block_size_of_rows_that_are_swept(
    formulations: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of ordinary rows of many classes, and others in which some are not."""
    rng = np.random.default_rng(11)
    x = (rng.standard_normal((60, 130)) * rng.choice([0.1, 3, 14], (60, 1))).astype(np.float32)
    x[20] = 0
    x[21] += 200
    x[40, :3] = -np.inf, np.inf, np.nan
    x[50], x[51] = -100 * np.arange(130), 0  # one class holds all, the others are met exactly
    x[51, 7] = 100
    given: dict[str, Any] = {"dtypes": ("float32",), "formulations": formulations, "threads": 1}
    set_block(monkeypatch, 1 << 18)
    whole = text(st.compare(x, **given))
    for rows in (1, 7, 20, 29):
        set_block(monkeypatch, rows * x.shape[1])
        assert text(st.compare(x, **given)) == whole, rows


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
@pytest.mark.parametrize("top", [0, 1, 2])
def test_worst_cases_of_any_block_size(
    kind: str, top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, _ = mixed()
    y = np.ones(len(x), int)  # of which class 1 overflows itself in one row of many alike
    given = {**FEW, **LABELS[kind](x, y), "top": top, "threads": 1}
    whole = text(st.compare(x, **given))
    set_block(monkeypatch, 3 * CLASSES)
    assert text(st.compare(x, **given)) == whole


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_any_number_of_threads(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = mixed()
    set_block(monkeypatch, 6 * CLASSES)
    given = {**FEW, **LABELS[kind](x, y)}
    reports = {text(st.compare(x, threads=threads, **given)) for threads in (1, 2, 5, None)}
    assert len(reports) == 1


def test_native_keeps_to_itself_within_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = mixed()
    given: dict[str, Any] = {"dtypes": ("float16", "float32"), "arithmetics": ("native",)}
    whole = text(st.compare(x, y, **given))
    set_block(monkeypatch, 20 * CLASSES)
    assert text(st.compare(x, y, threads=2, **given)) == whole


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_any_memory_layout(dtype: str) -> None:
    x, y = mixed()
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    given: dict[str, Any] = {"dtypes": (dtype,), "arithmetics": ("strict", "wide-sum")}
    strided = np.zeros((2 * len(x), 3 * CLASSES), dtype)[::2, ::3]
    strided[:] = x
    layouts = {
        "C": x,
        "Fortran": np.asfortranarray(x),
        "strided": strided,
        "backwards": np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
        "swapped": x.astype(x.dtype.newbyteorder()),
        "list": x.tolist() if dtype == "float64" else x,
    }
    labels = {"C": y, "swapped": y.astype(">i4"), "strided": np.repeat(y, 2)[::2]}
    texts = {name: text(st.compare(a, labels.get(name, y), **given)) for name, a in layouts.items()}
    assert {name for name, t in texts.items() if t != texts["C"]} == set()


def test_the_class_axis_is_a_layout_too() -> None:
    x, y = mixed()
    x, y = x[:25], y[:25]
    last = without_input(st.compare(x, y, **EVERYTHING))
    first = without_input(st.compare(np.ascontiguousarray(x.T), y, axis=0, **EVERYTHING))
    assert (last["settings"].pop("axis"), first["settings"].pop("axis")) == (1, 0)
    assert first == last


def saved(folder: Path, name: str, x: Array, y: Array) -> tuple[str, str]:
    np.save(folder / f"{name}.npy", x)
    np.save(folder / f"{name}_labels.npy", y)
    return str(folder / f"{name}.npy"), str(folder / f"{name}_labels.npy")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_one_file_or_its_shards(tmp_path: Path, reduction: str) -> None:
    x, y = mixed()
    cuts = [0, 1, 20, 33, 40]
    whole = saved(tmp_path, "whole", x, y)
    parts = [
        saved(tmp_path, f"part{start}", x[start:stop], y[start:stop])
        for start, stop in pairwise(cuts)
    ]
    options = Options(**EVERYTHING, reduction=reduction)
    reports = []
    for files in ([whole], parts):
        logits, labels = [list(paths) for paths in zip(*files, strict=True)]
        source = open_logits(logits, labels=labels)
        reports.append(without_input(engine.compare(source, options)))
    assert reports[0] == reports[1]


def test_a_file_or_the_array_in_it(tmp_path: Path) -> None:
    x, y = mixed()
    logits, labels = saved(tmp_path, "whole", x, y)
    options = Options(**EVERYTHING)
    source = open_logits([logits], labels=[labels])
    from_file = without_input(engine.compare(source, options))
    assert from_file == without_input(engine.compare(from_arrays(x, y), options))


def test_a_different_row_makes_a_different_report() -> None:
    """The comparison of texts can fail."""
    x, y = mixed()
    options = replace(Options(**EVERYTHING), dtypes=("float32",))
    before = text(engine.compare(from_arrays(x, y), options))
    x[3, 2] += 1e-3
    assert text(engine.compare(from_arrays(x, y), options)) != before
