"""What `explain` says of one row: every step of the arithmetic, computed and true side by side."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from softmax_tool.report import InputInfo, Number


@frozen
class ExplainSettings:
    """What was asked for: one row, one dtype, one arithmetic."""

    row: int
    column: int | None  # a class to show besides those that matter
    dtype: str
    arithmetic: str
    axis: int
    ignore_index: int
    bits: bool


@frozen
class ExplainedLogit:
    """One logit as it was read, and rounded to the dtype, which everything else starts from."""

    column: int
    read: float
    rounded: float
    difference: Number  # rounded less read, exactly
    bits: str | None


@frozen
class Entry:
    """One value of a step, and the true value of the same expression.

    `exact_minus_one` tells a true value that is not 1 from 1 where float64 cannot. `event` is what
    happened in this operation, `kind` the judgement on a result; "" where there is none. `ulp` is
    the error of a result. `bits` are sign, exponent and significand, where asked for.
    """

    value: float
    exact: Number
    exact_minus_one: Number | None
    event: str
    kind: str
    ulp: float | None
    bits: str | None


@frozen
class Way:
    """One way through a step: which formulation, what it computes, and the values."""

    quantity: str
    formulation: str
    expression: str
    dtype: str  # of the values: wider than the result inside a `fused` kernel
    entries: tuple[Entry, ...]


@frozen
class Step:
    """One step of the arithmetic. `columns` is None for what belongs to the whole row."""

    name: str
    title: str
    columns: tuple[int, ...] | None
    ways: tuple[Way, ...]


@frozen
class Trouble:
    """Where one way goes wrong: the element that shows it, and the first event on its path.

    `margin` is how far the operand is beyond the limit; there is none where both are operands that
    give no number, or where the limit is half an ULP of an operand that is rounded too coarsely.
    `said` tells what is wrong with the element, `why` what went wrong at the step, `repair` the
    identity that mends it.
    """

    quantity: str
    formulation: str
    kind: str
    unavoidable: bool
    column: int
    step: str
    at_column: int | None  # of the event; None where it belongs to the row
    operand: Number | None
    limit: Number | None
    margin: Number | None
    said: str
    why: str
    repair: str


@frozen
class RowLoss:
    """The loss of the row by one formulation: as nll of log-softmax, and as cross-entropy."""

    formulation: str
    nll: float
    ce: float
    identical: bool
    exact: Number
    ulp: float
    kind: str
    bits: str | None


@frozen
class GradientWay:
    """The gradient of the loss with respect to the logits, back through one formulation.

    `lost_share` is how much of it is lost, of the whole row; None where the true one is 0.
    """

    formulation: str
    lost_share: float | None
    entries: tuple[Entry, ...]


@frozen
class Gradient:
    """What learning follows: by the logits of some classes, computed and true."""

    columns: tuple[int, ...]
    ways: tuple[GradientWay, ...]


@frozen
class Information:
    """What the true probabilities of the row say; None where the row has none, or no label.

    The entropy is that of the row, in nats and bits; the information of the label, -log p, is also
    the cross-entropy of the row against the one-hot label.
    """

    entropy: Number | None
    entropy_bits: Number | None
    perplexity: Number | None
    perplexity_minus_one: Number | None
    probability: Number | None
    probability_minus_one: Number | None
    information: Number | None
    information_bits: Number | None


@frozen
class Argmax:
    """The largest class, the first few where they tie: before softmax, and after each formulation.

    `counts` says how many tie in all; `kept`, that they are the same classes everywhere, be they
    named or not.
    """

    read: tuple[int, ...]
    rounded: tuple[int, ...]
    after: Mapping[str, tuple[int, ...]]
    counts: Mapping[str, int]  # of read, rounded, and each formulation
    kept: bool


@frozen
class ExplainReport:
    """The answer of `explain`."""

    input: InputInfo
    settings: ExplainSettings
    label: int | None
    ignored: bool  # the label is the one that losses leave out
    classes: int
    folded: int  # classes that are not shown
    logits: tuple[ExplainedLogit, ...]
    steps: tuple[Step, ...]
    losses: tuple[RowLoss, ...]
    gradient: Gradient | None  # None without a loss
    information: Information
    argmax: Argmax
    trouble: tuple[Trouble, ...]
    story: tuple[str, ...]  # what happened and what repairs it, in sentences
    command: Literal["explain"] = field(default="explain", init=False)
