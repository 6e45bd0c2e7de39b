"""CSV and Markdown."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from softmax_tool import kinds as diagnosed
from softmax_tool.renderers import csv as csv_renderer
from softmax_tool.renderers import kinds, markdown
from softmax_tool.report import CompareReport, ComputeReport, LimitsReport

if TYPE_CHECKING:
    from softmax_tool.report import Report


def lines_of(report: Report) -> list[dict[str, str]]:
    stream = io.StringIO()
    csv_renderer.render(report, stream)
    return list(csv.DictReader(io.StringIO(stream.getvalue()), strict=True))


def test_csv_is_one_line_a_case_with_all_its_counts(reports: dict[str, Report]) -> None:
    report = reports["compare"]
    assert isinstance(report, CompareReport)
    lines = lines_of(report)
    assert len(lines) == len(report.cases)
    for line, case in zip(lines, report.cases, strict=True):
        assert line["formulation"] == case.name.formulation
        assert line["arithmetic"] == (case.name.arithmetic or "")
        assert float(line["max_ulp"]) == case.max_ulp
        for kind in kinds.KINDS:
            count = case.kinds.get(kind)
            assert int(line[kind]) == (count.elements if count else 0)
            assert int(line[f"{kind} unavoidable"]) == (count.unavoidable if count else 0)


def test_csv_of_compute_keeps_every_bit(reports: dict[str, Report]) -> None:
    report = reports["compute"]
    assert isinstance(report, ComputeReport)
    lines = lines_of(report)
    assert len(lines) == 10
    shifted = [float(line["softmax/shifted/float16"]) for line in lines[:5]]
    assert shifted == [float(value) for value in next(iter(report.shown)).values[1]]
    assert lines[0]["softmax/naive/float16 kind"] == "overflow"


def test_csv_of_compute_has_the_losses_of_rows(reports: dict[str, Report]) -> None:
    lines = lines_of(reports["compute"])
    assert [line["ce/shifted/float16"] for line in lines] == ["1.1689453125"] * 5 + [""] * 5
    assert {line["nll/log-of-naive/float16"] for line in lines[:5]} == {"nan"}
    assert {line["nll/log-of-naive/float16 kind"] for line in lines[:5]} == {"overflow"}


def test_csv_of_losses_alone_is_one_line_a_row(reports: dict[str, Report]) -> None:
    report = reports["compute"]
    assert isinstance(report, ComputeReport)
    rows = (replace(row, values=(), kinds=()) for row in report.shown)
    lines = lines_of(replace(report, results=(), shown=tuple(rows)))
    assert [(line["row"], line["column"], line["label"]) for line in lines] == [
        ("0", "", "3"),
        ("1", "", "-100"),
    ]
    assert [line["ce/shifted/float16"] for line in lines] == ["1.1689453125", ""]


def test_csv_of_limits_is_one_line_a_dtype(reports: dict[str, Report]) -> None:
    report = reports["limits"]
    assert isinstance(report, LimitsReport)
    lines = lines_of(report)
    assert [line["dtype"] for line in lines] == [limits.dtype for limits in report.formats]
    assert float(lines[2]["exp_first_overflow"]) == 88.72283935546875


def test_csv_runs_no_formula() -> None:
    for name in ("=1+1", "+1", "-1", "@x", "\t=1"):
        assert csv_renderer.cell(name) == "'" + name
    assert csv_renderer.cell(-1.5) == "-1.5"
    assert csv_renderer.cell("shifted") == "shifted"


def test_the_kinds_are_those_that_are_diagnosed() -> None:
    assert tuple(kinds.KINDS) == tuple(diagnosed.KINDS)


def test_every_markdown_table_has_as_many_cells_in_each_line(report: Report) -> None:
    stream = io.StringIO()
    markdown.render(report, stream)
    text = stream.getvalue()
    assert "\x1b" not in text
    for block in re.split(r"\n\n", text):
        lines = [line for line in block.splitlines() if line.startswith("| ")]
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(widths) <= 1, block


def test_markdown_obeys_no_name(reports: dict[str, Report]) -> None:
    stream = io.StringIO()
    markdown.render(reports["compare_hostile"], stream)
    text = stream.getvalue()
    assert "<i>" not in text
    assert "a\\|b\\`&lt;i&gt;.csv" in text
    assert "\\[red\\]softmax\\[/red\\] is nan \\| everywhere." in text


def test_markdown_escapes() -> None:
    assert markdown.escape("![x](http://y)") == "!\\[x\\](http:&#47;&#47;y)"
    assert markdown.escape("a\\|b") == "a\\\\\\|b"
    assert markdown.escape("two\nlines") == "two lines"
    assert markdown.escape("- item") == "\\- item"
