from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from softmax_tool import kinds, renderers
from softmax_tool.renderers import display, grids, sections, table
from softmax_tool.renderers.kinds import KINDS
from softmax_tool.report import CompareReport

if TYPE_CHECKING:
    from softmax_tool.report import Report

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
WIDTHS = (20, 40, 60, 80, 100, 120, 160, 200, None)


RENDERED: dict[tuple[int, frozenset[tuple[str, object]]], tuple[Report, str]] = {}
"""Texts that were made, by the identity of the report, which is held so that it stays its own."""


def rendered(report: Report, **how: object) -> str:
    look: dict[str, object] = {"width": None, "color": False, "ascii_only": False} | how
    key = id(report), frozenset(look.items())
    if key not in RENDERED:
        stream = io.StringIO()
        table.render(report, stream, **look)  # type: ignore[arg-type]
        RENDERED[key] = report, stream.getvalue()
    return RENDERED[key][1]


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
        for number in set(re.findall(r"\d\.\d+", rendered(report, width=width, ascii_only=True))):
            assert number in text


def test_every_cell_of_one_variant_is_printed_whole(report: Report) -> None:
    for width in WIDTHS:
        text = rendered(report, width=width)
        for section in sections.sections(report):
            if isinstance(section, grids.Tables):
                assert any(
                    all(line.strip() in text for line in lines_of(stack))
                    for stack in section.variants
                )


def lines_of(stack: tuple[grids.Grid, ...]) -> list[str]:
    cells = [cell.text for grid in stack for row in grid.rows for cell in row.cells]
    headers = [column.header for grid in stack for column in grid.columns]
    return [line for text in (*cells, *headers) for line in text.split("\n")]


def test_headings_are_wrapped(reports: dict[str, Report]) -> None:
    text = rendered(reports["explain"], width=60)
    assert "gradient, softmax less the\none-hot label t\n" in text
    assert max(map(len, text.splitlines())) <= 60


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


def test_one_element_is_listed_once_for_all_formulations_it_broke(
    reports: dict[str, Report],
) -> None:
    text = rendered(reports["compare"])
    assert text.count("log-of-zero at divide") == 1
    assert "is finite (also log-of-shifted)" in text


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    text = "at most 7.89 ULP off; 97.4 % of 3600 elements"
    for room in range(8, 60):
        for line in table._words(text, room):
            assert not line.startswith(("ULP", "%"))
    assert list(table._words(text, 10)) == [
        "at most",
        "7.89 ULP",
        "off;",
        "97.4 % of",
        "3600",
        "elements",
    ]


def test_what_was_asked_is_said(reports: dict[str, Report]) -> None:
    report = reports["compare"]
    assert isinstance(report, CompareReport)
    unusual = replace(
        report.settings,
        weights="w.npy",
        label_smoothing=0.1,
        ignore_index=7,
        max_ulp=2.0,
        rows=(0, 3),
        columns=(None, -1),
        reduction="sum",
    )
    head = rendered(replace(report, settings=unusual)).split("\n\n")[0]
    for part in (
        "reduction sum",
        "weights from w.npy",
        "label smoothing 0.1",
        "ignore index 7",
        "silent error above 2 ULP",
        "rows 0:3 shown",
        "columns :-1 shown",
    ):
        assert part in head


def test_many_files_and_set_aside_elements(reports: dict[str, Report]) -> None:
    report = reports["compare"]
    assert isinstance(report, CompareReport)
    shards = tuple(f"shard-{number}.npy" for number in range(100))
    case = replace(report.cases[0], masked=3, invalid_rows=1)
    changed = replace(
        report,
        input=replace(report.input, paths=shards, shape=(2, 3, 4), axis=1),
        cases=(case, *report.cases[1:]),
    )
    head = rendered(changed).split("\n\n")[0]
    assert "shard-0.npy … shard-99.npy (100 files)" in head
    assert "2 × 3 × 4 logits, stored as float32, classes along axis 1" in head
    dtype = case.name.dtype
    assert f"3 elements in {dtype} masked" in head
    assert f"1 row in {dtype} not judged" in head
    alike = tuple(replace(each, masked=3, invalid_rows=1) for each in report.cases)
    head = rendered(replace(changed, cases=alike)).split("\n\n")[0]
    assert "3 elements masked (logit -inf), not judged" in head
    assert "\n1 row not judged" in head


def test_several_arithmetics_get_a_table_and_a_column_each(reports: dict[str, Report]) -> None:
    report = reports["compare"]
    assert isinstance(report, CompareReport)
    strict = tuple(
        replace(case, name=replace(case.name, arithmetic="strict"))
        for case in report.cases
        if case.name.arithmetic is not None
    )
    both = replace(
        report,
        cases=(*report.cases, *strict),
        settings=replace(report.settings, arithmetics=("wide-sum", "strict")),
    )
    text = rendered(both)
    for title in ("float16, wide-sum", "float16, strict", "float32, wide-sum", "float32, strict"):
        assert f"\n{title}\n" in text
    assert text.count("  exact ") >= 4  # it has no arithmetic, and stands in every table
    assert re.search(r"^dtype +arithmetic +computed", text, flags=re.MULTILINE)


def test_loss_probability_labels_have_no_class(reports: dict[str, Report]) -> None:
    report = reports["compare"]
    assert isinstance(report, CompareReport)
    first = report.cases[0]
    whole_row = replace(first.worst[0], column=None, logit=None)
    text = rendered(replace(report, cases=(replace(first, worst=(whole_row,)),), losses=()))
    assert re.search(r"softmax naive +3 ", text)


def test_kinds_are_printed_in_the_order_in_which_they_are_asked() -> None:
    assert tuple(KINDS) == kinds.KINDS


def test_what_has_no_room_is_named(report: Report) -> None:
    """Whatever heading is gone for want of room stands in a line, or says what others say."""
    shown = [x for x in sections.sections(report) if isinstance(x, grids.Tables)]
    for width in WIDTHS:
        text = " ".join(rendered(report, width=width).split())
        page = table._Page(width, color=False, ascii_only=False)
        for tables in shown:
            chosen = next((x for x in tables.variants if page._fits(x)), tables.variants[-1])
            kept = {column.header for grid in chosen for column in grid.columns}
            for column in (column for grid in tables.variants[0] for column in grid.columns):
                if column.header not in kept and not column.repeats:
                    assert " ".join(column.header.split()) in text


def test_without_a_limit_nothing_is_left_out(report: Report) -> None:
    assert "for want of width" not in rendered(report)


def test_kinds_are_not_left_out_where_findings_tell_them() -> None:
    kind, folded = grids.Column("stalled", repeats=True), grids.Column("findings")
    mean, name = grids.Column("mean\nULP"), grids.Column("")
    widest, narrow = grids.Grid("", (name, kind, mean), ()), grids.Grid("", (name, folded), ())
    assert grids.left_out((widest, widest), (narrow,)) == ("mean ULP",)
    assert grids.left_out((widest,), (grids.Grid("", (name,), ()), widest)) == ()
