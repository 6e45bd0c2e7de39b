from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.errors import InputError, SoftmaxToolError
from softmax_tool.readers import open_logits
from softmax_tool.readers.classes import checked_classes
from softmax_tool.readers.labels import (
    Expected,
    Feed,
    Labels,
    checked_probabilities,
    label_kind,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def labels_of(folder: Path, logits: Any, labels: Any, **options: Any) -> tuple[str, NDArray[Any]]:
    """Save both, as text where it is text, and read the labels back with the logits."""
    paths = []
    for name, content in (("logits", logits), ("labels", labels)):
        path = folder / name
        if isinstance(content, str):
            path.write_text(content)
        else:
            with path.open("wb") as stream:
                np.save(stream, content)
        paths.append(str(path))
    source = open_logits(paths[:1], labels=paths[1:], **options)
    blocks = list(source.blocks(3))
    parts = [block.labels for block in blocks if block.labels is not None]
    assert [len(part) for part in parts] == [len(block.logits) for block in blocks]
    assert not any(part.flags.writeable for part in parts)
    assert source.label_paths == (paths[1],)
    return str(source.label_kind), np.concatenate(parts)


SKIP = "; use --ignore-index {} to skip it"
FLAT = np.zeros((7, 4), np.float32)
SEVEN = np.array([3, 0, 1, 2, 3, 1, 0])


@pytest.mark.parametrize(
    "labels",
    [
        SEVEN,
        SEVEN.astype(">i2"),
        SEVEN.astype(np.uint8),
        SEVEN.astype(np.uint64),
        SEVEN.astype(np.float16),
        SEVEN[:, None],
        SEVEN[None, :],
        "\n".join(map(str, SEVEN)),
        "\n".join(f"{each}.0" for each in SEVEN),
        "label\n" + "\n".join(map(str, SEVEN)),
        "# seven\n\n" + "\n\n".join(map(str, SEVEN)),
        ",".join(map(str, SEVEN)),
        " ".join(map(str, SEVEN)),
    ],
)
@pytest.mark.parametrize("logits", [FLAT, "1,2,3,4\n" * 7])
def test_class_indices(tmp_path: Path, logits: Any, labels: Any) -> None:
    kind, got = labels_of(tmp_path, logits, labels)
    assert kind == "classes"
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, SEVEN)


@pytest.mark.parametrize("first", ["0", "0,1,2,3,4,5,6"])
def test_labels_that_count_are_labels(tmp_path: Path, first: str) -> None:
    labels = first if "," in first else "\n".join(map(str, range(7)))
    _, got = labels_of(tmp_path, np.zeros((7, 8)), labels)
    assert got.tolist() == list(range(7))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("order", ["C", "F"])
def test_labels_in_the_shape_of_the_other_axes(tmp_path: Path, axis: int, order: Any) -> None:
    shape = (2, 3, 4)
    others = tuple(length for place, length in enumerate(shape) if place != axis)
    labels = np.arange(int(np.prod(others))).reshape(others) % 2
    for stored in (np.asarray(labels, order=order), labels.ravel()):
        kind, got = labels_of(tmp_path, np.zeros(shape), stored, axis=axis)
        assert kind == "classes"
        np.testing.assert_array_equal(got, labels.ravel())
    text = "\n".join(map(str, labels.ravel()))
    np.testing.assert_array_equal(
        labels_of(tmp_path, np.zeros(shape), text, axis=axis)[1], labels.ravel()
    )


@pytest.mark.parametrize("dtype", [np.float16, ">f4", np.float64])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_probabilities_in_the_shape_of_the_logits(tmp_path: Path, dtype: Any, axis: int) -> None:
    shares = np.random.default_rng(5).random((2, 3, 4)).astype(dtype)
    kind, got = labels_of(tmp_path, np.zeros((2, 3, 4)), shares, axis=axis)
    assert (kind, got.dtype.name) == ("probabilities", "float64")
    np.testing.assert_array_equal(
        got, np.moveaxis(shares, axis, -1).reshape(-1, shares.shape[axis])
    )


