"""A block of rows in one format, and what results of it are measured by."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.arithmetic.expanding import Expanding, Weighing
from softmax_tool.arithmetic.selection import row_max
from softmax_tool.arithmetic.wide_sum import WIDE_SUM
from softmax_tool.bounds import LEAST_IN_ULP, Conditions, loss_bound
from softmax_tool.extremes import Extremes
from softmax_tool.formats import FLOAT64
from softmax_tool.formulations import FORMULATIONS, GRADIENT, LOSSES, NEED_LABELS
from softmax_tool.frozen import frozen
from softmax_tool.row_sets import rows_of
from softmax_tool.ulp import Ruler

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Arithmetic, Model
    from softmax_tool.bounds import Bound
    from softmax_tool.distinct import Counts, Distinct
    from softmax_tool.exact import Exact, Reference
    from softmax_tool.formats import FloatFormat
    from softmax_tool.formulations import Formulation
    from softmax_tool.minorant import Samples
    from softmax_tool.targets import Targets

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


# NumPy's float64 functions are not correctly rounded, but within 1 ULP.
_FLOAT64_FUNCTIONS = 2.0


@frozen
class Rows:
    """Logits, what losses are taken against, and the truth.

    Where `distinct` is given, they stand at the distinct values of longer rows.
    """

    logits: Array  # in the carrier of the format
    targets: Targets | None
    reference: Reference
    distinct: Distinct | None = None
    whole: Array | None = None  # those longer rows of logits
    extremes: Extremes | None = None  # of these logits, if they have been looked for

    def at(self, distinct: Distinct) -> Rows:
        """Return the same at the distinct values alone, as elementwise quantities take them."""
        reference = self.reference.at(distinct.columns)
        logits = distinct.pick(self.logits)
        return Rows(logits, self.targets, reference, distinct, self.logits)

    def arithmetic(self, inner: Arithmetic) -> Arithmetic:
        """Return an arithmetic on these rows that has the bits of `inner` on whole ones."""
        return inner if self.distinct is None else Expanding(inner, self.distinct)

    def weighing(self, wide: Any) -> Any:
        """Return an arithmetic on these rows that hardly rounds, as `wide` on whole ones."""
        return wide if self.distinct is None else Weighing(wide, self.distinct)

    @property
    def weights(self) -> Counts | None:
        """How many classes each column stands for, (rows, columns); None where each for itself."""
        return None if self.distinct is None else self.distinct.counts

    def column(self, row: int, place: int) -> int:
        """Return which class a column of a row is."""
        return place if self.distinct is None else int(self.distinct.columns[row, place])

    @property
    def whole_logits(self) -> Array:
        """The logits of all classes, (rows, classes)."""
        return self.logits if self.whole is None else self.whole

    def stored(self, target: FloatFormat) -> Rows:
        """Return the same with every operand in NumPy's own type of the format."""
        targets = None if self.targets is None else self.targets.map(target.stored)
        return Rows(target.stored(self.logits), targets, self.reference)

    def __getitem__(self, rows: Array) -> Rows:
        return Rows(
            rows_of(self.logits, rows),
            None if self.targets is None else self.targets[rows],
            self.reference[rows],
            None if self.distinct is None else self.distinct[rows],
            None if self.whole is None else self.whole[rows],
        )


