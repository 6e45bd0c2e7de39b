"""From sums over all rows to the report: rules, the places listed, warnings, and the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softmax_tool import weight_rounding
from softmax_tool.check.inputs import doubled, weights_beyond
from softmax_tool.check.needs import idle
from softmax_tool.check.report import (
    CheckedCase,
    CheckFinding,
    CheckReport,
    CheckSettings,
    RuleResult,
)
from softmax_tool.check.rules import RULES
from softmax_tool.check.suggestions import suggestions
from softmax_tool.check.verdict import verdict
from softmax_tool.errors import InputError
from softmax_tool.formats import find_format
from softmax_tool.frozen import frozen
from softmax_tool.input_info import input_info
from softmax_tool.renderers.display import files, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.check.found import Findings, Found, Place
    from softmax_tool.check.inputs import InputFacts
    from softmax_tool.check.measured import Measured
    from softmax_tool.check.report import ResultsInfo
    from softmax_tool.check.request import Request
    from softmax_tool.check.rules import Rule
    from softmax_tool.check.tolerance import Budget
    from softmax_tool.formats import FloatFormat
    from softmax_tool.plan import Options
    from softmax_tool.readers import Source
    from softmax_tool.report import CaseName, InputInfo

    _Key = tuple[str, int | None, int | None, str]


@frozen
class Subject:
    """A computation, the candidate or the baseline, and what was found of it over all rows."""

    what: str
    name: CaseName
    measured: Measured


@frozen
class Outcome:
    """What was looked at, and what came out, before it is put into words."""

    facts: InputFacts
    subjects: tuple[Subject, ...]
    ops: tuple[str, ...]
    formulations: tuple[str, ...]
    formats: tuple[FloatFormat, ...]
    arithmetics: tuple[str, ...]
    candidate: ResultsInfo | None = None
    baseline: ResultsInfo | None = None


def to_report(
    outcome: Outcome,
    source: Source,
    options: Options,
    request: Request,
    rules: Sequence[Rule],
) -> CheckReport:
    """Put an outcome into words.

    Raises
    ------
    InputError
        If nothing was found because there was nothing to judge.
    """
    codes = frozenset(rule.code for rule in rules)
    of_input = outcome.facts.findings + doubled(outcome.facts.likeness, source.classes, codes)
    of_input += weights_beyond(options, outcome.formats, outcome.ops, codes)
    results = tuple(_result(rule, of_input, outcome.subjects, request.budget) for rule in rules)
    if not any(result.failed for result in results):
        _check_judged(outcome, source)
    info = input_info(source)
    given = request.tolerance.is_given
    cases = tuple(_case(subject, given=given) for subject in outcome.subjects)
    advice: tuple[str, ...] = ()
    if request.suggest:
        subjects = [subject.measured for subject in outcome.subjects]
        advice = suggestions(results, subjects, budget=request.budget)
    findings = _listed(rules, of_input, outcome.subjects)
    return CheckReport(
        info,
        _settings(outcome, options, request, info, codes),
        outcome.candidate,
        outcome.baseline,
        cases,
        results,
        findings,
        tuple(dict.fromkeys((*idle(request, rules), *_warnings(outcome, options, request)))),
        advice,
        verdict(results, cases, findings),
    )


def _check_judged(outcome: Outcome, source: Source) -> None:
    for subject in outcome.subjects:
        if not subject.measured.judged:
            raise InputError(
                f"{files(source.paths)}: no element of {subject.name.quantity} could be judged: "
                "every logit is masked, or every row holds nan or +inf"
            )
        if subject.measured.overlooked:
            raise InputError(
                f"{subject.what}: {plural(subject.measured.overlooked, 'result')} of "
                f"{subject.name.quantity}, nan or infinite that should not be, would be "
                "overlooked: no selected rule is about that; select NAN101 as well"
            )


def _result(
    rule: Rule, of_input: Findings, subjects: Sequence[Subject], budget: Budget
) -> RuleResult:
    """Add up one rule; it fails where any subject has more of it than the budget covers."""
    parts = [(of_input, 0), *((s.measured.findings, s.measured.judged) for s in subjects)]
    found = [
        (part, _covered(part, budget.allows(judged)) if rule.budgeted else 0)
        for findings, judged in parts
        if (part := findings.by_code.get(rule.code)) is not None
    ]
    return RuleResult(
        rule.code,
        rule.name,
        rule.summary,
        elements=sum(part.elements for part, _ in found),
        rows=max((part.rows for part, _ in found), default=0),
        allowed=max((covered for _, covered in found), default=0),
        failed=any(part.elements > covered for part, covered in found),
    )


def _covered(found: Found, allowed: int) -> int:
    """Return how many elements a budget covers: of those that no tolerance passes, none."""
    return min(allowed, found.elements - found.intolerable) if found.intolerable else allowed


def _case(subject: Subject, *, given: bool) -> CheckedCase:
    measured = subject.measured
    return CheckedCase(
        subject.what,
        subject.name,
        measured.rows,
        measured.elements,
        measured.judged,
        measured.correctly_rounded,
        measured.beyond,
        None if given else measured.allowed_ulp,
        measured.largest_ulp,
        measured.finite.absolute,
        measured.finite.relative,
    )


def _listed(
    rules: Sequence[Rule], of_input: Findings, subjects: Sequence[Subject]
) -> tuple[CheckFinding, ...]:
    """List the worst places of every rule; one that several computations share is one entry."""
    merged: dict[_Key, tuple[Place, CheckFinding]] = {}
    parts = [(None, of_input), *((s.name, s.measured.findings) for s in subjects)]
    for name, findings in parts:
        for rule in rules:
            found = findings.by_code.get(rule.code)
            for place in () if found is None else found.worst:
                _merge(merged, rule, place, name)
    order = {rule.code: index for index, rule in enumerate(RULES)}
    ranked = sorted(merged.values(), key=lambda pair: (order[pair[1].code], pair[0].order))
    return tuple(found for _, found in ranked)


def _merge(
    merged: dict[_Key, tuple[Place, CheckFinding]], rule: Rule, place: Place, name: CaseName | None
) -> None:
    key = (rule.code, place.row, place.column, place.message)
    names = () if name is None else (name,)
    if key in merged:
        known, found = merged[key]
        merged[key] = known, replace(found, cases=(*found.cases, *names))
        return
    merged[key] = (
        place,
        CheckFinding(
            rule.code,
            rule.name,
            place.row,
            place.column,
            place.message,
            place.got,
            place.exact,
            place.ulp,
            names,
        ),
    )


def _warnings(outcome: Outcome, options: Options, request: Request) -> Iterator[str]:
    tolerance, budget = request.tolerance, request.budget
    yield from weight_rounding.remarks(options.weights, outcome.formats, outcome.ops)
    for subject in outcome.subjects:
        yield from tolerance.warnings(subject.measured.seen, find_format(subject.name.dtype))
        judged = subject.measured.judged
        if judged and budget.allows(judged) >= judged:
            yield f"--budget {budget.text} covers every element: no inaccuracy can fail"


def _settings(
    outcome: Outcome,
    options: Options,
    request: Request,
    info: InputInfo,
    codes: frozenset[str],
) -> CheckSettings:
    tolerance = request.tolerance
    return CheckSettings(
        ops=outcome.ops,
        formulations=outcome.formulations,
        dtypes=tuple(target.name for target in outcome.formats),
        arithmetics=outcome.arithmetics,
        axis=info.axis,
        reduction=options.reduction,
        ignore_index=options.ignore_index,
        label_smoothing=options.label_smoothing,
        weights=options.weights_name,
        max_ulp=tolerance.max_ulp,
        max_abs=tolerance.max_abs,
        max_rel=tolerance.max_rel,
        budget=request.budget.text,
        headroom=request.headroom,
        factor=None if outcome.baseline is None else request.factor,
        rules=tuple(rule.code for rule in RULES if rule.code in codes),
        top=options.top,
    )
