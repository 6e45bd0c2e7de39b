"""From a source and the rules to a report: blocks, threads, and sums in the order of the rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from softmax_tool import ahead, crew
from softmax_tool.ahead import thread_count
from softmax_tool.check import losses
from softmax_tool.check.blocks import work
from softmax_tool.check.comparison import compared_with_baseline
from softmax_tool.check.found import Findings
from softmax_tool.check.functions import FunctionResults
from softmax_tool.check.inputs import InputFacts
from softmax_tool.check.judging import (
    COMPARED_RULES,
    GIVEN_RULES,
    ExactLoss,
    GivenBlock,
    Task,
    case_name,
    judge_block,
    judge_reduced,
)
from softmax_tool.check.measured import Measured
from softmax_tool.check.needs import looked_for, needed
from softmax_tool.check.outcome import Outcome, Subject, to_report
from softmax_tool.check.rules import ignored, selected
from softmax_tool.check.work import Work
from softmax_tool.counting import with_label_counts
from softmax_tool.errors import InputError, LabelError, UsageError
from softmax_tool.formulations import GRADIENT, LOSSES, expand, quantity_of
from softmax_tool.input_info import nothing_to_look_at, row_count
from softmax_tool.plan import Options, check_ops, default_ops, plan, stored_format
from softmax_tool.plan import check as check_options
from softmax_tool.reduced_loss import ReducedLoss
from softmax_tool.renderers.display import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from softmax_tool.check.blocks import BlockOutcome
    from softmax_tool.check.found import Found
    from softmax_tool.check.given import Given
    from softmax_tool.check.judging import GivenOutcome
    from softmax_tool.check.report import CheckReport
    from softmax_tool.check.request import Request
    from softmax_tool.check.rules import About, Rule
    from softmax_tool.plan import Plan
    from softmax_tool.readers import Source
    from softmax_tool.readers.log import ReadLog
    from softmax_tool.report import CaseName

    Progress = Callable[[int, int | None], None]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

BLOCK_ELEMENTS = 1 << 17  # of 8 bytes each they stay in the second-level cache
_MANY_ELEMENTS = 1 << 23  # half a second of work


def check(
    source: Source,
    options: Options,
    request: Request,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Compute formulations, and look for everything that the selected rules are about.

    Raises
    ------
    InputError
        If there is nothing to look at: no rows, no row that counts, nothing that can be judged.
    UsageError
        For options that do not fit, and where no selected rule is about what is there.
    """
    request.check()
    ops = options.ops or _ops(source, options)
    options = replace(options, max_ulp=request.tolerance.max_ulp, ops=ops)
    plan_ = plan(source, options, stored_format, ("shifted",))
    if GRADIENT in plan_.ops and options.reduction == "mean":
        options, source = with_label_counts(options, source, _rows(source))
    subjects: set[About] = {"computation"}
    if set(LOSSES) & set(plan_.ops):
        subjects.add("losses")
    rules = _about(request, source, subjects)
    codes = frozenset(rule.code for rule in rules)
    task = partial(
        work,
        task=Work(
            plan_, options, request.tolerance, codes, ignored(request.ignore), request.headroom
        ),
    )
    totals, portions = _Totals.of(plan_), source.portions(_rows(source))
    outcomes = _noted(_in_order(task, portions, source, threads), source)
    _add_up(totals, outcomes, source, progress)
    return to_report(totals.outcome(options, codes), source, options, request, rules)


