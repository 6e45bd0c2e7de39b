"""What `check` has to say, in the order in which it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.renderers import display
from softmax_tool.renderers.grids import Cell, Column, Prose, Tables, noted, table
from softmax_tool.renderers.heads import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softmax_tool.check.report import CheckedCase, CheckFinding, CheckReport, CheckSettings
    from softmax_tool.renderers.grids import Section


def check(report: CheckReport) -> Iterator[Section]:
    """Say what was checked, what was found and where, and whether that is a pass."""
    title, lines = read_lines("check", report.input)
    yield Prose(title, (*lines, *_judged(report), "; ".join(_asked(report.settings))))
    if report.warnings:
        yield Prose("Warnings", report.warnings)
    if any(rule.elements for rule in report.rules):
        yield _rules(report)
        yield from _findings(report)
    yield _cases(report)
    if report.suggestions:
        yield Prose("Tightest options that pass", report.suggestions)
    yield Prose("Verdict", report.verdict, stands_out=True)


def _judged(report: CheckReport) -> Iterator[str]:
    for what, results in (("candidate", report.candidate), ("baseline", report.baseline)):
        if results is not None:
            yield (
                f"{what} {display.visible(results.name)}: {display.shape(results.shape)}, stored "
                f"as {display.visible(results.stored_dtype)}"
            )


def _asked(settings: CheckSettings) -> Iterator[str]:
    yield f"{', '.join(settings.ops)} in {', '.join(settings.dtypes)}"
    if settings.formulations:
        yield f"formulation {', '.join(settings.formulations)}"
        yield f"arithmetic {', '.join(settings.arithmetics)}"
    yield f"tolerance {tolerance(settings)}"
    if settings.budget != "0":
        yield f"budget {settings.budget}"
    if settings.factor is not None:
        yield f"at most {display.number(settings.factor)} times the baseline's error"


def tolerance(settings: CheckSettings) -> str:
    """Print the limits on the error of an element."""
    given = [
        f"{display.number(limit)}{unit}"
        for limit, unit in (
            (settings.max_ulp, " ULP"),
            (settings.max_abs, " absolute"),
            (settings.max_rel, " relative"),
        )
        if limit is not None
    ]
    return ", ".join(given) or "the a-priori bound of careful computation"


def place(finding: CheckFinding) -> str:
    """Print where something was found: its row and column, as far as it has them."""
    if finding.row is None:
        return ""
    column = "" if finding.column is None else f", column {finding.column}"
    return f"row {finding.row}{column}"


def _rules(report: CheckReport) -> Section:
    hit = [rule for rule in report.rules if rule.elements]
    columns = [
        (Column("rule", "left"), [Cell(f"{r.code} {r.name}", "strong") for r in hit]),
        (
            Column(""),
            [Cell("failed", "bad") if r.failed else Cell("within budget", "quiet") for r in hit],
        ),
        (Column("elements"), [Cell(display.count(rule.elements)) for rule in hit]),
        (Column("rows"), [Cell(display.count(rule.rows)) for rule in hit]),
    ]
    described = [(Column("what", "left"), [Cell(rule.summary) for rule in hit])]
    quiet = f"{display.plural(len(report.rules) - len(hit), 'other rule')} found nothing"
    legend = (quiet,) if len(hit) < len(report.rules) else ()
    return Tables(
        ((table("Found", [*columns, *described], legend),), (table("Found", columns, legend),))
    )


def _findings(report: CheckReport) -> Iterator[Section]:
    listed = report.findings
    if not listed:
        return
    columns = [
        (Column("rule", "left"), [Cell(finding.code, "strong") for finding in listed]),
        (Column("where", "left"), [Cell(place(finding)) for finding in listed]),
    ]
    notes = [display.visible(finding.message) for finding in listed]
    yield Tables(((noted("Where", columns, notes),),))


def _cases(report: CheckReport) -> Section:
    cases = report.cases
    columns = {
        "subject": (Column("", "left"), [Cell(_title(case), "strong") for case in cases]),
        "judged": (Column("judged"), [Cell(display.count(case.judged)) for case in cases]),
        "right": (
            Column("correctly\nrounded"),
            [Cell(display.share(case.correctly_rounded, case.judged)) for case in cases],
        ),
        "beyond": (
            Column("finite but\ntoo far off"),
            [Cell(display.count(c.beyond)) for c in cases],
        ),
        "allowed": (Column("allowed\nULP"), [_allowed(case) for case in cases]),
        "ulp": (Column("worst\nULP"), [Cell(display.ulp(case.max_ulp)) for case in cases]),
        "abs": (Column("worst\nabsolute"), [_number(case.max_abs_error) for case in cases]),
        "rel": (Column("worst\nrelative"), [_number(case.max_rel_error) for case in cases]),
    }
    layouts = [
        ["subject", "judged", "right", "beyond", "allowed", "ulp", "abs", "rel"],
        ["subject", "judged", "beyond", "allowed", "ulp"],
        ["subject", "beyond", "ulp"],
    ]
    return Tables(
        tuple((table("Accuracy", [columns[name] for name in layout]),) for layout in layouts)
    )


def _title(case: CheckedCase) -> str:
    name = case.name
    if case.subject != "computation":
        return f"{case.subject}: {name.dtype} {name.quantity}"
    arithmetic = "" if name.arithmetic is None else f", {name.arithmetic}"
    return f"{name.dtype} {name.quantity} {name.formulation}{arithmetic}"


def _allowed(case: CheckedCase) -> Cell:
    return Cell("" if case.allowed_ulp is None else display.ulp(case.allowed_ulp))


def _number(value: float | None) -> Cell:
    return Cell("" if value is None else display.number(value, 3))