@frozen
class Yardsticks:
    """What every formulation's results on some rows are measured by, each made once, when asked.

    `max_ulp` is the error above which an element is a silent error, if the user says so.
    """

    rows: Rows
    target: FloatFormat
    max_ulp: float | None
    _made: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def subset(self, rows: Array) -> Yardsticks:
        """Return the same for some of the rows."""
        made: Yardsticks = self._once(
            ("rows", rows.tobytes()), lambda: Yardsticks(self.rows[rows], self.target, self.max_ulp)
        )
        return made

    def ruler(self, quantity: str) -> Ruler:
        """Return the true values of a quantity, ready to measure with."""
        key = ("ruler", "loss" if quantity in LOSSES else quantity)
        ruler: Ruler = self._once(key, lambda: _ruler(self.rows, self.target, quantity))
        return ruler

    def labels(self, quantity: str) -> NDArray[np.int64] | None:
        """Return the class of each row's label, (rows,), if a quantity is of such; else None."""
        targets = self.rows.targets
        if quantity not in NEED_LABELS or targets is None or targets.labels is None:
            return None
        return targets.labels[:, 0].astype(np.int64)

    def coefficients(self, quantity: str) -> Array | None:
        """Return what multiplies the label's log-probability, (rows, 1); None if others are in.

        Of a gradient it is what its own row's loss counts for.
        """
        targets = self.rows.targets
        if self.labels(quantity) is None or targets is None or targets.smoothing:
            return None
        coefficients = exact.coefficients_of(self.rows.reference, targets)
        return coefficients / float(targets.divisor) if quantity == GRADIENT else coefficients

    def leaders(self, quantity: str) -> NDArray[np.intp]:
        """Return where each row has its largest rounded true values, counted through the rows."""
        rounded = self.ruler(quantity).rounded
        made: NDArray[np.intp] = self._once(
            ("leaders", quantity), lambda: np.flatnonzero(rounded == row_max(rounded))
        )
        return made

    def masked(self, quantity: str) -> Mask:
        """Return which elements stand for a logit of -inf; broadcasts to all of them."""
        reference, targets = self.rows.reference, self.rows.targets
        if (reference.of_rows.minimum > -np.inf).all():
            return np.zeros((len(reference.invalid), 1), bool)
        if quantity not in LOSSES or targets is None:
            return reference.masked
        return exact.mask_of(reference, targets)

    def bound(self, formulation: Formulation, model: Model) -> Array | None:
        """Return the a-priori bound of each element in an arithmetic, None where there is none."""
        if formulation.error_bound is None or model.sum_constant is None:
            return None
        return self._bound(formulation.error_bound, formulation.quantity, model, self.functions)

    @property
    def extremes(self) -> Extremes:
        """Return where the logits of each row are largest and smallest."""
        if self.rows.extremes is not None:
            return self.rows.extremes
        made: Extremes = self._once(("extremes",), lambda: Extremes(self.rows.logits))
        return made

    @property
    def samples(self) -> Samples:
        """Return the elements of each row that a line below a bound is drawn through."""
        from softmax_tool.minorant import Samples  # noqa: PLC0415  # only where measured

        made: Samples = self._once(("samples",), lambda: Samples.of(self.extremes))
        return made

    def sampled(self, conditions: Conditions) -> Conditions:
        """Return conditions of all rows for these elements, one sample of all after the other."""
        key = ("sampled", id(conditions))
        made: tuple[Conditions, Conditions] = self._once(key, lambda: self._sampled(conditions))
        return made[1]

    def _sampled(self, conditions: Conditions) -> tuple[Conditions, Conditions]:
        columns = self.samples.columns
        rows = np.tile(np.arange(columns.shape[1]), len(columns))
        # Those of all rows are kept beside, so that their identity stays theirs.
        return conditions, conditions.pick(rows, columns.reshape(-1))

    @property
    def functions(self) -> float:
        """The error of exp, log and log1p as the models compute them, in u."""
        return _FLOAT64_FUNCTIONS if self.target == FLOAT64 else 1.0

    def thresholds(self, quantity: str) -> Array:
        """Return the a-priori bound of the `shifted` formulation under `wide-sum`, in ULP.

        For losses: each log-probability's bound times its coefficient's magnitude, and one rounding
        of the product or of each partial sum. Not below 1; where there is no bound, 2**(p - 2), as
        normal numbers have 2**(p - 1) ULP or more. `max_ulp` overrides it.
        """
        made: Array = self._once(("thresholds", quantity), lambda: self._thresholds(quantity))
        return made

    def _thresholds(self, quantity: str) -> Array:
        ruler = self.ruler(quantity)
        if self.max_ulp is not None:
            return np.full(ruler.exact.hi.shape, self.max_ulp)
        bound = self._bound(norm(quantity), quantity, WIDE_SUM)
        # No finite result is near a true infinity.
        return np.where(ruler.exact.infinite, 1.0, self._limit(ruler.in_ulp(bound)))

    def _limit(self, bound: Array) -> Array:
        """Return the errors above which a result is wrong, by bounds in ULP."""
        # A first-order bound of 1 or more is none. What is off by half of itself is wrong still.
        return np.where(bound < np.inf, np.maximum(bound, 1.0), 2.0 ** (self.target.precision - 2))

    def least_threshold(self, quantity: str) -> Array:
        """Return what no threshold of a row is below, (rows, 1); of softmax and log-softmax."""
        if self.max_ulp is not None:
            return np.full((len(self.rows.logits), 1), self.max_ulp)
        least: Array = self._once(("least", quantity), lambda: self._least_threshold(quantity))
        return least

    def _least_threshold(self, quantity: str) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.maximum(LEAST_IN_ULP[quantity](self.conditions(WIDE_SUM)), 1.0))

    def threshold_at(self, quantity: str, rows: Array, columns: Array) -> Array:
        """Return the thresholds of single elements, whose true values are normal numbers."""
        if self.max_ulp is not None:
            return np.full(len(rows), self.max_ulp)
        some = self.conditions(WIDE_SUM).pick(rows, columns)
        reference = some.reference
        true = reference.softmax if quantity == "softmax" else reference.log_softmax
        with np.errstate(all="ignore"):
            bound = norm(quantity)(some)
        return self._limit(Ruler.of(true, self.target).in_ulp(bound))[:, 0]

    def conditions(self, model: Model, functions: float = 1.0) -> Conditions:
        """Return what bounds in an arithmetic depend on."""
        key = ("conditions", model.sum_constant, model.sums_are_wide, functions)
        made: Conditions = self._once(key, lambda: self._conditions(model, functions))
        return made

    def _conditions(self, model: Model, functions: float) -> Conditions:
        assert model.sum_constant is not None  # noqa: S101  (asked for where there is a bound)
        rows = self.rows
        constant = model.sum_constant(rows.reference.classes, self.target)
        return Conditions(
            rows.reference,
            rows.whole_logits,
            self.target,
            constant,
            model.sums_are_wide,
            functions,
            targets=rows.targets,
        )

    def _bound(self, bound: Bound, quantity: str, model: Model, functions: float = 1.0) -> Array:
        sums = model.sum_constant, model.sums_are_wide
        key = ("bound", bound, quantity in LOSSES, sums, functions)
        made: Array = self._once(key, lambda: self._make_bound(bound, quantity, model, functions))
        return made

    def _make_bound(self, bound: Bound, quantity: str, model: Model, functions: float) -> Array:
        rows, conditions = self.rows, self.conditions(model, functions)
        # What is made of all elements on the way is large, and not kept.
        conditions = replace(conditions, whole=conditions)
        if quantity not in LOSSES or rows.targets is None:
            with np.errstate(all="ignore"):
                return bound(conditions)
        return loss_bound(conditions, rows.targets, bound)

    def _once(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def norm(quantity: str) -> Bound:
    """Return what errors are held against under `wide-sum`: the bound of `shifted`."""
    bound = FORMULATIONS[quantity, "shifted"].error_bound
    assert bound is not None  # noqa: S101  (the register's own invariant)
    return bound


def _ruler(rows: Rows, target: FloatFormat, quantity: str) -> Ruler:
    """Return a ruler that makes its true values when it is asked for them.

    It does not hold the yardsticks that keep it: memory would wait for a garbage collection.
    """
    return Ruler(lambda: _true(rows, target, quantity), target)


def _true(rows: Rows, target: FloatFormat, quantity: str) -> Exact:
    if quantity == "softmax":
        return rows.reference.softmax
    if quantity == "log-softmax":
        return rows.reference.log_softmax
    assert rows.targets is not None  # noqa: S101  (losses have targets)
    if quantity == GRADIENT:
        return exact.gradients(rows.logits, rows.targets, target)
    return exact.losses(rows.reference, rows.targets, rows.logits, target)
