"""True values as far as they are known: the type that every comparison is made against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from softmax_tool.formats import FLOAT64, ulp_exponent
from softmax_tool.frozen import frozen
from softmax_tool.row_sets import rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Columns = NDArray[np.integer[Any]]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]


@frozen
class Exact:
    """Elementwise true values.

    Attributes
    ----------
    hi : float64 array
        The true value rounded to float64.
    tail : float64 array or None
        What `hi` misses, in ULP of `hi`, at most 1/2; None where float64 is enough.
    nonzero : bool array
        Where the true value is not 0, although `hi` may have underflowed.
    infinite : bool array
        Where the true value is infinite, and not just beyond float64.
    """

    hi: Array
    tail: Array | None
    nonzero: Mask
    infinite: Mask

    def summands(self) -> Array:
        """Return float64 numbers that add up to all values: one for each, or two.

        What is beyond float64 is infinite, and of subnormal values the tail is lost.
        """
        if self.tail is None:
            return self.hi.reshape(-1)
        with np.errstate(all="ignore"):
            rest = np.ldexp(self.tail, ulp_exponent(self.hi, FLOAT64))
        parts = self.hi, np.where(np.isfinite(self.hi), rest, 0.0)
        return np.concatenate([part.reshape(-1) for part in parts])

    @property
    def has_vanished(self) -> bool:
        """Whether a value that is not 0 is 0 in float64."""
        return bool((self.nonzero & (self.hi == 0)).any())

    def __getitem__(self, key: Any) -> Exact:
        tail = None if self.tail is None else rows_of(self.tail, key)
        arrays = self.hi, self.nonzero, self.infinite
        hi, nonzero, infinite = (rows_of(array, key) for array in arrays)
        return Exact(hi, tail, nonzero, infinite)


def everywhere(value: bool, shape: tuple[int, ...]) -> Mask:
    """Return a read-only mask of nothing but one value: `numpy.broadcast_to`, in a tenth of it."""
    return np.ndarray(shape, np.bool_, b"\1" if value else b"\0", strides=(0,) * len(shape))


class Elements(Protocol):
    """The elementwise part of a reference; what it is asked for may be made only then."""

    @property
    def shifted(self) -> Array:
        """Return x - max x."""

    @property
    def masked(self) -> Mask:
        """Where the logit is -inf."""

    @property
    def softmax(self) -> Exact:
        """The true softmax."""

    @property
    def log_softmax(self) -> Exact:
        """The true log-softmax."""

    def __getitem__(self, rows: Any) -> Elements:
        """Return the elements of some rows."""

    def at(self, columns: Columns) -> Elements:
        """Return the elements in some columns of each row, (rows, some)."""

    def pick(self, rows: Indices, columns: Indices) -> Elements:
        """Return single elements, (some, 1), to float64's accuracy at least."""


@frozen
class RowValues:
    """What belongs to whole rows of logits x with m = max x; every array is (rows, 1)."""

    maximum: Array
    minimum: Array
    log_sum: Array  # log Σ exp(x - m)
    mean_shift: Array  # Σ p |x - m|
    invalid: Mask
    alone: Mask  # all logits but one are -inf

    def __getitem__(self, rows: Any) -> RowValues:
        return RowValues(
            rows_of(self.maximum, rows),
            rows_of(self.minimum, rows),
            rows_of(self.log_sum, rows),
            rows_of(self.mean_shift, rows),
            rows_of(self.invalid, rows),
            rows_of(self.alone, rows),
        )

    def pick(self, rows: Indices) -> RowValues:
        """Return what belongs to the rows of single elements: of one row, as it broadcasts."""
        if len(self.maximum) == 1:
            return self
        return RowValues(
            self.maximum.take(rows, axis=0),
            self.minimum.take(rows, axis=0),
            self.log_sum.take(rows, axis=0),
            self.mean_shift.take(rows, axis=0),
            self.invalid.take(rows, axis=0),
            self.alone.take(rows, axis=0),
        )


@frozen
class Reference:
    """The true softmax and log-softmax of a block of rows, and what their bounds depend on.

    Shapes are (rows, classes), or (rows, 1) for what belongs to a row. Rows with a NaN, a +inf or
    nothing but -inf are `invalid`: NaN by definition. `masked` logits are -inf.
    """

    of_rows: RowValues
    elements: Elements
    classes: int

    @property
    def softmax(self) -> Exact:
        return self.elements.softmax

    @property
    def log_softmax(self) -> Exact:
        return self.elements.log_softmax

    @property
    def shifted(self) -> Array:
        """Return x - max x."""
        return self.elements.shifted

    @property
    def masked(self) -> Mask:
        return self.elements.masked

    @property
    def log_sum(self) -> Array:
        """The sum's logarithm, log Σ exp(x - max x), (rows, 1)."""
        return self.of_rows.log_sum

    @property
    def lse(self) -> Array:
        """The log-sum-exp, log Σ exp x, (rows, 1)."""
        with np.errstate(invalid="ignore"):
            return self.of_rows.maximum + self.of_rows.log_sum

    @property
    def mean_shift(self) -> Array:
        """Σ p |x - max x|, (rows, 1)."""
        return self.of_rows.mean_shift

    @property
    def invalid(self) -> Mask:
        """Rows that are NaN by definition, (rows, 1)."""
        return self.of_rows.invalid

    def __getitem__(self, rows: Any) -> Reference:
        return Reference(self.of_rows[rows], self.elements[rows], self.classes)

    def at(self, columns: Columns) -> Reference:
        """Return the same for some columns of each row; what belongs to the row stays as it is."""
        return Reference(self.of_rows, self.elements.at(columns), self.classes)

    def pick(self, rows: Indices, columns: Indices) -> Reference:
        """Return single elements, (some, 1), to float64's accuracy at least."""
        return Reference(self.of_rows.pick(rows), self.elements.pick(rows, columns), self.classes)
