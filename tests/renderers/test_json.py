from __future__ import annotations

import io
import json
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import softmax_tool as st
from softmax_tool.renderers import json as renderer
from softmax_tool.report import ComputeReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softmax_tool.report import Report

Path = tuple[str | int, ...]


def text_of(report: Report) -> str:
    stream = io.StringIO()
    renderer.render(report, stream)
    return stream.getvalue()


def validator(command: str) -> Draft202012Validator:
    schema = json.loads(files("softmax_tool.schemas").joinpath(f"{command}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def objects(node: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every object in a tree."""
    if isinstance(node, dict):
        yield path
        for key, value in node.items():
            yield from objects(value, (*path, key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from objects(value, (*path, place))


def at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


def first_of_each_shape(tree: Any) -> list[Path]:
    """One path for every place in the schema: list indices do not matter, kinds' names neither."""
    chosen: dict[Path, Path] = {}
    for path in objects(tree):
        shape = tuple(
            "*" if isinstance(step, int) or path[i - 1] == "kinds" else step
            for i, step in enumerate(path)
        )
        chosen.setdefault(shape, path)
    return list(chosen.values())


def smallest(tree: Any) -> Any:
    """Leave of the objects in lists those alone that are the first of their shape, or hold one."""
    kept = {path[:length] for path in first_of_each_shape(tree) for length in range(len(path) + 1)}

    def without(node: Any, path: Path) -> Any:
        if isinstance(node, dict):
            return {key: without(value, (*path, key)) for key, value in node.items()}
        if isinstance(node, list):
            return [
                without(value, (*path, place))
                for place, value in enumerate(node)
                if not isinstance(value, dict) or (*path, place) in kept
            ]
        return node

    return without(tree, ())


FREE = {"kinds", "identical_in"}
"""Objects whose keys are data."""


def test_every_report_is_valid_json_and_fits_its_schema(report: Report) -> None:
    tree = json.loads(text_of(report), parse_constant=refuse)
    validator(report.command).validate(tree)
    assert tree["command"] == report.command
    assert list(tree)[:6] == ["schema", "tool", "version", "command", "input", "settings"]


def test_a_field_removed_renamed_or_added_anywhere_fails(report: Report) -> None:
    if report.command == "compute" and report.input.shape[-1] > 1000:
        pytest.skip("its objects are those of the small reports")
    check = validator(report.command)
    tree = smallest(json.loads(text_of(report)))
    assert check.is_valid(tree)
    tried = 0
    for path in first_of_each_shape(tree):
        node = at(tree, path)
        free = bool(path) and path[-1] in FREE
        for key in list(node):
            value = node.pop(key)
            if not free:
                assert not check.is_valid(tree), (path, key, "removed")
            node[key + "_"] = value
            if not free or path[-1] == "kinds":
                assert not check.is_valid(tree), (path, key, "renamed")
            del node[key + "_"]
            node[key] = value
            tried += 1
        if not free:
            node["unknown"] = None
            assert not check.is_valid(tree), (path, "added")
            del node["unknown"]
    assert tried > 10
    assert check.is_valid(tree)


def test_a_kind_nobody_knows_fails(reports: dict[str, Report]) -> None:
    tree = json.loads(text_of(reports["compare"]))
    tree["cases"][0]["kinds"]["sadness"] = {"elements": 1, "rows": 1, "roots": 1, "unavoidable": 0}
    assert not validator("compare").is_valid(tree)


def test_gradients_that_are_lost_on_the_way_back_fit_the_schema() -> None:
    options: Any = {"ops": ["gradient"], "dtypes": ["single"], "formulations": ["naive"]}
    report = st.compare([[0.0, 0.0, 60.0]], [0], **options)
    tree = json.loads(text_of(report), parse_constant=refuse)
    steps = {found["origin"]["step"] for found in tree["cases"][0]["worst"] if found["origin"]}
    assert "backward" in steps
    validator("compare").validate(tree)


def test_schemas_describe_and_close_everything() -> None:
    for command in ("check", "compute", "compare", "explain", "inspect", "limits"):
        schema = validator(command).schema
        for path in objects(schema):
            node = at(schema, path)
            if node.get("type") == "object":
                assert "description" in node, path
                if "properties" in node:
                    assert node["additionalProperties"] is False, path
                    assert node["required"] == list(node["properties"]), path
                    for name, part in node["properties"].items():
                        referred = "$ref" in part
                        assert referred or "description" in part, (path, name)


def test_values_are_those_of_the_array_to_the_last_bit(reports: dict[str, Report]) -> None:
    report = reports["compute"]
    assert isinstance(report, ComputeReport)
    tree = json.loads(text_of(report))
    for result, written in zip(report.results, tree["results"], strict=True):
        assert result.values is not None
        read = np.array([[float(value) for value in row] for row in written["values"]])
        np.testing.assert_array_equal(read, result.values.astype(np.float64))


def test_odd_numbers(reports: dict[str, Report]) -> None:
    tree = json.loads(text_of(reports["compare"]))
    worst = tree["cases"][0]["worst"]
    assert worst[0]["got"] == "nan"
    assert worst[0]["ulp"] == "inf"
    assert worst[1]["exact"] == "2.4551e-437"
    assert tree["cases"][0]["ulp_histogram"][-1] == ["inf", 100]
    assert json.loads(text_of(reports["compute_none"]))["losses"][0]["per_row"] == ["nan", 0.0]


def test_scalar_and_deep_arrays() -> None:
    deep = np.arange(8.0, dtype=np.float32).reshape(2, 2, 2)
    deep[0, 0, 0] = -np.inf
    written = "".join(renderer._pieces({"deep": deep, "one": np.array(0.5)}, ""))
    assert json.loads(written) == {
        "deep": [[["-inf", 1.0], [2.0, 3.0]], [[4.0, 5.0], [6.0, 7.0]]],
        "one": 0.5,
    }


def test_large_values_are_written_in_pieces() -> None:
    largest = max(map(len, renderer._pieces({"values": np.zeros((5000, 3))}, "")))
    assert largest < 100


def test_a_compute_report_without_values_is_refused(reports: dict[str, Report]) -> None:
    report = reports["compute"]
    assert isinstance(report, ComputeReport)
    bare = replace(report, results=(replace(report.results[0], values=None),))
    with pytest.raises(ValueError, match="no values of softmax naive"):
        text_of(bare)


def test_the_output_is_ascii(report: Report) -> None:
    assert text_of(report).isascii()
