"""What every renderer gets: the answer of a command as frozen values, before it becomes text.

Field names are those of the machine-readable output, which its schemas describe. Numbers are Python
floats holding the exact value (float16, float32 and float64 all fit); a magnitude that float64
cannot hold is a `Decimal`.

The reports of `compare` and `compute`, and what of them holds arrays, are equal to themselves alone
and can be hashed; hold fields against each other to compare two of them. Other values are equal if
their fields are.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from softmax_tool.frozen import frozen, frozen_by_identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from numpy.typing import NDArray

    from softmax_tool.check.report import CheckReport
    from softmax_tool.explanation.report import ExplainReport
    from softmax_tool.inspection.report import InspectReport

    Number = float | Decimal


@frozen
class LabelsInfo:
    """Where the labels came from and what they are: "classes" or "probabilities"."""

    paths: tuple[str, ...]
    kind: str


@frozen
class InputInfo:
    """What was read."""

    paths: tuple[str, ...]
    shape: tuple[int, ...]
    stored_dtype: str
    labels: LabelsInfo | None
    axis: int  # the class axis, counted from 0
    uncounted: bool = False  # rows of text, not read to the end: there may be more than in `shape`


@frozen
class Misfit:
    """Why rows are no distribution although declared to be one, how many, and the worst of them.

    `reason`: `not-finite` rows hold a nan or +inf; `negative` and `above` ones a value below 0 or
    above 1, for log-probabilities above 0; others do not `sum` to 1. `worst` is that value or sum.
    """

    reason: str
    rows: int
    row: int
    worst: float | None  # None where it is no number


@frozen
class InputLooks:
    """What rows of the input look like: how many of `rows`, and the table as a whole.

    Where nothing is declared, the first rows are looked at; else all of them. `largest_log_sum` is
    the largest |log Σ p| of declared probabilities, which softmax divides out; `misfits` are those
    rows of them that are no distribution.
    """

    kind: str
    rows: int
    logits: int
    probabilities: int
    log_probabilities: int
    undecided: int
    largest_log_sum: float | None
    misfits: tuple[Misfit, ...]


@frozen
class Settings:
    """Everything that changes results; neither threads nor block sizes do."""

    ops: tuple[str, ...]
    formulations: tuple[str, ...]
    dtypes: tuple[str, ...]
    arithmetics: tuple[str, ...]
    axis: int
    reduction: str
    ignore_index: int
    label_smoothing: float
    weights: str | None
    max_ulp: float | None
    top: int
    rows: tuple[int | None, int | None] | None  # the slice shown
    columns: tuple[int | None, int | None] | None
    input: str = "logits"  # what the values are declared to be


@frozen
class CaseName:
    """One computation: which quantity, by which formulation, in which dtype and arithmetic."""

    quantity: str
    formulation: str
    dtype: str
    arithmetic: str | None  # None for `exact`


@frozen
class KindCounts:
    """How often one kind occurred."""

    elements: int
    rows: int
    roots: int  # distinct first events that these elements go back to
    unavoidable: int  # elements whose correctly rounded value is the bad value itself


@frozen
class Origin:
    """The first event on the path to a bad value.

    `column` is None where the event belongs to the whole row (its sum, its log-sum-exp).
    """

    row: int
    column: int | None
    step: str
    operand: Number
    limit: Number


@frozen
class Finding:
    """One element that is not the correctly rounded exact value."""

    row: int
    column: int | None  # None for a loss with probability labels
    logit: float | None
    got: float
    exact: Number
    ulp: float
    kind: str | None  # None: wrong by rounding alone, within the bound
    origin: Origin | None
    propagated: bool
    why: str


@frozen
class Case:
    """All that `compare` says of one computation, over all rows."""

    name: CaseName
    rows: int
    elements: int
    kinds: Mapping[str, KindCounts]
    masked: int
    invalid_rows: int
    rank_changes: int
    correctly_rounded: int
    max_ulp: float
    mean_ulp: float | None  # None where no element has a finite ULP error
    infinite_ulp: int
    ulp_histogram: tuple[tuple[float, int], ...]  # (upper edge, elements), every bin
    max_abs_error: float | None
    max_rel_error: float | None
    bound_ratio: float | None
    bound_elements: int
    lost_share: float | None  # of a gradient: the largest share of a row's that is lost
    worst: tuple[Finding, ...]
    rows_hit: int  # rows with at least one avoidable finding of any kind
    judged: int  # elements of valid rows, but for masked ones whose result is exact


@frozen
class ReductionEvent:
    """What went wrong in adding rows up, and not in a row: the step is always `reduce`."""

    kind: str  # "overflow" or "stalled-sum"
    operand: Number  # the exact sum that overflowed, or how far the sum is off
    limit: Number  # the largest finite number, or how far a wide accumulator may be off
    of_divisors: bool = False  # whether it is the sum of what a mean divides by


@frozen_by_identity
class Loss:
    """A loss, reduced. `value` is None for reduction "none", `per_row` is None otherwise."""

    name: CaseName
    reduction: str
    value: float | None
    per_row: NDArray[Any] | None  # labels' shape
    kinds: Mapping[str, KindCounts]
    exact: Number | None  # None for reduction "none"
    ulp: float | None
    reduced: ReductionEvent | None = None  # None where the reduction did no harm
    exact_is_tiny: bool = False  # not 0, but below every float64


@frozen
class Pair:
    """Two computations in the same dtype and arithmetic, element by element."""

    dtype: str
    arithmetic: str
    a: tuple[str, str]  # quantity, formulation
    b: tuple[str, str]
    elements: int
    identical: bool
    differing: int
    max_abs_difference: float | None
    max_ulp_difference: float | None
    identical_in: Mapping[str, bool]


@frozen
class InputRounding:
    """What rounding the stored logits to a dtype did to them."""

    dtype: str
    overflowed: int
    underflowed: int
    changed: int
    new_ties: int  # rows whose set of largest logits grew
    min_logit: float | None  # the smallest and largest finite logit after rounding
    max_logit: float | None
    far_apart: int = 0  # rows whose finite logits are further apart than the dtype reaches


@frozen_by_identity
class CompareReport:
    """The answer of `compare`; equal to itself alone."""

    input: InputInfo
    settings: Settings
    cases: tuple[Case, ...]
    losses: tuple[Loss, ...]
    pairs: tuple[Pair, ...]
    input_rounding: tuple[InputRounding, ...]
    verdict: tuple[str, ...]
    formats: tuple[FormatLimits, ...] = ()  # edges of the dtypes, and of what is worked in
    looks_like: InputLooks | None = None
    command: Literal["compare"] = field(default="compare", init=False)


@frozen_by_identity
class ShownRow:
    """One row as `compute` shows it: logits after rounding to the dtype, and every quantity.

    `columns` are those of its `classes` that stand here: all, or such as tell most. `values[i]` and
    `kinds[i]` belong to `ComputeReport.results[i]`: arrays of shape (len(columns),), as `logits`; a
    kind is "" where there is none. Per-row losses likewise for `ComputeReport.losses`.
    """

    row: int
    label: int | None
    classes: int
    columns: Sequence[int]  # in their order
    logits: NDArray[Any]
    values: tuple[NDArray[Any], ...]
    kinds: tuple[NDArray[Any], ...]
    losses: tuple[float, ...]
    loss_kinds: tuple[str, ...]
    ignored: bool


@frozen_by_identity
class Result:
    """One elementwise quantity that `compute` calculated.

    `values` has the logits' shape; it is None where nobody asked for the whole array (a table).
    """

    name: CaseName
    values: NDArray[Any] | None
    kinds: Mapping[str, KindCounts]
    elements: int
    rows: int


@frozen_by_identity
class ComputeReport:
    """The answer of `compute`; equal to itself alone."""

    input: InputInfo
    settings: Settings
    results: tuple[Result, ...]
    losses: tuple[Loss, ...]
    shown: Iterable[ShownRow]
    shown_because: str  # one phrase: which rows these are and how many are left out
    pairs: tuple[Pair, ...]
    input_rounding: tuple[InputRounding, ...]
    verdict: tuple[str, ...]
    formats: tuple[FormatLimits, ...] = ()
    looks_like: InputLooks | None = None
    command: Literal["compute"] = field(default="compute", init=False)


@frozen
class FormatLimits:
    """The edges of one dtype; every argument is a value of the dtype itself."""

    dtype: str
    aliases: tuple[str, ...]
    bits: int
    precision: int
    emin: int
    emax: int
    max_finite: float
    has_inf: bool
    smallest_normal: float
    smallest_subnormal: float
    unit_roundoff: float
    exp_last_finite: float
    exp_first_overflow: float
    exp_last_zero: float
    exp_first_nonzero: float
    exp_last_subnormal: float
    exp_first_normal: float
    sum_of_ones_stalls_at: float  # a running sum of ones in this dtype sticks here: 2**precision


@frozen
class LimitsReport:
    """The answer of `limits`."""

    formats: tuple[FormatLimits, ...]
    command: Literal["limits"] = field(default="limits", init=False)


Report: TypeAlias = (
    "CompareReport | ComputeReport | LimitsReport | CheckReport | ExplainReport | InspectReport"
)
