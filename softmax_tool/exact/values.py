"""True values as far as they are known: the type that every comparison is made against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
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

    def __getitem__(self, key: Any) -> Exact:
        tail = None if self.tail is None else self.tail[key]
        return Exact(self.hi[key], tail, self.nonzero[key], self.infinite[key])


@dataclass(frozen=True, slots=True)
class Reference:
    """The true softmax and log-softmax of a block of rows, and what their bounds depend on.

    Shapes are (rows, classes), or (rows, 1) for what belongs to a row. Rows with a NaN, a +inf or
    nothing but -inf are `invalid`: NaN by definition. `masked` logits are -inf.
    """

    softmax: Exact
    log_softmax: Exact
    shifted: Array  # x - max x
    log_sum: Array  # log Σ exp(x - max x), (rows, 1)
    lse: Array  # log Σ exp x, (rows, 1)
    mean_shift: Array  # Σ p |x - max x|, (rows, 1)
    invalid: Mask  # (rows, 1)
    masked: Mask
    classes: int

    def __getitem__(self, rows: Any) -> Reference:
        return Reference(
            self.softmax[rows],
            self.log_softmax[rows],
            self.shifted[rows],
            self.log_sum[rows],
            self.lse[rows],
            self.mean_shift[rows],
            self.invalid[rows],
            self.masked[rows],
            self.classes,
        )
