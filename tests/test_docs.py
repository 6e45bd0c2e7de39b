"""What the pages say is what happens: commands run, shown output is compared, tables are generated.

`UPDATE_SNAPSHOTS=1 pytest tests/test_docs.py` writes shown output and generated tables anew: read
the difference before committing it. Set-up commands (`python3 -m venv`, `.venv/bin/…`) are run by
`.ci/run`, which takes them from the README. The tool is started as a program, as a reader would, by
the commands of the README; on other pages it is what is shown that matters, and it runs in here.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import softmax_tool.renderers
from softmax_tool import limits
from softmax_tool.arithmetic import MODELS
from softmax_tool.formats import FORMATS
from softmax_tool.formulations import FORMULATIONS, OPS, QUANTITIES
from softmax_tool.kinds import KINDS
from softmax_tool.renderers.display import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "samples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
SCHEMAS = ROOT / "softmax_tool" / "schemas"

BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
GENERATED = re.compile(
    r"^<!-- generated: (?P<name>[\w-]+) -->\n(?P<body>.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL
)
SET_UP = ("python3 -m venv", ".venv/bin/", ".ci/run", "UPDATE_SNAPSHOTS=1", "git ")


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> Iterator[str]:
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["language"] == language:
            yield block["body"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the samples."""
    made = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "samples", made / "samples")
    shutil.copytree(SCHEMAS, made / "softmax_tool" / "schemas")
    return made


SCRIPTS = Path(sys.executable).parent


