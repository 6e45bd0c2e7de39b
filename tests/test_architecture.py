"""The rules of the house that can be read off the source: who imports whom, and what is where."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
FORBIDDEN_NAMES = ("safe", "smart", "util", "utils", "helper", "helpers", "manager")
TOP = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "pyproject.toml"}
TOP |= {"benchmarks", "cli", "docs", "samples", "softmax_tool", "tests"}
MADE = {"build", "dist", "softmax_tool.egg-info", "__pycache__"}  # by tools, and ignored by git

MODULES = sorted([*(ROOT / "softmax_tool").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
EVERYTHING = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
EVERYTHING += sorted((ROOT / "benchmarks").rglob("*.py"))


def path_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """Give the name under which a file is imported: `cli` is `softmax_tool.cli`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("softmax_tool", *parts) if parts[0] == "cli" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path, *, for_types: bool = False) -> frozenset[str]:
    """Give the modules that a module imports, inside functions too; those for types if asked."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    nodes = ast.walk(tree(path)) if for_types else without_type_checking(tree(path))
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, node.module or ""]).strip(".") if node.level else node.module
            found |= {f"{base}.{a.name}" for a in node.names if is_module(f"{base}.{a.name}")}
            if not all(is_module(f"{base}.{alias.name}") for alias in node.names):
                found.add(str(base))
    return frozenset(found)


def is_module(name: str) -> bool:
    return name in NAMES


def without_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, but for what stands under `if TYPE_CHECKING`."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for below in node.orelse:
            yield from without_type_checking(below)
        return
    for child in ast.iter_child_nodes(node):
        yield from without_type_checking(child)


NAMES = {module_name(path) for path in MODULES}
PREFIX = "softmax_tool."

# Any module may import what its classes are made by.
FOR_ALL = "softmax_tool.frozen"

# What else the modules of a place may import of the library at run time, itself excepted; None is
# everything. Places that are not listed put the others together.
MAY_IMPORT: dict[str, tuple[str, ...] | None] = {
    "frozen": (),
    "version": (),
    "errors": (),
    "distinct": (),
    "exact_sum": (),
    "masking": (),
    "demonstration": (),
    "schemas": (),
    "aligned": (),
    "tiling": ("aligned",),
    "once": (),
    "row_sets": (),
    "formats": ("errors", "once", "aligned"),
    "arithmetic": ("formats", "errors", "exact_sum", "aligned", "once", "distinct", "masking"),
    "extremes": ("arithmetic.selection", "tiling", "once"),
    "targets": ("errors", "formats", "exact_sum"),
    "bounds": ("formats", "arithmetic", "exact", "once"),
    "formulations": ("bounds", "arithmetic", "targets", "errors"),
    # Of arithmetic, what chooses and arranges values: the rounding is its own.
    "exact": (
        "formats",
        "targets",
        "arithmetic.tree",
        "arithmetic.selection",
        "extremes",
        "tiling",
        "once",
        "row_sets",
    ),
    "ulp": ("formats", "exact", "exact_sum", "tiling", "once", "distinct", "masking"),
    "ahead": ("errors", "heap"),
    "arguments": ("ahead", "errors", "renderers.display"),
    "ignored": (),
    "readers": ("ahead", "errors", "aligned", "ignored", "storing"),
    "storing": ("errors",),
    "writers": ("errors", "storing"),
    "report": (),
    "excerpt": (),
    "renderers": (
        "report",
        "excerpt",
        "check.report",
        "check.rules",
        "explanation.report",
        "inspection.report",
        "errors",
        "ignored",
        "version",
    ),
    "lookalike": ("arithmetic.tree",),
    "cli": None,
}


def place_of(name: str) -> str:
    return name.removeprefix(PREFIX).split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=path_name)
def test_imports_of_the_library(path: Path) -> None:
    place = place_of(module_name(path))
    ours = {name for name in imported(path) if name.startswith(PREFIX)} - {FOR_ALL}
    assert place == "cli" or "cli" not in {place_of(name) for name in ours}
    allowed = MAY_IMPORT.get(place)
    if allowed is not None:
        prefixes = tuple(f"{PREFIX}{name}." for name in (place, *allowed))
        assert [name for name in ours if not f"{name}.".startswith(prefixes)] == []


def test_rules_are_about_places_that_exist() -> None:
    assert set(MAY_IMPORT) <= {place_of(name) for name in NAMES}


@pytest.mark.parametrize(
    ("package", "places"),
    [
        ("typer", ("cli/",)),
        ("click", ()),
        ("rich", ("cli/", "softmax_tool/renderers/table.py")),
        ("numpy", ("softmax_tool/", "cli/")),
    ],
)
def test_who_imports_a_package(package: str, places: tuple[str, ...]) -> None:
    users = [
        path_name(path)
        for path in MODULES
        if package in {name.split(".")[0] for name in imported(path)}
    ]
    assert [user for user in users if not user.startswith(places)] == []
    assert users or not places


def is_arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return not isinstance(node.op, ast.Not)
    return isinstance(node, (ast.BinOp, ast.AugAssign))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "softmax_tool" / "formulations").glob("*.py")), ids=path_name
)
def test_formulations_round_only_through_an_arithmetic(path: Path) -> None:
    """No NumPy, and no operator on arrays: every rounding shows."""
    assert not {name for name in imported(path) if name.split(".")[0] in {"numpy", "math"}}
    computing = [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and {"xp", "back"} & {a.arg for a in node.args.args}
    ]
    assert bool(computing) == (path.name not in {"__init__.py", "protocol.py"})
    for function in computing:
        for statement in function.body:
            for node in ast.walk(statement):
                assert not is_arithmetic(node), (
                    f"{path_name(path)}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
                )


def test_the_reference_owes_nothing_to_what_it_judges() -> None:
    for path in (ROOT / "softmax_tool" / "exact").glob("*.py"):
        places = {place_of(name) for name in imported(path, for_types=True)}
        assert not places & {"formulations", "bounds", "diagnose"}, path_name(path)


@pytest.mark.parametrize("path", EVERYTHING, ids=path_name)
def test_a_module_says_what_it_is(path: Path) -> None:
    if path.parent == ROOT / "tests" or path.is_relative_to(ROOT / "tests"):
        return
    text = ast.get_docstring(tree(path))
    assert text
    assert text.splitlines()[0].rstrip().endswith((".", ":", "?"))


@pytest.mark.parametrize("path", EVERYTHING, ids=path_name)
def test_names_say_something(path: Path) -> None:
    defined = {path.stem}
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.arg)):
            defined.add(node.name if not isinstance(node, ast.arg) else node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
    words = {word for name in defined for word in snake_case(name).split("_")}
    assert not words & set(FORBIDDEN_NAMES)


def snake_case(name: str) -> str:
    """Give the words of a name: those of a class are told by their capitals.

    >>> snake_case("SafeLogits"), snake_case("path_helper")
    ('safe_logits', 'path_helper')
    """
    spaced = [f"_{letter.lower()}" if letter.isupper() else letter for letter in name]
    return "".join(spaced).lstrip("_") if not name.isupper() else name.lower()


def test_nothing_else_at_the_top() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert visible - MADE <= TOP


def test_no_inheritance_but_from_protocols_and_foreign_classes() -> None:
    """Seams are protocols; a class of ours inherits from no other class of ours but an error."""
    classes = [
        node for path in MODULES for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)
    ]
    ours = {node.name for node in classes}
    for node in classes:
        bases = {ast.unparse(base).split("[")[0] for base in node.bases}
        assert not {base for base in bases & ours if not base.endswith("Error")}, node.name


def test_values_are_made_in_the_quick_way() -> None:
    ways = {
        (path.stem, ast.unparse(way))
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        for way in node.decorator_list
    }
    assert ("summary", "frozen") in ways
    assert not {stem for stem, way in ways if way == "dataclass(frozen=True, slots=True)"}
