"""From a source and the rules to a report: blocks, threads, sums, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from softmax_tool.check.blocks import Work, work
from softmax_tool.check.inputs import InputFacts, doubled
from softmax_tool.check.losses import ReducedLoss
from softmax_tool.check.measured import Measured
from softmax_tool.check.order import in_order
from softmax_tool.check.report import (
    CheckedCase,
    CheckFinding,
    CheckReport,
    CheckSettings,
    RuleResult,
)
from softmax_tool.check.rules import RULES, selected
from softmax_tool.check.tolerance import Budget, Tolerance
from softmax_tool.check.verdict import verdict
from softmax_tool.errors import InputError, LabelError, UsageError
from softmax_tool.formats import find_format
from softmax_tool.formulations import LOSSES
from softmax_tool.plan import Options, default_ops, plan, stored_format
from softmax_tool.report import InputInfo, LabelsInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from softmax_tool.check.blocks import BlockOutcome
    from softmax_tool.check.found import Findings
    from softmax_tool.check.rules import About, Rule
    from softmax_tool.plan import Plan
    from softmax_tool.readers import Source
    from softmax_tool.report import CaseName

    Progress = Callable[[int, int | None], None]
    _Key = tuple[str, int | None, int | None, str]

BLOCK_ELEMENTS = 1 << 17  # of 8 bytes each they stay in the second-level cache
HEADROOM = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of `check`, beside the options of every computation."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    tolerance: Tolerance = Tolerance()
    budget: Budget = Budget()
    headroom: float = HEADROOM
    suggest: bool = False

    def check(self) -> None:
        """Refuse what is wrong whatever the input.

        Raises
        ------
        UsageError
            For rules that do not exist, and for numbers that are no limits.
        """
        selected(self.select, self.ignore)
        self.tolerance.check()
        if not self.headroom >= 0:
            raise UsageError(f"--headroom {self.headroom}: is no distance; give 0 or more")


def check(
    source: Source,
    options: Options,
    request: Request,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Look for everything that the selected rules are about.

    Raises
    ------
    InputError
        If there is nothing to look at: no rows, no row that counts, nothing that can be judged.
    UsageError
        For options that do not fit, and where no selected rule is about what is there.
    """
    request.check()
    options = replace(
        options, max_ulp=request.tolerance.max_ulp, ops=options.ops or _ops(source, options)
    )
    plan_ = plan(source, options, stored_format, ("shifted",))
    rules = _about(selected(request.select, request.ignore), _subjects(source))
    codes = frozenset(rule.code for rule in rules)
    task = Work(plan_, options, request.tolerance, codes, request.headroom)
    totals = _Totals.of(plan_)
    blocks = source.blocks(max(1, BLOCK_ELEMENTS // source.classes))
    try:
        for outcome in in_order(partial(work, task=task), blocks, threads):
            totals.add(outcome)
            if progress is not None:
                progress(totals.rows, None if source.shape is None else totals.rows_of(source))
    except LabelError as error:
        raise LabelError(f"{error} (LAB101)") from error
    totals.check_counted(source)
    return totals.report(source, options, request, rules)


def _ops(source: Source, options: Options) -> tuple[str, ...]:
    """Return every op that the input allows, but log(softmax), which nobody checks for passing."""
    return tuple(op for op in default_ops(source, options) if op != "log-of-softmax")


def _subjects(source: Source) -> set[About]:
    subjects: set[About] = {"input", "computation"}
    if source.label_kind is not None:
        subjects.add("labels")
    return subjects


def _about(rules: Sequence[Rule], subjects: set[About]) -> tuple[Rule, ...]:
    """Return the rules that have something to look at."""
    left = tuple(rule for rule in rules if subjects & set(rule.about))
    if not left:
        names = ", ".join(rule.code for rule in rules)
        raise UsageError(
            f"nothing to look at for {names}: such rules need labels, a --candidate or a --baseline"
        )
    return left


@dataclass(slots=True)
class _Totals:
    """Adds outcomes up, in row order."""

    plan: Plan
    cases: list[Measured]
    losses: dict[int, ReducedLoss]
    rows: int = 0
    counted: int = 0
    facts: InputFacts = field(default_factory=InputFacts)

    @classmethod
    def of(cls, plan_: Plan) -> _Totals:
        names = plan_.cases
        losses = {i: ReducedLoss.of(name) for i, name in enumerate(names) if _is_loss(name)}
        return cls(plan_, [Measured() for _ in names], losses)

    def add(self, outcome: BlockOutcome) -> None:
        self.rows += outcome.rows
        self.counted += outcome.counted
        self.facts += outcome.facts
        for index, measured in enumerate(outcome.cases):
            self.cases[index] += measured
        for index, rows in enumerate(outcome.losses):
            if rows is not None:
                self.losses[index] = self.losses[index].fold(rows)

    def rows_of(self, source: Source) -> int:
        assert source.shape is not None  # noqa: S101  (asked by the caller)
        total = 1
        for axis, length in enumerate(source.shape):
            total *= 1 if axis == source.axis else length
        return total

    def check_counted(self, source: Source) -> None:
        """Refuse to answer where nothing was looked at."""
        names = ", ".join("<stdin>" if path == "-" else path for path in source.paths)
        if not self.rows:
            raise InputError(f"{names}: no rows; there is nothing to look at")
        if source.label_kind is not None and not self.counted:
            raise InputError(
                f"{names}: every row has the ignored label, so that no loss was looked at "
                "(LAB102); mend the labels or --ignore-index, or check without labels"
            )

    def report(
        self, source: Source, options: Options, request: Request, rules: tuple[Rule, ...]
    ) -> CheckReport:
        codes = frozenset(rule.code for rule in rules)
        of_input = self.facts.findings + doubled(self.facts.likeness, source.classes, codes)
        of_cases = [measured.findings for measured in self.cases]
        for index, loss in self.losses.items():
            of_cases[index] += loss.findings(options.reduction, codes)
        results = tuple(
            _rule_result(rule, of_input, of_cases, self.cases, request.budget) for rule in rules
        )
        if not any(case.judged for case in self.cases) and not any(r.failed for r in results):
            raise InputError(
                f"{', '.join(source.paths)}: no element could be judged: every row holds nan or "
                "+inf, or nothing but -inf"
            )
        names = self.plan.cases
        cases = tuple(
            _checked("computation", name, case)
            for name, case in zip(names, self.cases, strict=True)
        )
        findings = _listed(rules, of_input, list(zip(names, of_cases, strict=True)))
        info = input_info(source)
        settings = _settings(self.plan, options, request, info, rules)
        warnings = tuple(dict.fromkeys(self._warnings(request.tolerance)))
        return CheckReport(
            info,
            settings,
            None,
            None,
            cases,
            results,
            findings,
            warnings,
            (),
            verdict(results, cases),
        )

    def _warnings(self, tolerance: Tolerance) -> Iterator[str]:
        for name, case in zip(self.plan.cases, self.cases, strict=True):
            yield from tolerance.warnings(case.seen, find_format(name.dtype))


def _is_loss(name: CaseName) -> bool:
    return name.quantity in LOSSES


def _rule_result(
    rule: Rule,
    of_input: Findings,
    of_cases: Sequence[Findings],
    cases: Sequence[Measured],
    budget: Budget,
) -> RuleResult:
    """Add up one rule; it fails where any computation has more of it than the budget covers."""
    elements = rows = allowed = 0
    failed = False
    judged = [0, *(case.judged for case in cases)]
    for findings, of_elements in zip([of_input, *of_cases], judged, strict=True):
        found = findings.by_code.get(rule.code)
        if found is None:
            continue
        covered = budget.allows(of_elements) if rule.budgeted else 0
        elements += found.elements
        rows = max(rows, found.rows)
        allowed = max(allowed, covered)
        failed |= found.elements > covered
    return RuleResult(rule.code, rule.name, rule.summary, elements, rows, allowed, failed)


def _checked(subject: str, name: CaseName, case: Measured) -> CheckedCase:
    return CheckedCase(
        subject,
        name,
        case.rows,
        case.elements,
        case.judged,
        case.correctly_rounded,
        case.beyond,
        case.largest_ulp,
        case.finite.absolute,
        case.finite.relative,
    )


def _listed(
    rules: Sequence[Rule], of_input: Findings, of_cases: Sequence[tuple[CaseName, Findings]]
) -> tuple[CheckFinding, ...]:
    """List the worst places of every rule; one that several computations share is one entry."""
    merged: dict[_Key, CheckFinding] = {}
    severity: dict[_Key, float] = {}
    for name, findings in [(None, of_input), *of_cases]:
        for rule in rules:
            found = findings.by_code.get(rule.code)
            for place in () if found is None else found.worst:
                key = (rule.code, place.row, place.column, place.message)
                names = () if name is None else (name,)
                if key in merged:
                    merged[key] = replace(merged[key], cases=(*merged[key].cases, *names))
                    continue
                severity[key] = place.severity
                merged[key] = CheckFinding(
                    rule.code,
                    rule.name,
                    place.row,
                    place.column,
                    place.message,
                    place.got,
                    place.exact,
                    place.ulp,
                    names,
                )
    order = {rule.code: index for index, rule in enumerate(RULES)}

    def worst_first(item: tuple[_Key, CheckFinding]) -> tuple[int, float, int, int]:
        key, found = item
        row = -1 if found.row is None else found.row
        column = -1 if found.column is None else found.column
        return order[found.code], -severity[key], row, column

    return tuple(found for _, found in sorted(merged.items(), key=worst_first))


def input_info(source: Source) -> InputInfo:
    """Say what was read, all of which it has been."""
    assert source.shape is not None  # noqa: S101  (every row has been read)
    labels = None
    if source.label_kind is not None:
        labels = LabelsInfo(tuple(source.label_paths), source.label_kind)
    return InputInfo(tuple(source.paths), source.shape, source.stored_dtype, labels, source.axis)


def _settings(
    plan_: Plan, options: Options, request: Request, info: InputInfo, rules: Sequence[Rule]
) -> CheckSettings:
    tolerance = request.tolerance
    return CheckSettings(
        ops=plan_.ops,
        formulations=plan_.formulations,
        dtypes=tuple(target.name for target in plan_.formats),
        arithmetics=tuple(model.name for model in plan_.models),
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
        factor=None,
        rules=tuple(rule.code for rule in rules),
        top=options.top,
    )
