"""What `check` is to do on every block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from softmax_tool.check.tolerance import Tolerance
    from softmax_tool.plan import Options, Plan


@frozen
class Work:
    """What is to be computed, and what is looked for in it.

    Attributes
    ----------
    plan : Plan
        The computations.
    options : Options
        What applies to all of them.
    tolerance : Tolerance
        How far off a result may be.
    rules : frozenset of str
        The codes that are looked for.
    tolerated : frozenset of str
        The codes that were ignored by name.
    headroom : float
        How far the logits of a row may at least rise before their exponentials overflow.
    """

    plan: Plan
    options: Options
    tolerance: Tolerance
    rules: frozenset[str]
    tolerated: frozenset[str]
    headroom: float
