from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest

from softmax_tool import renderers
from softmax_tool.renderers import display, sections, table

if TYPE_CHECKING:
    from softmax_tool.report import Report

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
WIDTHS = (20, 40, 60, 80, 100, 120, 160, 200, None)


def rendered(report: Report, **how: object) -> str:
    stream = io.StringIO()
    look: dict[str, object] = {"width": None, "color": False, "ascii_only": False} | how
    table.render(report, stream, **look)  # type: ignore[arg-type]
    return stream.getvalue()


def test_plain_text_has_no_escapes(report: Report) -> None:
    assert "\x1b" not in rendered(report)


def test_colour_changes_nothing_but_escapes(report: Report) -> None:
    for width in (80, 120, None):
        colored = rendered(report, width=width, color=True)
        assert "\x1b[" in colored
        stripped = [line.rstrip() for line in ESCAPE.sub("", colored).splitlines()]
        assert stripped == rendered(report, width=width).splitlines()


def test_only_colours_of_the_theme(report: Report) -> None:
    codes = {
        code
        for found in re.findall(r"\x1b\[([0-9;]*)m", rendered(report, color=True))
        for code in found.split(";")
    }
    # Neither white nor black, bright or not, and no background: readable on light and dark.
    assert codes <= {"0", "1", "2", "31", "32", "33", "36"}


def test_nothing_is_cut(report: Report) -> None:
    """Every cell of the chosen variant stands whole in the text, at any width."""
    for width in WIDTHS:
        text = rendered(report, width=width)
        assert "…" not in re.sub(r"… [\d\s]+class", "", text)
        for number in re.findall(r"\d\.\d+", rendered(report, width=width, ascii_only=True)):
            assert number in text


def test_every_cell_of_one_variant_is_printed_whole(report: Report) -> None:
    for width in WIDTHS:
        text = rendered(report, width=width)
        for section in sections.sections(report):
            if isinstance(section, sections.Tables):
                assert any(
                    all(line.strip() in text for line in lines_of(grids))
                    for grids in section.variants
                )


def lines_of(grids: tuple[sections.Grid, ...]) -> list[str]:
    cells = [cell.text for grid in grids for row in grid.rows for cell in row.cells]
    headers = [column.header for grid in grids for column in grid.columns]
    return [line for text in (*cells, *headers) for line in text.split("\n")]


def test_a_screen_is_never_overrun(report: Report) -> None:
    for width in (80, 100, 120, 160, 200):
        assert max(map(len, rendered(report, width=width).splitlines())) <= width


def test_no_blanks_at_line_ends(report: Report) -> None:
    assert not re.search(r"[ \t]+$", rendered(report), flags=re.MULTILINE)


def test_the_verdict_is_what_remains_on_the_screen(reports: dict[str, Report]) -> None:
    lines = rendered(reports["compare"]).splitlines()
    assert lines[-1] == "• float32: every formulation survives."
    assert any("Verdict" in line for line in lines[-6:])


def test_every_bad_value_is_named_in_words(reports: dict[str, Report]) -> None:
    text = rendered(reports["compute"])
    for kind in ("overflow", "underflow", "subnormal", "log-of-zero"):
        assert kind in text
    assert "≠ not bit-identical" in text
    assert "3 label" in text
    assert "label -100: ignored" in text


def test_unavoidable_findings_are_told_apart(reports: dict[str, Report]) -> None:
    wide = rendered(reports["compare"])
    assert "12 (40)" in wide
    assert "(n) unavoidable" in wide
    narrow = rendered(reports["compare"], width=80)
    assert re.search(r"shifted +\(73\) ", narrow)
    assert "(n) unavoidable" in narrow


def test_nll_and_ce_are_one_line_only_where_they_agree(reports: dict[str, Report]) -> None:
    assert rendered(reports["compare"]).count("nll, ce") == 2  # one of them is a pair
    none = rendered(reports["compute_none"])
    assert re.search(r"^nll$", none, flags=re.MULTILINE)


def test_names_are_shown_not_obeyed(reports: dict[str, Report]) -> None:
    for color in (False, True):
        text = rendered(reports["compare_hostile"], color=color)
        assert "[bold]x[/bold]" in text
        assert "[red]softmax[/red]" in text
        assert "\\x1b[31m" in text
        assert "\\u202e" in text
        assert "\u202e" not in text


def test_folding_keeps_what_matters(reports: dict[str, Report]) -> None:
    text = rendered(reports["compute_wide"], width=80)
    shown = re.findall(r"^(\d+)( label)? ", text, flags=re.MULTILINE)
    assert ("10000", " label") in shown
    assert ("1000", "") in shown  # the first underflow
    assert ("20777", "") in shown  # the largest logit
    assert "classes not shown" in text


def test_the_demonstration_says_so(reports: dict[str, Report]) -> None:
    first = rendered(reports["compare_demonstration"]).splitlines()[0]
    assert first == "compare: the built-in demonstration"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437"])
def test_narrow_encodings_are_served(report: Report, encoding: str) -> None:
    assert not display.carries(encoding)
    rendered(report, ascii_only=True).encode(encoding)


def test_every_format_is_a_module_with_a_renderer(report: Report) -> None:
    for name in renderers.FORMATS:
        stream = io.StringIO()
        renderers.render(name, report, stream)
        assert stream.getvalue().endswith("\n")
