"""What is installed: every package and every file of data is declared, and nothing else is claimed.

`.ci/run` builds the wheel and holds it to the same; here the declarations are, without a network.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import softmax_tool

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DECLARED = PROJECT["tool"]["setuptools"]


def folder_of(package: str) -> Path:
    """Give the folder of a package: the longest name that is mapped, and the rest below it."""
    name, below = package, ""
    while name not in DECLARED["package-dir"]:
        name, _, last = name.rpartition(".")
        below = f"{last}/{below}"
    return ROOT / str(DECLARED["package-dir"][name]) / below


def test_every_package_is_declared() -> None:
    found = {
        ".".join(("softmax_tool", *path.parent.relative_to(ROOT / "softmax_tool").parts))
        for path in (ROOT / "softmax_tool").rglob("*.py")
    }
    assert {*found, "softmax_tool.cli"} == set(DECLARED["packages"])
    assert DECLARED["packages"] == sorted(DECLARED["packages"])


def test_every_package_exists() -> None:
    for package in DECLARED["packages"]:
        assert (folder_of(package) / "__init__.py").is_file(), package


def test_every_file_of_data_is_declared() -> None:
    for package in DECLARED["packages"]:
        patterns = DECLARED["package-data"].get(package, [])
        names = [path.name for path in folder_of(package).iterdir() if path.is_file()]
        data = [name for name in names if not name.endswith((".py", ".pyc"))]
        assert [n for n in data if not any(fnmatch(n, p) for p in patterns)] == [], package
        assert all(any(fnmatch(n, p) for n in names) for p in patterns), package


def test_no_global_package_called_cli() -> None:
    assert {package.split(".")[0] for package in DECLARED["packages"]} == {"softmax_tool"}


def test_version() -> None:
    assert metadata.version("softmax-tool") == softmax_tool.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {softmax_tool.__version__}" in changes


def test_the_library_says_that_it_is_typed() -> None:
    assert (ROOT / "softmax_tool" / "py.typed").is_file()


def test_dependencies_are_the_given_three() -> None:
    names = [requirement.split(">")[0] for requirement in PROJECT["project"]["dependencies"]]
    assert names == ["numpy", "rich", "typer"]
