from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from softmax_tool.errors import UsageError
from softmax_tool.readers.source import InputOverflow

if TYPE_CHECKING:
    from collections.abc import Sequence


options = import_module("softmax_tool.cli.options")
output = import_module("softmax_tool.cli.output")
progress = import_module("softmax_tool.cli.progress")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, None),
        ("2:5", (2, 5)),
        (":", (None, None)),
        ("-5:", (-5, None)),
        (":-1", (None, -1)),
        ("7", (7, 8)),
        ("-1", (-1, None)),
        ("-2", (-2, -1)),
        ("0", (0, 1)),
        (" 1 : 2 ", (1, 2)),
    ],
)
def test_slices(text: str | None, part: object) -> None:
    assert options.part("--rows", text) == part


@pytest.mark.parametrize("text", ["", "a", "1:b", "1:2:3", "1.5", "1,2"])
def test_what_is_no_slice(text: str) -> None:
    with pytest.raises(UsageError, match="is not A:B, like 0:10"):
        options.part("--rows", text)


@pytest.mark.parametrize(
    ("given", "kept"), [(None, None), ([], None), (["NLL", "nll", "Ce"], ("nll", "ce"))]
)
def test_names(given: Sequence[str] | None, kept: object) -> None:
    assert options.names(given) == kept


def test_dtypes_go_by_alias() -> None:
    assert options.dtypes(["Half", "fp16", "DOUBLE"]) == ("float16", "float64")
    assert options.dtypes(None) is None
    assert options.arithmetics(None) == ("wide-sum",)
    assert options.arithmetics(["STRICT", "strict"]) == ("strict",)


@pytest.mark.parametrize(
    ("choice", "environment", "terminal", "wanted"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour(
    monkeypatch: pytest.MonkeyPatch,
    choice: str,
    environment: dict[str, str],
    terminal: bool,
    wanted: bool,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert output.colored(choice, Terminal() if terminal else io.StringIO()) is wanted


def test_width_of_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "123")
    assert output.screen_width(Terminal()) == 123
    assert output.screen_width(io.StringIO()) is None


def test_choices_are_checked_before_anything_is_read() -> None:
    for arguments in (("xml", None, "auto", None), ("table", None, "pink", None)):
        with pytest.raises(UsageError, match="known are"):
            output.answer(*arguments)


def test_many_overflows_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    # A source keeps the first hundred and counts them all.
    found = [InputOverflow("a\nb.csv", line, 0, "1e400") for line in range(1, 101)]
    output.Messages(quiet=False).overflows(found, 1233)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("softmax-tool: warning: a\\nb.csv:1: column 0: 1e400 is beyond")
    assert lines[3].startswith("softmax-tool: warning: 1230 more numbers")


class Half:
    """A source of which half is read, whose rows nobody has counted."""

    read_fraction = 0.5


def test_progress_is_for_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with output.Messages(quiet=False).progress("x", Half()) as advance:
        assert advance is None
    monkeypatch.setattr("sys.stderr", Terminal())
    with output.Messages(quiet=True).progress("x", Half()) as advance:
        assert advance is None
    with output.Messages(quiet=False).progress("x", Half()) as advance:
        assert advance is not None
        advance(1, 2)


def test_the_bar_comes_late_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with output.Messages(quiet=False).progress("comparing", Half()) as advance:
        advance(1, 10)
        assert screen.getvalue() == ""
        now[0] = 2.0
        advance(2000, None)
    text = screen.getvalue()
    assert "comparing" in text
    assert "2000 of 4000 rows, 1000 rows/s, 2 s left" in text
    # The cursor is shown again, and the line is cleared.
    assert text.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


@pytest.mark.parametrize(("choice", "total"), [(None, None), (0.0, None), (0.25, 40), (1.5, 10)])
def test_how_many_rows_there_will_be(choice: float | None, total: int | None) -> None:
    assert progress.expected_rows(10, choice) == total


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "said"),
    [
        (500, 2000, 2.0, "500 of 2000 rows, 250 rows/s, 6 s left"),
        (10, None, 4.0, "10 rows, 2.5 rows/s"),
        (1, 3, 1800.0, "1 of 3 rows, 0.00056 rows/s, 1 h 0 min left"),
        (7, 6, 1.0, "7 of 6 rows, 7 rows/s, 0 s left"),
    ],
)
def test_what_a_bar_says(done: int, total: int | None, elapsed: float, said: str) -> None:
    assert progress.said_of(done, total, elapsed) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"),
        (59.5, "1 min 0 s"),
        (75, "1 min 15 s"),
        (3599.1, "1 h 0 min"),
        (3 * 3600 + 59, "3 h 1 min"),
    ],
)
def test_how_long_the_rest_takes(seconds: float, said: str) -> None:
    assert progress.duration(seconds) == said
