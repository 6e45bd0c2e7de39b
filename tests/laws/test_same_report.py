"""One report for the same data: whatever the block size, threads, memory layout, or shards."""

from __future__ import annotations

import io
import json
from functools import cache
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
    return without_its_input(text(report))


def without_its_input(written: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(written)
    del parsed["input"]
    return parsed


def soft(x: Array) -> Array:
    return np.asarray(np.random.default_rng(8).dirichlet(np.ones(CLASSES), len(x)))


OF_CLASSES = ("nll", "ce")  # what there is of elements is the same whatever the targets
LABELS: dict[str, Callable[[Array, Array], dict[str, Any]]] = {
    "none": lambda _x, _y: {},
    "labels": lambda _x, y: {"labels": y},
    "ignored": lambda _x, y: {
        "labels": np.where(y == 3, -100, y),
        "reduction": "sum",
        "ops": OF_CLASSES,
    },
    "weights": lambda _x, y: {
        "labels": y,
        "weights": np.arange(CLASSES) / 4,
        "reduction": "none",
        "ops": OF_CLASSES,
    },
    "smoothing": lambda _x, y: {"labels": y, "label_smoothing": 0.1, "ops": ("ce",)},
    "probabilities": lambda x, _y: {"labels": soft(x), "ops": ("ce",)},
}


FEW: dict[str, Any] = {"dtypes": ("float16",), "arithmetics": ("strict",)}
SORTS = {"everything": EVERYTHING, "few": FEW}


@cache
def whole(kind: str, sort: str) -> str:
    """What is reported of the mixed rows in one block, in one thread, from arrays."""
    x, y = mixed()
    with pytest.MonkeyPatch.context() as patch:
        set_block(patch, 1 << 18)
        return text(st.compare(x, **SORTS[sort], **LABELS[kind](x, y), threads=1))


def set_block(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    for name in ("ELEMENTS", "ELEMENTS_OF_FEW_RESULTS", "ELEMENTS_OF_LOSSES"):
        monkeypatch.setattr(block_size, name, elements)


@pytest.mark.parametrize("kind", list(LABELS))
def test_any_block_size(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = mixed()
    of_few = (1, 29) if "ops" in LABELS[kind](x, y) else (1, 2, 29)
    for sort, sizes in (("everything", (11,)), ("few", of_few)):
        for rows in sizes:
            set_block(monkeypatch, rows * CLASSES)
            report = st.compare(x, **SORTS[sort], **LABELS[kind](x, y), threads=1)
            assert text(report) == whole(kind, sort), rows


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
    undivided = text(st.compare(x, **given))
    for rows in (1, 7, 20, 29):
        set_block(monkeypatch, rows * x.shape[1])
        assert text(st.compare(x, **given)) == undivided, rows


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
@pytest.mark.parametrize("top", [0, 1, 2])
def test_worst_cases_of_any_block_size(
    kind: str, top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, _ = mixed()
    y = np.ones(len(x), int)  # of which class 1 overflows itself in one row of many alike
    given = {**FEW, **LABELS[kind](x, y), "top": top, "threads": 1}
    undivided = text(st.compare(x, **given))
    set_block(monkeypatch, 3 * CLASSES)
    assert text(st.compare(x, **given)) == undivided


@pytest.mark.parametrize(("kind", "threads"), [("labels", (2, 5)), ("probabilities", (3, None))])
def test_any_number_of_threads(
    kind: str, threads: tuple[int | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = mixed()
    set_block(monkeypatch, 6 * CLASSES)
    for number in threads:
        report = st.compare(x, threads=number, **FEW, **LABELS[kind](x, y))
        assert text(report) == whole(kind, "few"), number


def test_native_keeps_to_itself_within_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = mixed()
    given: dict[str, Any] = {"dtypes": ("float16", "float32"), "arithmetics": ("native",)}
    undivided = text(st.compare(x, y, **given))
    set_block(monkeypatch, 20 * CLASSES)
    assert text(st.compare(x, y, threads=2, **given)) == undivided


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_any_memory_layout(dtype: str) -> None:
    x, y = mixed()
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    # Of plain labels, nll computes what ce does.
    given: dict[str, Any] = {
        "dtypes": (dtype,),
        "arithmetics": ("strict", "wide-sum"),
        "ops": ("softmax", "log-softmax", "log-of-softmax", "ce"),
    }
    strided = np.zeros((2 * len(x), 3 * CLASSES), dtype)[::2, ::3]
    strided[:] = x
    layouts = {
        "C": x,
        "Fortran": np.asfortranarray(x),
        "strided": strided,
        "backwards": np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
        "swapped": x.astype(x.dtype.newbyteorder()),
    }
    if dtype == "float64":  # as which the numbers of a list are read
        layouts["list"] = x.tolist()
    labels = {"C": y, "swapped": y.astype(">i4"), "strided": np.repeat(y, 2)[::2]}
    texts = {name: text(st.compare(a, labels.get(name, y), **given)) for name, a in layouts.items()}
    assert {name for name, t in texts.items() if t != texts["C"]} == set()


def test_the_class_axis_is_a_layout_too() -> None:
    x, y = mixed()
    last = without_its_input(whole("labels", "everything"))
    first = without_input(st.compare(np.ascontiguousarray(x.T), y, axis=0, **EVERYTHING))
    assert (last["settings"].pop("axis"), first["settings"].pop("axis")) == (1, 0)
    assert first == last


def saved(folder: Path, name: str, x: Array, y: Array) -> tuple[str, str]:
    np.save(folder / f"{name}.npy", x)
    np.save(folder / f"{name}_labels.npy", y)
    return str(folder / f"{name}.npy"), str(folder / f"{name}_labels.npy")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_shards_or_the_whole(tmp_path: Path, reduction: str) -> None:
    x, y = mixed()
    cuts = [0, 1, 20, 33, 40]
    parts = [
        saved(tmp_path, f"part{start}", x[start:stop], y[start:stop])
        for start, stop in pairwise(cuts)
    ]
    logits, labels = [list(paths) for paths in zip(*parts, strict=True)]
    if reduction == "mean":  # the default one
        options = Options(**EVERYTHING)
        expected = without_its_input(whole("labels", "everything"))
    else:
        options = Options(**EVERYTHING, reduction=reduction, ops=OF_CLASSES)
        expected = without_input(engine.compare(from_arrays(x, y), options))
    got = without_input(engine.compare(open_logits(logits, labels=labels), options))
    assert got == expected


def test_a_file_or_the_array_in_it(tmp_path: Path) -> None:
    x, y = mixed()
    logits, labels = saved(tmp_path, "whole", x, y)
    source = open_logits([logits], labels=[labels])
    from_file = without_input(engine.compare(source, Options(**EVERYTHING)))
    assert from_file == without_its_input(whole("labels", "everything"))


def test_a_different_row_makes_a_different_report() -> None:
    """The comparison of texts can fail."""
    x, y = mixed()
    x[3, 2] += 1e-2
    assert text(st.compare(x, y, **FEW)) != whole("labels", "few")
