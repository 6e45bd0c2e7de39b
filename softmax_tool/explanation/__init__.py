"""One row at the blackboard: each step of the arithmetic, where it breaks, and what mends it."""