def check_given(
    source: Source,
    options: Options,
    request: Request,
    candidate: Given,
    baseline: Given | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Judge results of somebody else, and look for everything that the rules are about.

    Raises
    ------
    InputError
        If there is nothing to look at, or the results do not fit the logits.
    UsageError
        For options that do not fit, and where no selected rule is about what is there.
    """
    request.check()
    quantity = given_quantity(source, options, candidate.name)
    subjects: set[About] = {"candidate"} if baseline is None else {"candidate", "baseline"}
    rules = _about(request, source, subjects)
    codes = frozenset(rule.code for rule in rules)
    if quantity == GRADIENT and options.reduction == "mean":
        if isinstance(candidate, FunctionResults):
            raise UsageError(
                f"--candidate {candidate.name}: gets a block of rows, and cannot know what a mean "
                "over all of them divides by; have it return the gradients of the rows' own "
                "losses, and say --reduction sum"
            )
        options, source = with_label_counts(options, source, _rows(source))
    compared = frozenset[str]() if baseline is None else COMPARED_RULES
    task = Task(quantity, options, request.tolerance, codes | GIVEN_RULES | compared)
    if baseline is not None and baseline.reduced != candidate.reduced:
        raise InputError(
            f"{baseline.name}: one of baseline and candidate is a single loss, the other holds one "
            "for each row; give two of a kind"
        )
    totals, blocks = _GivenTotals(), _paired(source, candidate, baseline)
    judge = partial(judge_block, task=task)
    _add_up(totals, _in_order(judge, blocks, source, threads), source, progress)
    outcome_ = totals.outcome(source, candidate, baseline, task, request, codes)
    return to_report(outcome_, source, options, request, rules)


def given_quantity(source: Source, options: Options, name: str) -> str:
    """Return the quantity that somebody else's results are of.

    Raises
    ------
    UsageError
        If that is not said, or options do not fit.
    """
    check_options(options, source)
    if options.ops is None or len(options.ops) != 1:
        raise UsageError(
            f"say what {name} holds: one --op of softmax, log-softmax, nll, ce, gradient"
        )
    expand(options.ops, None)  # refuses an op that does not exist
    if options.formulations is not None:
        raise UsageError("a candidate is judged as it is; leave out --formulation")
    if options.dtypes is not None and len(options.dtypes) > 1:
        raise UsageError("a candidate is in one dtype; name one with --dtype")
    check_ops(options.ops, source, options)
    return quantity_of(options.ops[0])


def _rows(source: Source) -> int:
    return max(1, BLOCK_ELEMENTS // source.classes)


def _ops(source: Source, options: Options) -> tuple[str, ...]:
    """Return every op that the input allows, but log(softmax), which nobody wants to pass."""
    return tuple(op for op in default_ops(source, options) if op != "log-of-softmax")


def _about(request: Request, source: Source, subjects: set[About]) -> tuple[Rule, ...]:
    """Return the selected rules that have something to look at."""
    there: set[About] = {"input", *subjects}
    if source.label_kind is not None:
        there.add("labels")
    rules = looked_for(request, there)
    if not rules:
        named = selected(request.select, request.ignore)
        raise UsageError(f"no rule is left to look for: {needed(named)}")
    return rules


def _in_order(
    job: Callable[[_Item], _Result], items: Iterable[_Item], source: Source, threads: int | None
) -> Iterator[_Result]:
    """Do a job on threads, or in several processes where these gain more than their start costs."""
    count, elements = thread_count(threads), source.elements
    if elements is None or elements < _MANY_ELEMENTS:
        return ahead.in_order(job, items, count)
    return crew.in_order(job, items, count, many=True)


def _noted(
    results: Iterable[tuple[BlockOutcome, ReadLog]], source: Source
) -> Iterator[BlockOutcome]:
    """Yield outcomes, and let the source know what was noticed while it was read."""
    for outcome, noticed in results:
        source.note(noticed)
        yield outcome


def _add_up(
    totals: _Totals | _GivenTotals,
    outcomes: Iterable[Any],
    source: Source,
    progress: Progress | None,
) -> None:
    try:
        for outcome in outcomes:
            totals.add(outcome)
            if progress is not None:
                progress(totals.rows, row_count(source))
    except LabelError as error:
        raise _with_rule(error) from error
    _check_counted(source, totals.rows, totals.counted)


def _with_rule(error: LabelError) -> LabelError:
    return LabelError(f"{error} (LAB101)")


def _check_counted(source: Source, rows: int, counted: int) -> None:
    """Refuse to answer where nothing was looked at."""
    if not rows:
        raise nothing_to_look_at(source)
    if source.label_kind is not None and not counted:
        raise InputError(
            f"{files(source.paths)}: every row has the ignored label, so that no loss was looked "
            "at (LAB102); mend the labels or --ignore-index, or check without labels"
        )


@dataclass(slots=True)
class _Totals:
    """Adds the outcomes of computations up, in row order."""

    plan: Plan
    cases: list[Measured]
    losses: dict[int, ReducedLoss]
    rows: int = 0
    counted: int = 0
    facts: InputFacts = field(default_factory=InputFacts)

    @classmethod
    def of(cls, plan_: Plan) -> _Totals:
        names = plan_.cases
        losses = {i: ReducedLoss.of(n) for i, n in enumerate(names) if n.quantity in LOSSES}
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

    def outcome(self, options: Options, codes: frozenset[str]) -> Outcome:
        cases = list(self.cases)
        for index, loss in self.losses.items():
            findings = cases[index].findings + losses.findings(loss, options.reduction, codes)
            cases[index] = replace(cases[index], findings=findings)
        return Outcome(
            facts=self.facts,
            subjects=tuple(
                Subject("computation", name, measured)
                for name, measured in zip(self.plan.cases, cases, strict=True)
            ),
            ops=self.plan.ops,
            formulations=self.plan.formulations,
            formats=self.plan.formats,
            arithmetics=tuple(model.name for model in self.plan.models),
        )


def _paired(source: Source, candidate: Given, baseline: Given | None) -> Iterator[GivenBlock]:
    """Yield blocks of logits with the results that belong to them."""
    for block in source.blocks(_rows(source)):
        mine = candidate.take(block)
        target = candidate.format
        assert target is not None  # noqa: S101  (results have been taken)
        theirs = None if baseline is None else baseline.take(block)
        yield GivenBlock(block, candidate.logits(block), target, mine, theirs)


def _of_candidate(
    mine: Measured, codes: frozenset[str], tolerated: frozenset[str]
) -> tuple[Measured, dict[str, Found]]:
    """Return what the selected rules found; what is not finite is beyond every tolerance.

    With neither the rule about it nor that about tolerances selected it has been overlooked, unless
    it was ignored by name.
    """
    found = mine.findings.by_code
    kept = {code: part for code, part in found.items() if code in codes - COMPARED_RULES}
    if "NAN101" not in codes and "NAN101" in found:
        if "ACC101" in codes:
            kept["ACC101"] = found["BSL102"]  # both together
        elif "NAN101" not in tolerated:
            mine = replace(mine, overlooked=found["NAN101"].elements)
    return mine, kept


@dataclass(slots=True)
class _GivenTotals:
    """Adds the outcomes of judging somebody else's results up."""

    rows: int = 0
    counted: int = 0
    facts: InputFacts = field(default_factory=InputFacts)
    candidate: Measured = field(default_factory=Measured)
    baseline: Measured = field(default_factory=Measured)
    exact: ExactLoss | None = None

    def add(self, outcome: GivenOutcome) -> None:
        self.rows += outcome.rows
        self.counted += outcome.counted
        self.facts += outcome.facts
        self.candidate += outcome.candidate
        self.baseline += outcome.baseline
        if outcome.exact is not None:
            self.exact = outcome.exact if self.exact is None else self.exact + outcome.exact

    def outcome(
        self,
        source: Source,
        candidate: Given,
        baseline: Given | None,
        task: Task,
        request: Request,
        codes: frozenset[str],
    ) -> Outcome:
        target = candidate.format
        assert target is not None  # noqa: S101  (results have been taken)
        name = case_name(task.quantity, target)
        mine, theirs = self.candidate, self.baseline
        if candidate.reduced:
            mine = self._reduced(candidate, name, task)
        if baseline is not None and baseline.reduced:
            theirs = self._reduced(baseline, name, task)
        info = candidate.finish(source)
        mine, kept = _of_candidate(mine, codes, ignored(request.ignore))
        subjects = [Subject("candidate", name, replace(mine, findings=Findings(kept)))]
        if baseline is not None:
            found = compared_with_baseline(mine, theirs, request.factor, codes)
            subjects.append(Subject("baseline", name, replace(theirs, findings=found)))
        return Outcome(
            facts=self.facts,
            subjects=tuple(subjects),
            ops=(task.quantity,),
            formulations=(),
            formats=(target,),
            arithmetics=(),
            candidate=info,
            baseline=None if baseline is None else baseline.finish(source),
        )

    def _reduced(self, given: Given, name: CaseName, task: Task) -> Measured:
        assert self.exact is not None  # noqa: S101  (some row counted)
        if task.options.reduction == "none":
            raise InputError(
                f"{given.name}: holds a single loss, but --reduction none has one for each row"
            )
        return judge_reduced(given.value(), self.exact, name, task)
