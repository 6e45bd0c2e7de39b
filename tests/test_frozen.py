"""Frozen values behave as dataclasses that write all of their own methods."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from inspect import signature
from typing import Any

import pytest

from softmax_tool.frozen import frozen, frozen_by_identity, frozen_with_memory
from softmax_tool.once import once


class Some:
    name: str
    numbers: tuple[float, ...] = ()
    made: list[int] = field(default_factory=list)


Ours: Any = frozen(type("Some", (), dict(Some.__dict__)))
Theirs: Any = dataclass(frozen=True, slots=True)(type("Some", (), dict(Some.__dict__)))


@frozen
class Sent:
    """What goes from one process to another."""

    name: str
    inner: tuple[float, ...] = ()


@pytest.mark.parametrize(
    "arguments", [("a",), ("a", (1.0, -0.0)), ("b", (), [1]), ("a", (float("nan"),))]
)
def test_equality_and_text_are_those_of_a_dataclass(arguments: tuple[Any, ...]) -> None:
    assert repr(Ours(*arguments)) == repr(Theirs(*arguments))
    for other in [("a",), ("b",), ("a", (1.0, 0.0)), arguments]:
        assert (Ours(*arguments) == Ours(*other)) is (Theirs(*arguments) == Theirs(*other))
    assert Ours(*arguments) != Theirs(*arguments)
    assert Ours(*arguments) != arguments


def test_hashes_tell_equal_values() -> None:
    assert {Sent("a"), Sent("a", ()), Sent("b")} == {Sent("b"), Sent("a")}
    with pytest.raises(TypeError, match="unhashable"):
        hash(Ours("a"))


def test_what_inherits_has_the_fields_too() -> None:
    below: Any = type("Below", (Sent,), {"__slots__": ()})
    assert below("a") == below("a") != below("b")
    assert below("a") != Sent("a")
    assert repr(below("a")) == "Below(name='a', inner=())"
    assert hash(below("a")) == hash(below("a"))


def test_no_field_is_set_or_added() -> None:
    some = Sent("a")
    with pytest.raises(FrozenInstanceError):
        some.name = "b"  # type: ignore[misc]
    with pytest.raises((FrozenInstanceError, TypeError)):
        some.other = "b"  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError):
        del some.name
    assert not hasattr(some, "__dict__")


def test_dataclasses_knows_them() -> None:
    assert [each.name for each in fields(Sent)] == ["name", "inner"]
    assert replace(Sent("a"), inner=(1.0,)) == Sent("a", (1.0,))
    assert copy.deepcopy(Sent("a")) == pickle.loads(pickle.dumps(Sent("a"))) == Sent("a")  # noqa: S301
    match Sent("a", (2.0,)):
        case Sent(name, (inner,)):
            assert (name, inner) == ("a", 2.0)


@frozen_by_identity
class Held:
    """What holds something that neither compares nor hashes."""

    made: list[int]
    name: str = ""


def test_by_identity_each_is_equal_to_itself_alone() -> None:
    numbers = [1]
    one, other = Held(numbers), Held(numbers)
    assert one == one != other  # noqa: PLR0124
    assert len({one, other, one}) == 2
    assert repr(one) == "Held(made=[1], name='')"
    assert replace(one, name="a").made is numbers
    with pytest.raises(FrozenInstanceError):
        one.name = "b"  # type: ignore[misc]
    assert not hasattr(one, "__dict__")


@frozen_with_memory
class Remembering:
    """What keeps what it has computed."""

    made: list[int]
    name: str = "a"
    looked: int = field(default=1, init=False)

    @once
    def length(self) -> int:
        """How many there are."""
        self.made.append(0)
        return len(self.made)


def test_with_memory_what_is_computed_once_is_kept() -> None:
    one = Remembering([1])
    assert (one.length, one.length, one.name, one.looked) == (2, 2, "a", 1)
    assert one == one != Remembering([1, 0])  # noqa: PLR0124
    assert repr(one) == "Remembering(made=[1, 0], name='a', looked=1)"
    with pytest.raises(FrozenInstanceError):
        one.name = "b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del one.made
    assert replace(one, name="b").name == "b"
    assert pickle.loads(pickle.dumps(one)).length == 2  # noqa: S301


def test_arguments_are_those_of_a_dataclass() -> None:
    def shape(made: Any) -> list[tuple[str, bool]]:
        parameters = signature(made).parameters.values()
        return [(each.name, each.default is each.empty) for each in parameters]

    assert shape(Ours) == shape(Theirs)
    assert Ours("a").made is not Ours("a").made
    wrongs: list[tuple[Any, ...]] = [(), ("a", (), [], 1)]
    for wrong in wrongs:
        with pytest.raises(TypeError, match=r"__init__\(\) "):
            Ours(*wrong)
    with pytest.raises(TypeError, match="looked"):
        Remembering([1], looked=2)
