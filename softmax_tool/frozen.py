"""Frozen dataclasses with slots, quick to make.

For each class `dataclass` writes and compiles how its values compare, hash and show themselves,
which was a fifth of the time that a command takes to start. Here the same code does it for all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, dataclass_transform

if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Make a class what `dataclass(frozen=True, slots=True)` makes it.

    >>> @frozen
    ... class Point:
    ...     x: float
    ...     y: float = 0.0
    >>> Point(1.0), Point(1.0) == Point(1.0, 0.0), Point(1.0) == (1.0, 0.0)
    (Point(x=1.0, y=0.0), True, False)
    """
    made: Any = frozen_by_identity(cls)
    names = tuple(field.name for field in fields(made))
    values = attrgetter("__class__", *names)  # the class makes it a tuple, were there one field

    def equals(self: Any, other: object) -> Any:
        if type(other) is not type(self):
            return NotImplemented
        return values(self) == values(other)

    made.__eq__ = equals
    made.__hash__ = lambda self: hash(values(self))
    of_values: type[T] = made
    return of_values


@dataclass_transform(frozen_default=True, eq_default=False)
def frozen_by_identity(cls: type[T]) -> type[T]:
    """Make a class whose values are frozen, and each equal to itself alone: such as hold arrays.

    Arrays have no single answer to whether they are equal, and no hash.

    >>> @frozen_by_identity
    ... class Held:
    ...     numbers: list[float]
    >>> held = Held([1.0])
    >>> held, held == held, held == Held([1.0]), len({held, held})
    (Held(numbers=[1.0]), True, False, 1)
    """
    made: Any = dataclass(frozen=True, slots=True, eq=False, repr=False)(cls)
    names = tuple(field.name for field in fields(made))

    def shown(self: Any) -> str:
        each = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({each})"

    made.__repr__ = shown
    of_identity: type[T] = made
    return of_identity
