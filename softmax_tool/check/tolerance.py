"""How far off a result may be, and how many may be further off."""

from __future__ import annotations

from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.errors import UsageError
from softmax_tool.frozen import frozen
from softmax_tool.renderers.display import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]


@frozen
class Tolerance:
    """Limits on the error of an element, all of which hold; None takes the a-priori bound.

    With none given, the bound alone decides.
    """

    max_ulp: float | None = None
    max_abs: float | None = None
    max_rel: float | None = None

    @property
    def is_given(self) -> bool:
        """Whether any limit was given by hand."""
        return any(limit is not None for _, limit in self.limits)

    @property
    def limits(self) -> tuple[tuple[str, float | None], ...]:
        """The limits by the names of their options."""
        return ("--max-ulp", self.max_ulp), ("--max-abs", self.max_abs), ("--max-rel", self.max_rel)

    def check(self) -> None:
        """Refuse limits that nothing can be compared with.

        Raises
        ------
        UsageError
            For nan and for negative numbers.
        """
        for option, limit in self.limits:
            if limit is not None and not limit >= 0:
                raise UsageError(f"{option} {limit}: is no limit of an error; give 0 or more")

    def beyond(self, ulp: Array, absolute: Array, relative: Array, bound: Array) -> Mask:
        """Return which errors are too large.

        Parameters
        ----------
        ulp, absolute, relative : arrays
            The errors, in ULP, as they are, and as shares of the true values.
        bound : array
            The a-priori bound on the errors in ULP.
        """
        if not self.is_given:
            return np.asarray(ulp > bound)
        found = np.zeros(ulp.shape, bool)
        if self.max_ulp is not None:
            found |= ulp > self.max_ulp
        if self.max_abs is not None:
            found |= absolute > self.max_abs
        if self.max_rel is not None:
            found |= relative > self.max_rel
        return found

    def warnings(self, seen: Seen, target: FloatFormat) -> Iterator[str]:
        """Say which limits are narrower than rounding, or so wide that all zeros would pass."""
        half = target.ulp(seen.largest) / 2
        u = target.unit_roundoff
        if self.max_ulp is not None and self.max_ulp < 0.5:
            yield (
                f"--max-ulp {number(self.max_ulp)} is below half an ULP, by which even the "
                "correctly rounded result may be off; what is correctly rounded passes all the same"
            )
        if self.max_abs is not None and seen.largest and self.max_abs < half:
            yield (
                f"--max-abs {number(self.max_abs)} is below half a {target.name} ULP at "
                f"{number(seen.largest)}, which is {number(half)}: only what is correctly rounded "
                "can pass there"
            )
        if self.max_rel is not None and self.max_rel < u:
            yield (
                f"--max-rel {number(self.max_rel)} is below half a {target.name} ULP, "
                f"{number(u)} of a value: only what is correctly rounded can pass"
            )
        if self.is_given and self._passes_zeros(seen):
            given = " ".join(f"{o} {number(x)}" for o, x in self.limits if x is not None)
            yield f"{given} is so wide that results that are all 0 would pass"

    def _passes_zeros(self, seen: Seen) -> bool:
        held = [
            (self.max_ulp, seen.largest_in_ulp),
            (self.max_abs, seen.largest),
            (self.max_rel, 1.0),
        ]
        return bool(seen.largest) and all(
            limit is None or limit >= needed for limit, needed in held
        )


@frozen
class Seen:
    """The largest finite true values, as they are and in ULP."""

    largest: float = 0.0
    largest_in_ulp: float = 0.0

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            max(self.largest, other.largest), max(self.largest_in_ulp, other.largest_in_ulp)
        )


@frozen
class Budget:
    """How many elements may be beyond the tolerance: a count, or a share of those judged."""

    text: str = "0"
    count: int = 0
    share: Fraction | None = None

    def allows(self, judged: int) -> int:
        """Return how many of so many elements may be beyond the tolerance."""
        return self.count if self.share is None else int(self.share * judged)


def parse_budget(text: str) -> Budget:
    """Read a budget: `3` is a count, `0.01%` a share.

    >>> parse_budget("3").allows(10), parse_budget("0.01%").allows(20_000)
    (3, 2)

    Raises
    ------
    UsageError
        If it is neither, negative, or above 100 %.
    """
    stripped = text.strip()
    is_share = stripped.endswith("%")
    try:
        value: Any = float(stripped[:-1]) if is_share else int(stripped)
    except ValueError:
        value = -1
    if not 0 <= value <= (100 if is_share else inf):
        raise UsageError(
            f"--budget {text}: is neither a count like 3 nor a share like 0.01% of the elements"
        )
    if is_share:
        return Budget(stripped, 0, Fraction(stripped[:-1]) / 100)
    return Budget(stripped, value)
