"""The work of a command on a portion of its input, as a value that other processes can be given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softmax_tool.blocks import work
from softmax_tool.declared import Sighting, as_logits
from softmax_tool.frozen import frozen
from softmax_tool.shown import candidates
from softmax_tool.whole_rows import are_whole, whole_rows

if TYPE_CHECKING:
    from softmax_tool.blocks import BlockOutcome, Earlier
    from softmax_tool.outcomes import CaseOutcome
    from softmax_tool.plan import Options, Plan
    from softmax_tool.readers.log import ReadLog
    from softmax_tool.readers.portions import Portion
    from softmax_tool.shown import Candidate
    from softmax_tool.whole_rows import WholeRows


@frozen
class Done:
    """All that a portion adds to a report."""

    start: int
    outcome: BlockOutcome
    sighting: Sighting
    noticed: ReadLog
    shown: tuple[Candidate, ...]
    whole: WholeRows | None


@frozen
class Job:
    """Reads a portion, computes and judges.

    Attributes
    ----------
    plan, options, pairs
        What to compute, and which cases to compare.
    show_rows : bool
        Whether rows are picked to be shown.
    keep_values : bool
        Whether anybody takes whole results.
    """

    plan: Plan
    options: Options
    pairs: tuple[tuple[int, int], ...]
    show_rows: bool
    keep_values: bool

    def __call__(self, item: tuple[Portion, Earlier]) -> Done:
        portion, earlier = item
        read, noticed = portion.read()
        declared = self.options.input
        block = as_logits(read, declared)
        outcome = work(block, self.plan, self.options, self.pairs, earlier)
        shown: tuple[Candidate, ...] = ()
        whole: WholeRows | None = None
        if self.keep_values:
            outcome = replace(outcome, cases=tuple(case.expanded() for case in outcome.cases))
        if self.show_rows and are_whole(self.options):
            whole = whole_rows(block, outcome, self.plan, self.options)
        elif self.show_rows:
            shown = candidates(block, outcome, self.plan, self.options, earlier.severity)
        outcome = replace(outcome, cases=tuple(map(self._handed_on, outcome.cases)))
        return Done(block.start, outcome, Sighting.of(read, declared), noticed, shown, whole)

    def _handed_on(self, case: CaseOutcome) -> CaseOutcome:
        return case.without_marks() if self.keep_values else case.without_values()
