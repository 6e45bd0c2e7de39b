"""Arithmetics on the distinct values of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from softmax_tool.distinct import Distinct

    Array = NDArray[Any]


@frozen
class Expanding:
    """Carries out every operation with `inner`: elementwise ones on (rows, some) distinct values.

    Only what takes whole rows is given whole rows. An elementwise operation gives equal values
    equal bits, so that what whole rows hold can be looked up.
    """

    inner: Any  # `Rounded`, or one that watches it
    distinct: Distinct

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.inner, operation)

    def max(self, x: Array) -> Array:
        largest = self.inner.max(x)
        # Which of two zeros is the larger depends on where they stand.
        whole = largest if largest.all() else self.inner.max(self.distinct.expand(x))
        return np.asarray(whole)

    def pick(self, x: Array, columns: Array) -> Array:
        if x.shape[1] != self.distinct.columns.shape[1]:
            return np.asarray(self.inner.pick(x, columns))  # what belongs to classes
        return np.asarray(self.inner.pick(x, self.distinct.places(columns)))

    def sum(self, x: Array) -> Array:
        distinct = self.distinct
        known = self.inner.sum_of_repeated(x, distinct.counts, distinct.codes.shape[1])
        if known is None:
            return _by_row(self.inner.sum, x, distinct)
        sums, certain = known
        left = np.flatnonzero(~certain)
        if left.size:
            sums[left] = _by_row(self.inner.sum, x[left], distinct[left])
        return np.asarray(sums)

    def online_sum(self, x: Array) -> Array:
        return _by_row(self.inner.online_sum, x, self.distinct)


@frozen
class Weighing:
    """Carries out operations with `inner`, whose sums hardly depend on how they are added up.

    So a distinct value is added once, times how often its row holds it.
    """

    inner: Any  # `WideArithmetic`
    distinct: Distinct

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.inner, operation)

    def pick(self, x: Any, columns: Array) -> Any:
        return self.inner.pick(x, self.distinct.places(columns))

    def sum(self, x: Any) -> Any:
        return self.inner.sum(self.inner.multiply(x, self.distinct.counts))

    def online_sum(self, x: Array) -> Any:
        shifted = self.inner.subtract(x, self.inner.max(x))
        return self.sum(self.inner.exp(shifted))


def _by_row(summed: Callable[[Array], Array], x: Array, distinct: Distinct) -> Array:
    """Sum row after row, each still in the cache from being looked up."""
    sums = [summed(row) for row in distinct.whole_rows(x)]
    return np.concatenate(sums) if sums else summed(distinct.expand(x))