def test_probabilities_as_text(tmp_path: Path) -> None:
    lines = "0.5,0.25,0.25\n1,0,0\n0,0,0\n0,1,0\n"
    for logits in (np.zeros((4, 3)), "1,2,3\n" * 4):
        kind, got = labels_of(tmp_path, logits, lines)
        assert kind == "probabilities"
        assert got.tolist() == [[0.5, 0.25, 0.25], [1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_probabilities_as_text_follow_the_class_axis(tmp_path: Path) -> None:
    lines = "0.5,1,0,0\n0.5,0,0,1\n"
    for logits in (np.zeros((2, 4)), "1,2,3,4\n" * 2):
        kind, got = labels_of(tmp_path, logits, lines, axis=0)
        assert kind == "probabilities"
        assert got.tolist() == [[0.5, 0.5], [1, 0], [0, 0], [0, 1]]
    with pytest.raises(InputError, match=r"probabilities of shape \(3, 4\) do not fit"):
        labels_of(tmp_path, np.zeros((2, 4)), lines + "0,0,1,0\n", axis=0)


def test_one_line_with_as_many_numbers_as_rows_and_classes(tmp_path: Path) -> None:
    """Three rows of three classes cannot have one row of probabilities, one row can."""
    for logits in (np.zeros((3, 3)), "1,2,3\n" * 3):
        kind, got = labels_of(tmp_path, logits, "0,1,1\n")
        assert (kind, got.tolist()) == ("classes", [0, 1, 1])
    one_row: tuple[Any, ...] = (np.zeros((1, 3)), np.zeros(3), "1,2,3\n")
    for logits in one_row:
        kind, got = labels_of(tmp_path, logits, "0,1,0\n")
        assert (kind, got.tolist()) == ("probabilities", [[0, 1, 0]])


def test_one_row_of_logits(tmp_path: Path) -> None:
    for labels in (np.array([2]), "2\n"):
        kind, got = labels_of(tmp_path, np.zeros(3), labels)
        assert (kind, got.tolist()) == ("classes", [2])


def test_the_ignored_index_is_no_error(tmp_path: Path) -> None:
    labels = np.array([0, -100, 3, 1, -100, 2, 0])
    for stored in (labels, "\n".join(map(str, labels))):
        np.testing.assert_array_equal(labels_of(tmp_path, FLAT, stored)[1], labels)
    with pytest.raises(InputError, match=r"row 1: label -100, but .* use --ignore-index -100"):
        labels_of(tmp_path, FLAT, labels, ignore_index=-1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 2.5], "place 1: label 2.5 is not a whole number"),
        ([0.0, np.nan], "place 1: label nan is not a whole number"),
        (
            [4],
            "place 0: label 4, but the logits have 4 classes (0…3)" + SKIP.format(4),
        ),
        (
            [-1],
            "place 0: label -1, but the logits have 4 classes (0…3)" + SKIP.format(-1),
        ),
        ([-np.inf], "place 0: label -inf, but the logits have 4 classes (0…3)"),
        ([1e30], "place 0: label 1e+30, but the logits have 4 classes (0…3)"),
    ],
)
def test_labels_that_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_classes(np.array(values), 4, -100, lambda place: f"place {place}")
    assert str(caught.value) == message


def test_a_single_class_is_spelt_as_one() -> None:
    with pytest.raises(InputError, match=r"the logits have 1 class \(0\)"):
        checked_classes(np.array([1]), 1, -100, str)


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, np.inf, -np.inf])
def test_probabilities_that_are_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"^row 1 column 0: .* is not a probability"):
        checked_probabilities(
            np.array([[0.0, 1.0], [value, 1.0]]), lambda row, column: f"row {row} column {column}"
        )


@pytest.mark.parametrize(
    ("shape", "floating", "logits", "axis", "kind"),
    [
        ((4,), False, (4, 3), 1, "classes"),
        ((4,), True, (4, 3), 1, "classes"),
        ((4, 3), True, (4, 3), 1, "probabilities"),
        ((3,), True, (4, 3), 0, "classes"),
        ((2, 4), False, (2, 3, 4), 1, "classes"),
        ((8,), False, (2, 3, 4), 1, "classes"),
        ((3,), True, (3,), 0, "probabilities"),
        ((), False, (3,), 0, "classes"),
        ((4, 1), True, (4, 1), 1, "probabilities"),
        ((4, 1), False, (4, 1), 1, "classes"),
        ((4, 3), True, None, 1, "probabilities"),
        ((4,), True, None, 1, "classes"),
        ((1, 4), False, None, 1, "classes"),
        ((1, 3), True, None, 1, "probabilities"),
    ],
)
def test_the_shape_says_what_labels_are(
    shape: tuple[int, ...], floating: bool, logits: tuple[int, ...] | None, axis: int, kind: str
) -> None:
    classes = 3 if logits is None else logits[axis]
    assert (
        label_kind("labels", shape, floating, Expected("x", logits, axis, classes, False)) == kind
    )


@given(st.lists(st.integers(0, 5), max_size=6), st.lists(st.integers(1, 7), max_size=8))
def test_a_feed_hands_out_every_label_once(chunks: list[int], asked: list[int]) -> None:
    numbers = np.arange(sum(chunks))
    rows = len(numbers) + 1
    parts = np.split(numbers, np.cumsum(chunks)[:-1]) if chunks else []
    feed = Feed(Labels("l", "l", "classes", None, lambda: iter(parts)), iter(parts))
    taken = [feed.take(count) for count in asked]
    expected = numbers[: sum(asked)]
    np.testing.assert_array_equal(np.concatenate([*taken, np.empty(0)]), expected)
    with pytest.raises(InputError, match=rf"^l: {len(numbers)} labels? for {rows} row"):
        feed.check_end("x", rows)


def test_a_feed_that_fits_ends_quietly() -> None:
    parts = [np.arange(3), np.arange(2)]
    feed = Feed(Labels("l", "l", "classes", None, lambda: iter(parts)), iter(parts))
    assert feed.take(4).tolist() == [0, 1, 2, 0]
    feed.check_end("x", 5)


LABELS = b"label\n0\n1\n\n2 # last\n0\n"


@given(st.data())
def test_damaged_labels_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    logits = tmp_path_factory.getbasetemp() / "logits.npy"
    np.save(logits, np.zeros((4, 3)))
    buffer = io.BytesIO()
    np.save(buffer, np.array([0, 1, 2, 0]))
    damaged = bytearray(data.draw(st.sampled_from([LABELS, buffer.getvalue()])))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        source = open_logits([str(logits)], labels=["-"], stdin=io.BytesIO(bytes(damaged)))
        list(source.blocks(2))
    except SoftmaxToolError as error:
        assert str(error).isprintable()  # noqa: PT017
