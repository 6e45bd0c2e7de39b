"""Trying remedies on a row: what is told to mend an element does mend it."""

from __future__ import annotations

from dataclasses import field
from math import ldexp
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.exact_sum import ExactSum
from softmax_tool.explanation.judging import judged
from softmax_tool.explanation.remedies import (
    WIDER,
    Path,
    candidates,
    changed,
    told,
    unavoidable,
)
from softmax_tool.formulations import GRADIENT
from softmax_tool.frozen import frozen
from softmax_tool.kinds import KINDS, NO_KIND
from softmax_tool.readers import Block

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Model
    from softmax_tool.explanation.remedies import Remedies
    from softmax_tool.explanation.steps import Name
    from softmax_tool.formats import FloatFormat
    from softmax_tool.tally import Results

    Array = NDArray[Any]

_SUBNORMAL = KINDS.index("subnormal")
_NOTICEABLE = 0.01  # of an entry of a gradient


@frozen
class Trials:
    """One row, and what has been tried on it.

    `logits` are rounded to the format, so that a wider one starts from the same numbers.
    """

    logits: Array  # (1, classes)
    label: int | None
    target: FloatFormat
    model: Model
    _tried: dict[Path, Results] = field(default_factory=dict)

    def repair(self, name: Name, results: Results, column: int) -> str:
        """Return what mends an element that is wrong on a way, or the last resort."""
        kind = KINDS[results.judged.kind[0, column]]
        possible: Iterable[Remedies] = candidates(
            name,
            kind,
            at_largest=bool(self.logits[0, column] == self.logits.max()),
            at_label=column == self.label,
        )
        if results.judged.unavoidable[0, column]:
            possible = ((remedy,) for remedy in unavoidable(name[0]))
        mending = (x for x in possible if self.mends(name, kind, x, column))
        return told(next(mending, (WIDER,)))

    def mends(self, name: Name, kind: str, remedies: Remedies, column: int) -> bool:
        """Tell whether the element is right once those remedies are taken together.

        Right is a number that has no kind, or one that no computation in the format avoids; of what
        was worse, also a subnormal number. A value beyond the format is none.
        """
        path = changed(Path(name, self.target, self.model), remedies)
        if path is None:
            return False
        if path.from_others:
            return self._others_are_right(self._results(path), column)
        results = self._results(path)
        found = results.judged
        if not (np.isfinite(results.got[0, column]) or results.exact.infinite[0, column]):
            return False
        code = int(found.kind[0, column])
        better = code == _SUBNORMAL and kind != "subnormal"
        return code == NO_KIND or better or bool(found.unavoidable[0, column])

    def _others_are_right(self, results: Results, label: int) -> bool:
        """Tell whether minus the sum of the other entries is the one at the label."""
        others = np.delete(results.got[0], label)
        if not np.isfinite(others).all():
            return False
        target = results.target
        got = target.round_exactly(-ExactSum.of(others).fraction())
        true = float(results.judged.rounded[0, label])
        return got != 0 and abs(got - true) <= max(_NOTICEABLE * abs(true), target.ulp(true))

    def _results(self, path: Path) -> Results:
        if path not in self._tried:
            labels = None if path.name[0] != GRADIENT else np.array([self.label])
            weights = None
            if path.scaled:
                weights = np.full(self.logits.shape[1], ldexp(1.0, path.target.emax - 1))
            block = Block(0, self.logits, labels)
            self._tried[path] = judged(block, path.name, path.target, path.model, weights)
        return self._tried[path]
