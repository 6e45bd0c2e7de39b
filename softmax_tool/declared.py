"""What the input is declared to be, and whether it looks like that.

Whatever it is, everything goes on from logits: softmax(log p) = p / Σ p, so that logarithms of
probabilities, and log-probabilities as they are, are logits of just these probabilities.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_max
from softmax_tool.arithmetic.tree import tree_sum
from softmax_tool.errors import UsageError
from softmax_tool.frozen import frozen
from softmax_tool.lookalike import LOG_PROBABILITIES, LOGITS, PROBABILITIES, Likeness
from softmax_tool.misfits import described, find_misfits, joined
from softmax_tool.renderers.display import count, number, plural
from softmax_tool.report import InputLooks
from softmax_tool.summary import largest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.readers import Block
    from softmax_tool.report import Misfit

    Array = NDArray[Any]

INPUTS = {"logits": LOGITS, "probs": PROBABILITIES, "log-probs": LOG_PROBABILITIES}
"""What `--input` may be, and what it says that rows are."""

# The first rows tell what a table is; a declaration is held against all of them.
_FIRST_ROWS, _FIRST_ELEMENTS = 256, 1 << 20
_LARGE = 700.0  # near it, exponentials are beyond float64, or subnormal


def check_input(name: str) -> None:
    """Refuse what is no declaration.

    Raises
    ------
    UsageError
        It is not in `INPUTS`.
    """
    if name not in INPUTS:
        raise UsageError(f"unknown input {name!r}; known are {', '.join(INPUTS)}")


def as_logits(block: Block, declared: str) -> Block:
    """Return a block as logits: probabilities become their logarithms in float64.

    A probability of 0 becomes -inf and masks its class; a negative one NaN.
    """
    if INPUTS[declared] != PROBABILITIES:
        return block
    with np.errstate(all="ignore"):
        return replace(block, logits=np.log(block.logits.astype(np.float64)))


@frozen
class Sighting:
    """What the rows seen so far look like; adds to the same in any order.

    `largest_log_sum` is the largest |log Σ p| of rows that look as declared.
    """

    likeness: Likeness = Likeness()
    largest_log_sum: float | None = None
    misfits: tuple[Misfit, ...] = ()

    def __add__(self, other: Sighting) -> Sighting:
        return Sighting(
            self.likeness + other.likeness,
            largest(self.largest_log_sum, other.largest_log_sum),
            joined(self.misfits, other.misfits),
        )

    @classmethod
    def of(cls, block: Block, declared: str) -> Sighting:
        """Look at a block: at all rows where something is declared, else at the first ones."""
        values = block.logits
        if INPUTS[declared] == LOGITS:
            first = max(1, min(_FIRST_ROWS, _FIRST_ELEMENTS // values.shape[1]))
            values = values[: max(0, first - block.start)]
            return cls(Likeness.of(values)) if len(values) else cls()
        return cls(
            Likeness.of(values),
            _largest_log_sum(values, declared),
            find_misfits(values, block.start, INPUTS[declared]),
        )

    def looks(self) -> InputLooks:
        """Return it as a part of a report."""
        likeness = self.likeness
        return InputLooks(
            likeness.kind,
            likeness.rows,
            likeness.count(LOGITS),
            likeness.probabilities,
            likeness.log_probabilities,
            likeness.undecided,
            self.largest_log_sum,
            self.misfits,
        )


def _largest_log_sum(values: Array, declared: str) -> float | None:
    are_logarithms = INPUTS[declared] != PROBABILITIES
    with np.errstate(all="ignore"):
        wide = values.astype(np.float64)
        log_sums = np.log(tree_sum(np.exp(wide) if are_logarithms else wide))
        beyond = np.flatnonzero(~(np.abs(log_sums) < _LARGE))
        if beyond.size:
            some = wide[beyond] if are_logarithms else np.log(wide[beyond])
            most = row_max(some)
            log_sums[beyond] = most + np.log(tree_sum(np.exp(some - most)))
    finite = np.abs(log_sums[np.isfinite(log_sums)])
    return float(finite.max()) if finite.size else None


def contradictions(declared: str, looks: InputLooks) -> Iterator[str]:
    """Yield what there is to say where the values look like something else."""
    kind, decided = INPUTS[declared], looks.rows - looks.undecided
    if kind == LOGITS:
        if looks.kind == PROBABILITIES:
            yield (
                f"The input looks like probabilities: {count(looks.probabilities)} of the first "
                f"{plural(decided, 'row')} sum to 1. Taken for logits they get a second softmax; "
                "say --input probs if that is what they are."
            )
        return
    if looks.misfits:
        wrong = described(looks.misfits, looks.rows, kind)
        other = "" if looks.kind == kind or not decided else f"; it looks like {looks.kind}"
        yield f"The input was declared {declared}, but {wrong}{other}."


def remarks(declared: str, looks: InputLooks) -> Iterator[str]:
    """Yield what there is to say of the input."""
    yield from contradictions(declared, looks)
    if looks.largest_log_sum:
        yield (
            f"Softmax divides the sums of the rows out: losses are those of the {declared} as they "
            f"stand to within {number(looks.largest_log_sum, 3)}, the largest |log Σ p|."
        )
