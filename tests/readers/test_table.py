from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_tool.errors import InputError, UsageError
from softmax_tool.readers import open_logits

if TYPE_CHECKING:
    from pathlib import Path

    from softmax_tool.readers.source import Source


def everything(source: Source, at_a_time: int) -> tuple[list[Any], list[Any]]:
    blocks = list(source.blocks(at_a_time))
    starts = np.cumsum([0, *(len(block.logits) for block in blocks)])[:-1]
    assert [block.start for block in blocks] == starts.tolist()
    logits = [row.tolist() for block in blocks for row in block.logits]
    labels = [
        each.tolist() for block in blocks if block.labels is not None for each in block.labels
    ]
    return logits, labels


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 8),
    st.tuples(st.sampled_from(["npy", "csv"]), st.sampled_from(["npy", "csv"])),
    st.sampled_from(["one", "each", "column"]),
)
def test_shards_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    at_a_time: int,
    kinds: tuple[str, str],
    labelled: str,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    kind, label_kind = kinds
    table = np.arange(3.0 * sum(lengths)).reshape(-1, 3) + 5
    labels = np.arange(sum(lengths)) % 3
    cuts = np.cumsum(lengths)[:-1]
    with_column = labelled == "column" and kind == "csv"

    def saved(name: str, array: Any, suffix: str) -> str:
        path = folder / f"{name}.{suffix}"
        if suffix == "npy":
            np.save(path, array)
        else:
            np.savetxt(path, array, delimiter=",")
        return str(path)

    whole = np.column_stack([table, labels]) if with_column else table
    shards = [saved(f"t{n}", part, kind) for n, part in enumerate(np.split(whole, cuts))]
    options: dict[str, Any] = {"label_column": -1} if with_column else {}
    if not with_column:
        parts = [labels] if labelled == "one" else np.split(labels, cuts)
        options["labels"] = [saved(f"l{n}", part, label_kind) for n, part in enumerate(parts)]
    source = open_logits(shards, **options)
    logits, read = everything(source, at_a_time)
    assert logits == table.tolist()
    assert read == labels.tolist()
    assert source.shape == table.shape
    assert source.paths == tuple(shards)


def test_shards_of_higher_rank(tmp_path: Path) -> None:
    array = np.arange(4 * 3 * 2.0).reshape(4, 3, 2)
    paths = []
    for name, part in (("a.npy", array[:1]), ("b.npy", np.asfortranarray(array[1:]))):
        np.save(tmp_path / name, part)
        paths.append(str(tmp_path / name))
    source = open_logits(paths, axis=1)
    assert source.shape == (4, 3, 2)
    assert everything(source, 3)[0] == np.moveaxis(array, 1, -1).reshape(-1, 3).tolist()


def test_only_the_first_shard_may_have_a_header(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x,y\n1,2\n")
    (tmp_path / "b").write_text("3,4\n")
    paths = [str(tmp_path / name) for name in "ab"]
    for order in (paths, paths[::-1]):
        assert open_logits(order).column_names == ("x", "y")


def test_overflows_of_all_shards_are_noted(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1e400,2\n")
    (tmp_path / "b").write_text("1,2\n3,-1e400\n")
    source = open_logits([str(tmp_path / name) for name in "ab"])
    everything(source, 2)
    assert [(each.path[-1], each.line, each.column) for each in source.overflows] == [
        ("a", 1, 0),
        ("b", 2, 1),
    ]


def test_too_few_labels_are_told_with_both_counts_after_many_blocks(tmp_path: Path) -> None:
    (tmp_path / "logits.csv").write_text("1,2\n" * 9)
    (tmp_path / "labels.csv").write_text("0\n" * 4)
    source = open_logits([str(tmp_path / "logits.csv")], labels=[str(tmp_path / "labels.csv")])
    blocks = source.blocks(3)
    assert len(next(iter(blocks)).logits) == 3
    with pytest.raises(InputError, match=r"4 labels for 9 rows of .*logits\.csv$"):
        list(blocks)


def test_several_files_of_one_row_are_not_shards(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    path = str(tmp_path / "a.npy")
    with pytest.raises(UsageError, match="its first axis is that of the classes"):
        open_logits([path, path])


def test_blocks_have_at_least_one_row(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    with pytest.raises(ValueError, match="blocks of 0 rows"):
        list(open_logits([str(tmp_path / "a.npy")]).blocks(0))
