"""The whole way from a source to the explanation of one of its rows."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic import find_model
from softmax_tool.computation import Computation
from softmax_tool.errors import UsageError
from softmax_tool.explanation.argmax import argmax
from softmax_tool.explanation.bits import pattern
from softmax_tool.explanation.judging import judged, ulp_error
from softmax_tool.explanation.report import (
    Entry,
    ExplainedLogit,
    ExplainReport,
    ExplainSettings,
    Gradient,
    GradientWay,
    Information,
    RowLoss,
)
from softmax_tool.explanation.row import read_row
from softmax_tool.explanation.steps import LOG_SHIFTED, NAIVE, SHIFTED, SHOWN, Run, kind_at, steps
from softmax_tool.explanation.story import beyond, learning, story
from softmax_tool.explanation.trials import Trials
from softmax_tool.explanation.trouble import troubles
from softmax_tool.explanation.truth import Truth, exp, number
from softmax_tool.explanation.undefined import undefined
from softmax_tool.formats import FLOAT32, find_format
from softmax_tool.formulations import FORMULATIONS, GRADIENT
from softmax_tool.frozen import frozen
from softmax_tool.ignored import IGNORED_LABEL
from softmax_tool.input_info import input_info
from softmax_tool.lookalike import Likeness
from softmax_tool.plan import stored_format
from softmax_tool.readers import Block, from_arrays
from softmax_tool.rows import Yardsticks
from softmax_tool.tally import exact_number, lost_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Model
    from softmax_tool.explanation.report import Argmax, Trouble
    from softmax_tool.explanation.steps import Name
    from softmax_tool.formats import FloatFormat
    from softmax_tool.readers import Source
    from softmax_tool.report import Number
    from softmax_tool.tally import Results

    Array = NDArray[Any]

TEXTBOOK = "<textbook>"
TEXTBOOK_ROW = (2.0, 1.0, 0.1)
SHOWN_WHOLE = 16  # a row of up to so many classes is shown whole
LARGEST = 5  # of a longer one, so many of the largest logits
_LOSSES = ("log-of-naive", "log-of-shifted", "shifted", "log1p")
_GRADIENTS = ("log-of-naive", "log-of-shifted", "shifted")
_TWO = Decimal(2)
_DIGITS = Context(prec=40, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_EXACTLY = Context(prec=2400)


@frozen
class Request:
    """What is to be explained; None leaves a choice to the input."""

    row: int = 0
    column: int | None = None
    dtype: str | None = None
    arithmetic: str = "wide-sum"
    ignore_index: int = IGNORED_LABEL
    bits: bool = False


def textbook() -> Source:
    """Return the worked example: softmax of 2, 1 and 0.1."""
    return from_arrays(np.array([TEXTBOOK_ROW]), np.array([0]), name=TEXTBOOK)


def explain(source: Source, request: Request) -> ExplainReport:
    """Explain one row of a source, step by step.

    Raises
    ------
    UsageError
        There is no such row or class, or no such dtype or arithmetic.
    """
    if source.label_kind == "probabilities":
        raise UsageError(
            "explain takes class labels, one a row, not rows of probabilities; compute and compare "
            "take those"
        )
    model = find_model(request.arithmetic)
    target = find_format(_default_dtype(source) if request.dtype is None else request.dtype)
    if not model.supports(target):
        raise UsageError(f"arithmetic {model.name!r} does not exist for {target.name}")
    column = _column(request.column, source.classes)
    block = read_row(source, request.row)
    with np.errstate(all="ignore"):
        return _report(_Row.of(block, target, model, request.ignore_index), source, request, column)


def _default_dtype(source: Source) -> str:
    return FLOAT32.name if source.paths == (TEXTBOOK,) else stored_format(source)[0]


def _column(column: int | None, classes: int) -> int | None:
    """Return a class counted from 0.

    Raises
    ------
    UsageError
        There is no such class.
    """
    if column is None or 0 <= column < classes:
        return column
    if -classes <= column < 0:
        return column + classes
    many = "class" if classes == 1 else "classes"
    raise UsageError(
        f"column {column}: the logits have {classes} {many} "
        f"(0…{classes - 1}, or -{classes}…-1 from the end)"
    )


@frozen
class _Row:
    """One row, and all ways through it."""

    block: Block
    target: FloatFormat
    model: Model
    label: int | None  # None where there is none, or the row is ignored
    ignored: bool
    truth: Truth
    runs: Mapping[Name, Run]
    gradients: Mapping[Name, Results]  # none without a loss

    @classmethod
    def of(cls, block: Block, target: FloatFormat, model: Model, ignore_index: int) -> _Row:
        label = None if block.labels is None else int(block.labels[0])
        ignored = label == ignore_index
        rounded = target.round(block.logits)[0].astype(np.float64)
        runs = {name: _run(block, name, target, model) for name in SHOWN}
        kept, truth = None if ignored else label, Truth(rounded)
        names = () if kept is None or truth.invalid else _GRADIENTS
        gradients = {(GRADIENT, x): judged(block, (GRADIENT, x), target, model) for x in names}
        return cls(block, target, model, kept, ignored, truth, runs, gradients)

    @property
    def rounded(self) -> Array:
        """The logits in the format, as the formulations and the truth take them."""
        rounded: Array = self.target.round(self.block.logits)[0]
        return rounded


def _run(block: Block, name: Name, target: FloatFormat, model: Model) -> Run:
    """Judge one formulation on the row, and trace it."""
    results = judged(Block(block.start, block.logits, None), name, target, model)
    computation = Computation(FORMULATIONS[name], model, Yardsticks(results.rows, target, None))
    tracing, _ = computation.trace(np.array([0]))
    return Run(results, tracing)


def _report(row: _Row, source: Source, request: Request, column: int | None) -> ExplainReport:
    target, block = row.target, row.block
    ways = {name: run.results for name, run in row.runs.items()} | dict(row.gradients)
    trials = Trials(row.rounded[None, :], row.label, target, row.model)
    found = () if row.truth.invalid else tuple(troubles(ways, row.truth, row.label, trials))
    no_softmax = undefined(block.logits[0], row.rounded, target) if row.truth.invalid else None
    columns = _columns(row, found, column)
    gradient = _gradient(row, columns, bits=request.bits)
    settings = ExplainSettings(
        block.start,
        column,
        target.name,
        row.model.name,
        source.axis,
        request.ignore_index,
        request.bits,
    )
    return ExplainReport(
        input_info(source, block.start + 1),
        settings,
        label=None if block.labels is None else int(block.labels[0]),
        ignored=row.ignored,
        classes=source.classes,
        folded=source.classes - len(columns),
        logits=tuple(_logits(row, columns, bits=request.bits)),
        steps=tuple(steps(row.runs, row.truth, columns, bits=request.bits)),
        losses=tuple(_losses(row, bits=request.bits)),
        gradient=gradient,
        information=_information(row),
        argmax=_argmax(row),
        trouble=found,
        story=(
            *story(
                found,
                target.name,
                Likeness.of(block.logits),
                no_softmax,
                identical=_identical(row),
            ),
            *beyond(ways[LOG_SHIFTED], row.truth, row.label, target),
            *learning(gradient, target),
        ),
    )


def _columns(row: _Row, found: Sequence[Trouble], column: int | None) -> list[int]:
    """Choose the classes to show: all, or the largest, the label, where it broke, what is worst."""
    classes = row.block.logits.shape[1]
    if classes <= SHOWN_WHOLE:
        return list(range(classes))
    order = np.argsort(-np.nan_to_num(row.rounded.astype(np.float64)), kind="stable")
    chosen = {int(place) for place in order[:LARGEST]} | {column, row.label}
    chosen |= {place for trouble in found for place in (trouble.column, trouble.at_column)}
    for run in row.runs.values():
        errors = np.nan_to_num(run.results.judged.errors[0])
        if errors.any():
            chosen.add(int(errors.argmax()))
    return sorted(place for place in chosen if place is not None)


def _logits(row: _Row, columns: Sequence[int], *, bits: bool) -> Iterator[ExplainedLogit]:
    read, rounded = row.block.logits[0], row.rounded
    for column in columns:
        before, after = _decimal(read[column]), float(rounded[column])
        difference: Number = float("nan")
        if before.is_finite() and isfinite(after):
            difference = number(_EXACTLY.subtract(Decimal(after), before))
        elif before == Decimal(after):
            difference = 0.0
        elif before.is_finite():
            difference = after
        yield ExplainedLogit(
            column,
            float(read[column]),
            after,
            difference,
            pattern(after, row.target) if bits else None,
        )


def _decimal(value: Any) -> Decimal:
    return Decimal(int(value)) if np.issubdtype(value.dtype, np.integer) else Decimal(float(value))


def _losses(row: _Row, *, bits: bool) -> Iterator[RowLoss]:
    """Yield the loss by every formulation: as nll of log-softmax, and as cross-entropy."""
    if row.label is None:
        return
    loss = row.truth.loss(row.label)
    for name in _LOSSES:
        nll = judged(row.block, ("nll", name), row.target, row.model)
        ce = judged(row.block, ("ce", name), row.target, row.model)
        one, other = float(nll.got[0, 0]), float(ce.got[0, 0])
        yield RowLoss(
            name,
            one,
            other,
            one == other or (isnan(one) and isnan(other)),
            exact_number(nll, 0, 0),
            ulp_error(nll, 0, loss),
            kind_at(nll, 0),
            pattern(one, row.target) if bits else None,
        )


def _gradient(row: _Row, columns: Sequence[int], *, bits: bool) -> Gradient | None:
    """Return the gradients back through the formulations, beside the true one."""
    if not row.gradients:
        return None
    ways = (
        GradientWay(
            formulation,
            _lost_share(results),
            tuple(_slope(row, results, column, bits=bits) for column in columns),
        )
        for (_, formulation), results in row.gradients.items()
    )
    return Gradient(tuple(columns), tuple(ways))


def _lost_share(results: Results) -> float | None:
    """Return how much of the gradient is lost: all where it is not 0, but 0 in float64."""
    share = lost_share(results, avoidable=False)
    return 1.0 if share is None and bool(results.exact.nonzero.any()) else share


def _slope(row: _Row, results: Results, column: int, *, bits: bool) -> Entry:
    assert row.label is not None  # noqa: S101  (there is a loss)
    value = float(results.got[0, column])
    true = row.truth.gradient(column, row.label)
    return Entry(
        value=value,
        exact=true.number,
        exact_minus_one=None,
        event="",
        kind=kind_at(results, column),
        ulp=ulp_error(results, column, true),
        bits=pattern(value, row.target) if bits else None,
    )


def _information(row: _Row) -> Information:
    """Return what the true probabilities say: entropy, and the information of the label."""
    if row.truth.invalid:
        return Information(*[None] * 8)
    entropy = row.truth.entropy()
    perplexity = exp(entropy)
    spread = (
        number(entropy),
        number(_in_bits(entropy)),
        perplexity.number,
        perplexity.number_minus_one,
    )
    if row.label is None:
        return Information(*spread, None, None, None, None)
    p = row.truth.probability(row.label)
    information = _DIGITS.minus(row.truth.log_probability(row.label).value)
    return Information(
        *spread, p.number, p.number_minus_one, number(information), number(_in_bits(information))
    )


def _in_bits(nats: Decimal) -> Decimal:
    return _DIGITS.divide(nats, _DIGITS.ln(_TWO))


def _identical(row: _Row) -> bool:
    """Tell whether naive and shifted softmax are the same in every class."""
    naive, shifted = (row.runs[name].results.got for name in (NAIVE, SHIFTED))
    return np.array_equal(naive, shifted)


def _argmax(row: _Row) -> Argmax:
    after = {name: row.runs["softmax", name].results.got[0] for _, name in (NAIVE, SHIFTED)}
    return argmax(row.block.logits[0], row.rounded, after)
