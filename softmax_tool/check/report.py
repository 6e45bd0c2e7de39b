"""The answer of `check`: what was looked at, which rules found something, and where."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from softmax_tool.report import CaseName, InputInfo, Number

PASSED = 0
FOUND = 1


@frozen
class CheckSettings:
    """Everything that changes the answer."""

    ops: tuple[str, ...]
    formulations: tuple[str, ...]  # empty where a candidate was judged
    dtypes: tuple[str, ...]
    arithmetics: tuple[str, ...]
    axis: int
    reduction: str
    ignore_index: int
    label_smoothing: float
    weights: str | None
    max_ulp: float | None
    max_abs: float | None
    max_rel: float | None
    budget: str
    headroom: float
    factor: float | None  # None without a baseline
    rules: tuple[str, ...]  # the codes that were looked for
    top: int


@frozen
class ResultsInfo:
    """Results of somebody else: a candidate or a baseline."""

    name: str  # a path, or MODULE:FUNCTION
    shape: tuple[int, ...]
    stored_dtype: str


@frozen
class CheckedCase:
    """How far one computation, the candidate or the baseline is off."""

    subject: str  # "computation", "candidate" or "baseline"
    name: CaseName
    rows: int
    elements: int
    judged: int
    correctly_rounded: int
    beyond: int  # elements beyond the tolerance
    allowed_ulp: float | None  # the most that any was allowed; None where limits were given
    max_ulp: float
    max_abs_error: float | None
    max_rel_error: float | None


@frozen
class RuleResult:
    """What one rule found over the whole input."""

    code: str
    name: str
    summary: str
    elements: int
    rows: int
    allowed: int  # elements that the budget covers
    failed: bool


@frozen
class CheckFinding:
    """One place where a rule found something."""

    code: str
    name: str
    row: int | None  # None for what belongs to the whole input
    column: int | None
    message: str
    got: float | None
    exact: Number | None
    ulp: float | None
    cases: tuple[CaseName, ...]  # the computations in which it was found; empty for the input


@frozen
class CheckReport:
    """The answer of `check`."""

    input: InputInfo
    settings: CheckSettings
    candidate: ResultsInfo | None
    baseline: ResultsInfo | None
    cases: tuple[CheckedCase, ...]
    rules: tuple[RuleResult, ...]
    findings: tuple[CheckFinding, ...]  # the worst of each rule, worst first
    warnings: tuple[str, ...]
    suggestions: tuple[str, ...]
    verdict: tuple[str, ...]
    command: Literal["check"] = field(default="check", init=False)

    @property
    def passed(self) -> bool:
        """Whether nothing selected was found."""
        return not any(rule.failed for rule in self.rules)

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        return PASSED if self.passed else FOUND
