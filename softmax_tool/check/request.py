"""What is asked of `check`, beside the options of every computation."""

from __future__ import annotations

from math import isfinite

from softmax_tool.check.rules import selected
from softmax_tool.check.tolerance import Budget, Tolerance
from softmax_tool.errors import UsageError
from softmax_tool.frozen import frozen

HEADROOM = 1.0
FACTOR = 2.0


@frozen
class Request:
    """What is looked for, and what is tolerated.

    Attributes
    ----------
    select, ignore : tuple of str
        Codes, prefixes of codes, or names of rules.
    tolerance, budget : Tolerance, Budget
        How far off an element may be, and how many may be further off.
    headroom : float
        How far the logits of a row may at least rise before naive exponentials overflow.
    factor : float
        How many times the baseline's error a candidate may have.
    suggest : bool
        Whether to say what tolerance would pass.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    tolerance: Tolerance = Tolerance()
    budget: Budget = Budget()
    headroom: float = HEADROOM
    factor: float = FACTOR
    suggest: bool = False

    def check(self) -> None:
        """Refuse what is wrong whatever the input.

        Raises
        ------
        UsageError
            For rules that do not exist, and for numbers that are no limits.
        """
        selected(self.select, self.ignore)
        self.tolerance.check()
        if not self.headroom >= 0:
            raise UsageError(f"--headroom {self.headroom}: is no distance; give 0 or more")
        if not (self.factor > 0 and isfinite(self.factor)):
            raise UsageError(f"--factor {self.factor}: is no factor; give a number above 0")
