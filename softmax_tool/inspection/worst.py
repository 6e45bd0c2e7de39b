"""The rows of largest loss: float64 says which these may be, double-double which they are.

So few rows are made again that even a large table takes no longer for it.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import exact
from softmax_tool.formats import FLOAT64
from softmax_tool.frozen import frozen, frozen_by_identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from softmax_tool.exact import Exact
    from softmax_tool.inspection.report import WorstRow
    from softmax_tool.targets import Targets

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

PLAIN = 2.0**-43
"""Bound of the relative error of a loss in float64: the shift of an exponential that is not 0 makes
at most 745 u of it, everything else some 50 u."""
_SLACK = 2.0**-40
_LEAST = 2.0**-1040  # more than sums of subnormal exponentials lose
WAITING = 64
"""So many rows to be made again are kept for later; more are made at once."""


@frozen_by_identity
class OpenLoss:
    """What a loss is made of: logits (1, classes), and one target."""

    logits: Array
    targets: Targets


@frozen
class Candidate:
    """A row that may have one of the largest losses."""

    found: WorstRow
    open: OpenLoss | None  # None where the loss is right to the last bit

    @property
    def slack(self) -> float:
        """How far the loss may be off."""
        return 0.0 if self.open is None else float(_slack(self.found.loss))

    @property
    def order(self) -> tuple[float, bool, int]:
        """Largest first, then by place; what is below every float64 comes before 0."""
        return -self.height, not self.found.loss_is_tiny, self.found.row

    @property
    def height(self) -> float:
        """The loss; nan comes last."""
        return -inf if isnan(self.found.loss) else self.found.loss


def _slack(loss: Any) -> Any:
    """Return how far a loss in float64 may be off, and more."""
    return loss * _SLACK + _LEAST


def may_be_among(losses: Array, settled: Mask, top: int) -> Mask:
    """Tell which losses, of more than `top`, may be among so many largest."""
    if not top:
        return np.zeros(losses.shape, bool)
    heights = np.where(np.isnan(losses), -np.inf, losses)
    slack = np.where(settled, 0.0, _slack(losses))
    floor = np.partition(heights - slack, -top)[-top]
    return np.asarray(heights + slack >= floor)


def true_losses(logits: Array, targets: Targets) -> Exact:
    """Return losses (rows, 1) right to the last bit, and their tails."""
    wide = logits.astype(np.float64, copy=False)
    return exact.losses(exact.reference(wide, FLOAT64), targets, wide, FLOAT64)


def worst_of(candidates: Iterable[Candidate], top: int) -> tuple[Candidate, ...]:
    """Return those that may be among the `top` rows of largest loss."""
    ordered = sorted(candidates, key=lambda candidate: candidate.order)
    if len(ordered) <= top or not top:
        return tuple(ordered[:top])
    floor = sorted((x.height - x.slack for x in ordered), reverse=True)[top - 1]
    some = [x for x in ordered if x.height + x.slack >= floor]
    open_rows = [x for x in some if x.open is not None]
    if len(open_rows) > WAITING:
        return worst_of(map(_settled, some), top)
    settled = [x for x in some if x.open is None][:top]
    return tuple(sorted((*settled, *open_rows), key=lambda candidate: candidate.order))


def worst_rows(candidates: Iterable[Candidate], top: int) -> tuple[WorstRow, ...]:
    """Return the rows of largest loss, largest first, then by place."""
    return tuple(x.found for x in worst_of(map(_settled, candidates), top))


def _settled(candidate: Candidate) -> Candidate:
    if candidate.open is None:
        return candidate
    loss = true_losses(candidate.open.logits, candidate.open.targets)
    hi = float(loss.hi[0, 0])
    tiny = hi == 0 and bool(loss.nonzero[0, 0])
    return Candidate(replace(candidate.found, loss=hi + 0.0, loss_is_tiny=tiny), None)