def environment(*first: Path) -> dict[str, str]:
    """Return what a reader's shell has, who finds programs in some folders before all others."""
    unwanted = ("COLUMNS", "NO_COLOR", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {
        "PATH": os.pathsep.join([*map(str, first), kept["PATH"]]),
        "PYTHONUTF8": "1",
    }


@pytest.fixture(scope="module")
def shell(place: Path) -> Callable[..., tuple[int, str]]:
    """Run a command line beside a copy of the samples, as a reader would, not on a terminal."""

    def run(command: str, *first: Path) -> tuple[int, str]:
        done = subprocess.run(  # noqa: S602  (a page's command lines are a shell's)
            command,
            shell=True,
            cwd=place,
            env=environment(*first, SCRIPTS),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8")

    return run


# What stands in for the tool: it keeps what the shell gives to it, and then says what that makes.
RECORDING = """#!/bin/sh
cat > '{0}/stdin'; printf '%s\\0' "$@" > '{0}/arguments'; pwd > '{0}/place'
"""
SAYING = """#!/bin/sh
cat > /dev/null; cat '{0}/err' >&2; cat '{0}/out'; exit {1}
"""


@pytest.fixture(scope="module")
def quick_shell(
    shell: Callable[..., tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[int, str]]:
    """Run a command line likewise, but the tool in this process."""
    first = tmp_path_factory.mktemp("first")
    stand_in = first / "softmax-tool"
    stand_in.touch(0o755)
    main = import_module("softmax_tool.cli.main")

    def run(command: str) -> tuple[int, str]:
        if command.count("softmax-tool ") != 1:
            return shell(command)
        stand_in.write_text(RECORDING.format(first))
        shell(command, first)
        arguments = (first / "arguments").read_text(encoding="utf-8").split("\0")[:-1]
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
        with (
            contextlib.chdir((first / "place").read_text().strip()),
            mock.patch.dict(os.environ, environment(SCRIPTS), clear=True),
            (first / "stdin").open(encoding="utf-8") as given,
            mock.patch("sys.stdin", given),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main.run(arguments)
        for name, stream in (("out", out), ("err", err)):
            stream.seek(0)
            (first / name).write_bytes(stream.buffer.read())
        stand_in.write_text(SAYING.format(first, code))
        return shell(command, first)

    return run


def is_for_readers(page: Path) -> bool:
    return page == ROOT / "README.md"


def command_lines(body: str) -> list[str]:
    """Split a block into command lines, a backslash at the end joining two."""
    joined = body.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def shown_commands(body: str) -> list[str]:
    """Give the commands of a console block: the lines that begin with a prompt."""
    return [line[2:] for line in body.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_run(
    page: Path,
    shell: Callable[[str], tuple[int, str]],
    quick_shell: Callable[[str], tuple[int, str]],
) -> None:
    run = shell if is_for_readers(page) else quick_shell
    for body in blocks(page, "sh"):
        for command in command_lines(body):
            if command.startswith(SET_UP):
                continue
            code, output = run(command)
            assert code == 0, f"{command}\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_shown_output_is_what_comes_out(
    page: Path,
    shell: Callable[[str], tuple[int, str]],
    quick_shell: Callable[[str], tuple[int, str]],
) -> None:
    run = shell if is_for_readers(page) else quick_shell

    def again(block: re.Match[str]) -> str:
        if block["language"] != "console":
            return block[0]
        commands = shown_commands(block["body"])
        assert commands, f"a console block without a prompt:\n{block['body']}"
        session = "".join(f"$ {command}\n{run(command)[1]}" for command in commands)
        return f"```console\n{session}```"

    text = page.read_text(encoding="utf-8")
    updated(page, text, BLOCK.sub(again, text))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_python_blocks(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    for number_, body in enumerate(blocks(page, "python")):
        test = parser.get_doctest(body, names, f"{page_name(page)}:{number_}", str(page), 0)
        assert test.examples, f"a Python block without a prompt:\n{body}"
        problems: list[str] = []
        runner.run(test, out=problems.append, clear_globs=False)
        assert not problems, "".join(problems)
        names.update(test.globs)


def updated(page: Path, old: str, new: str) -> None:
    """Compare a page with what it should be, or make it so."""
    if UPDATE:
        page.write_text(new, encoding="utf-8")
        return
    assert new == old


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def formulations(quantity: str) -> str:
    rows = [
        [code(f.name), code(f.formula), f.source, "yes" if f.error_bound else "–"]
        for f in FORMULATIONS.values()
        if f.quantity == quantity
    ]
    return table(["formulation", "formula", "source", "a-priori bound"], rows)


def formats_table() -> str:
    rows = [
        [
            code(f.dtype),
            ", ".join(map(code, f.aliases)),
            str(f.bits),
            str(f.precision),
            f"{f.emin} … {f.emax}",
            number(f.max_finite),
            number(f.smallest_normal),
            number(f.smallest_subnormal),
            "infinity" if f.has_inf else "nan",
        ]
        for f in limits().formats
    ]
    header = ["dtype", "also", "bits", "precision", "exponents", "largest"]
    return table([*header, "smallest normal", "smallest subnormal", "overflow gives"], rows)


def edges_table() -> str:
    rows = [
        [
            code(f.dtype),
            f"{f.exp_last_zero!r} / {f.exp_first_nonzero!r}",
            f"{f.exp_last_subnormal!r} / {f.exp_first_normal!r}",
            f"{f.exp_last_finite!r} / {f.exp_first_overflow!r}",
            f"{f.sum_of_ones_stalls_at:.0f}",
        ]
        for f in limits().formats
    ]
    header = ["dtype", "last 0 / first above", "last subnormal / first normal"]
    header += ["last finite / first overflow", "a running sum of ones sticks at"]
    return table(header, rows)


def models_table() -> str:
    rows = [[code(model.name), model.summary] for model in MODELS.values()]
    return table(["arithmetic", "what is rounded, and when"], rows)


def output_formats_table() -> str:
    rows = [[code(name), f.purpose] for name, f in softmax_tool.renderers.FORMATS.items()]
    return table(["`--format`", "made"], rows)


def config_table() -> str:
    keys = import_module("softmax_tool.cli.config").KEYS
    return table(["key", "takes"], [[code(key), kind] for key, kind in keys.items()])


def fields(command: str) -> str:
    """List every field of a schema: where it stands, and what it is."""
    schema = json.loads((SCHEMAS / f"{command}.json").read_text(encoding="utf-8"))
    rows = [[code(path), text] for path, text in schema_fields(schema, schema, "")]
    return table(["field", "what it is"], rows)


def schema_fields(
    node: dict[str, Any], schema: dict[str, Any], at: str
) -> Iterator[tuple[str, str]]:
    """Yield (path, description) of every property below a node; `[]` is each item, `*` each key."""
    if node.get("$ref") == "#/$defs/nested":
        return
    node = resolved(node, schema)
    for name, below in node.get("properties", {}).items():
        path = f"{at}.{name}" if at else name
        yield path, described(below, schema)
        yield from schema_fields(below, schema, path)
    if isinstance(node.get("items"), dict):
        yield from schema_fields(node["items"], schema, f"{at}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from schema_fields(node["additionalProperties"], schema, f"{at}.*")
    for choice in node.get("oneOf", []):
        yield from schema_fields(choice, schema, at)


def resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: dict[str, Any] = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return {**found, **{key: value for key, value in node.items() if key != "$ref"}}


def described(node: dict[str, Any], schema: dict[str, Any]) -> str:
    return str(resolved(node, schema)["description"]).replace("|", "\\|")


TABLES: dict[str, Callable[[], str]] = {
    "formats": formats_table,
    "edges": edges_table,
    "arithmetics": models_table,
    "output-formats": output_formats_table,
    "check-config": config_table,
    **{f"formulations-{q}": lambda q=q: formulations(q) for q in QUANTITIES},  # type: ignore[misc]
    **{
        f"fields-{path.stem}": lambda name=path.stem: fields(name)  # type: ignore[misc]
        for path in sorted(SCHEMAS.glob("*.json"))
    },
}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_generated_tables(page: Path) -> None:
    def again(part: re.Match[str]) -> str:
        return f"<!-- generated: {part['name']} -->\n{TABLES[part['name']]()}<!-- end -->"

    text = page.read_text(encoding="utf-8")
    updated(page, text, GENERATED.sub(again, text))


def test_every_table_is_on_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {part["name"] for part in GENERATED.finditer(text)} == set(TABLES)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("README.md", [*OPS, *MODELS, *FORMATS, *softmax_tool.renderers.FORMATS]),
        ("docs/formulations.md", [*QUANTITIES, *(name for _, name in FORMULATIONS), "exact"]),
        ("docs/formats.md", [name for f in FORMATS.values() for name in (f.name, *f.aliases)]),
        ("docs/arithmetic.md", list(MODELS)),
        ("docs/kinds.md", list(KINDS)),
    ],
)
def test_whatever_is_registered_is_documented(page: str, names: list[str]) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []


UNREACHED = ("inf",)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_shown_by_its_command(
    kind: str, quick_shell: Callable[[str], tuple[int, str]]
) -> None:
    text = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    section = text.split(f"\n## `{kind}`\n")[1].split("\n## ")[0]
    commands = [c for block in BLOCK.finditer(section) for c in shown_commands(block["body"])]
    assert bool(commands) == (kind not in UNREACHED)
    for command in commands:
        tool = command.split(" | sed ")[0]
        [case] = json.loads(quick_shell(f"{tool} --format json")[1])["cases"]
        assert kind in case["kinds"]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page_name(page)}: {target}"


def test_every_sample_is_described() -> None:
    text = (ROOT / "samples" / "README.md").read_text(encoding="utf-8")
    files = [path.name for path in (ROOT / "samples").iterdir() if path.name != "README.md"]
    assert [name for name in files if f"`{name}`" not in text] == []
