"""The steps of one row: what each operation of a formulation gave, beside what is true of it.

The values are those of the formulations as written, run under a trace; nothing is computed again.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from softmax_tool.arithmetic.tracing import EVENTS
from softmax_tool.explanation.bits import pattern
from softmax_tool.explanation.judging import ulp_error
from softmax_tool.explanation.report import Entry, Step, Way
from softmax_tool.explanation.truth import Truth
from softmax_tool.frozen import frozen
from softmax_tool.kinds import KINDS, NO_KIND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from softmax_tool.arithmetic.tracing import Tracing
    from softmax_tool.explanation.truth import TrueValue
    from softmax_tool.tally import Results

    Name = tuple[str, str]

NAIVE, SHIFTED = ("softmax", "naive"), ("softmax", "shifted")
LOG_OF_NAIVE, LOG_OF_SHIFTED = ("log-softmax", "log-of-naive"), ("log-softmax", "log-of-shifted")
LOG_SHIFTED = ("log-softmax", "shifted")
SHOWN = (NAIVE, SHIFTED, LOG_OF_NAIVE, LOG_OF_SHIFTED, LOG_SHIFTED)
"""The formulations at the blackboard, (quantity, name)."""

# What an event is called where a kind says more.
_SAID = {"zero": "underflow", "stalled": "stalled-sum"}


@frozen
class Run:
    """One formulation on the row: its judged results, and the trace of its operations."""

    results: Results
    tracing: Tracing

    def place_of(self, expression: _Expression) -> int:
        """Return the number of the operation that computes an expression."""
        named = [i for i, o in enumerate(self.tracing.tape) if o.name == expression.operation]
        return named[-1 if expression.makes_results else 0]


@frozen
class _Expression:
    """What an operation of a formulation computes, as one writes it, and what is true of it."""

    name: Name
    operation: str
    text: str
    true: Callable[[Truth, int], TrueValue]
    makes_results: bool = False


@frozen
class _Lesson:
    """A step of the blackboard: the same operation on every way that has it."""

    name: str
    title: str
    expressions: tuple[_Expression, ...]
    of_row: bool = False


_LESSONS = (
    _Lesson(
        "shift",
        "Subtract the largest logit, m",
        (_Expression(SHIFTED, "subtract", "z = x − m", Truth.shift),),
    ),
    _Lesson(
        "exp",
        "Take exponentials",
        (
            _Expression(NAIVE, "exp", "exp(x)", Truth.exp),
            _Expression(SHIFTED, "exp", "exp(z)", Truth.exp_shifted),
        ),
    ),
    _Lesson(
        "sum",
        "Add them up",
        (
            _Expression(NAIVE, "sum", "Σ exp(x)", Truth.naive_total),
            _Expression(SHIFTED, "sum", "Σ exp(z)", Truth.total),
        ),
        of_row=True,
    ),
    _Lesson(
        "divide",
        "Divide each by the sum: softmax",
        (
            _Expression(NAIVE, "divide", "p", Truth.probability, makes_results=True),
            _Expression(SHIFTED, "divide", "p", Truth.probability, makes_results=True),
        ),
    ),
    _Lesson(
        "log-sum",
        "Take the logarithm of the sum",
        (_Expression(LOG_SHIFTED, "log", "log Σ exp(z)", Truth.log_total),),
        of_row=True,
    ),
    _Lesson(
        "log",
        "Log-probabilities: log(softmax) and log-softmax",
        (
            _Expression(LOG_OF_NAIVE, "log", "log p", Truth.log_probability, makes_results=True),
            _Expression(LOG_OF_SHIFTED, "log", "log p", Truth.log_probability, makes_results=True),
            _Expression(
                LOG_SHIFTED, "subtract", "z − log Σ", Truth.log_probability, makes_results=True
            ),
        ),
    ),
)


def steps(
    runs: Mapping[Name, Run], truth: Truth, columns: Sequence[int], *, bits: bool
) -> Iterator[Step]:
    """Yield every step with the values in some columns."""
    for lesson in _LESSONS:
        places = [0] if lesson.of_row else list(columns)
        ways = tuple(
            _way(runs[expression.name], expression, truth, places, bits=bits)
            for expression in lesson.expressions
        )
        shown = None if lesson.of_row else tuple(columns)
        yield Step(lesson.name, lesson.title, shown, ways)


def _way(
    run: Run, expression: _Expression, truth: Truth, columns: Sequence[int], *, bits: bool
) -> Way:
    index = run.place_of(expression)
    operation = run.tracing.tape[index]
    values = operation.result if operation.stored is None else operation.stored
    target = run.tracing.working if operation.stored is None else run.tracing.result
    entries = []
    for column in columns:
        value = float(values[0, column])
        true = expression.true(truth, column)
        judged = expression.makes_results and not truth.invalid
        entries.append(
            Entry(
                value=value,
                exact=true.number,
                exact_minus_one=true.number_minus_one,
                event=event_at(run.tracing, index, column, value),
                kind=kind_at(run.results, column) if judged else "",
                ulp=ulp_error(run.results, column, true) if judged else None,
                bits=pattern(value, target) if bits else None,
            )
        )
    return Way(*expression.name, expression.text, target.name, tuple(entries))


def event_at(tracing: Tracing, operation: int, column: int, value: float) -> str:
    """Return what happened in an operation at a column, "" for nothing."""
    for name in EVENTS:
        happened = tracing.happened.get((name, operation))
        # A sum that is infinite like its largest addend has absorbed nothing.
        meant = isfinite(value) or name == "overflow"
        if happened is None or not meant:
            continue
        if happened[0, column if happened.shape[1] > 1 else 0]:
            return _SAID.get(name, name)
    return ""


def kind_at(results: Results, column: int) -> str:
    """Return the kind of a result, "" for none."""
    code = int(results.judged.kind[0, column])
    return "" if code == NO_KIND else KINDS[code]
