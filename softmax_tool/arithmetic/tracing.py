"""An arithmetic that watches another one: which operation first went wrong, and what it spread to.

`Tracing` carries out every operation with the arithmetic it wraps and keeps, beside each value, the
events of each class on the path to it. An event has the number `operation · stride + column + 1`,
with 0 for a column where it belongs to the whole row: the smaller number is the earlier one.
Where rows are traced at their distinct values, a column is the place of one among these.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.history import NEVER, Reach, met, within
from softmax_tool.arithmetic.look import Look
from softmax_tool.arithmetic.masks import both
from softmax_tool.arithmetic.selection import row_any, row_max
from softmax_tool.arithmetic.tree import LEAF, tree_sum
from softmax_tool.distinct import count_by_row
from softmax_tool.formats import FLOAT64, ulp_exponent
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from numpy.typing import NDArray

    from softmax_tool.arithmetic.history import History
    from softmax_tool.arithmetic.protocol import Arithmetic
    from softmax_tool.distinct import Distinct
    from softmax_tool.formats import FloatFormat

    Array = NDArray[Any]
    Ids = NDArray[np.int64]
    Mask = NDArray[np.bool_]

# Overflow: finite operands gave an infinity. Zero: a result that is not 0 became 0. Subnormal: a
# result lost bits below the normal range. Absorbed: a sum is its largest addend though another is
# not 0, or a quotient is 1 though its terms differ. Stalled: a sum misses what a wide accumulator
# would have met. Invalid: operands that are numbers gave none, 0/0 or inf − inf; a NaN goes back to
# the result that became 0 behind those operands, if there is one. Given: a class weight or a target
# that is infinite in the format made an infinity or NaN.
EVENTS = ("overflow", "zero", "subnormal", "absorbed", "stalled", "invalid", "given")
_INEXACT = ("exp", "log", "log1p", "divide", "multiply")
# What gives a 0 only by rounding, unless one of its first operands is 0: how many of them.
_NOT_ZERO = {"exp": 0, "divide": 1, "where_not_below": 1, "multiply": 2}


@frozen
class Traced:
    """A value and, for each class of event that occurred, what it goes back to."""

    value: Array
    columns: Ids  # column + 1 of each entry, 0 for what belongs to the row; broadcasts to value
    history: dict[str, History]
    operation: int  # the operation that made it, -1 for an input
    is_row_max: bool = False
    constant: Fraction | None = None  # of a constant, what it was before it was rounded


@frozen
class Operation:
    """One operation as it was carried out."""

    name: str
    step: str
    operands: tuple[Array, ...]
    result: Array
    columns: Ids  # as of a traced value
    stored: Array | None = None  # after the rounding at the end of the kernel, if that followed
    # What operands that are constants were before they were rounded; None for all others.
    constants: tuple[Fraction | None, ...] = ()


@frozen
class Tracing:
    """Carries out operations with `inner` and records what happens in them."""

    inner: Arithmetic
    working: FloatFormat
    result: FloatFormat
    sums_are_wide: bool
    classes: int  # of the distinct values, how many
    distinct: Distinct | None = None
    tape: list[Operation] = field(default_factory=list)
    stage: str = ""  # the step that all operations count as; each its own where it is empty
    # Where events of a class happened in an operation: (rows, 1), or (rows, classes).
    happened: dict[tuple[str, int], Mask] = field(default_factory=dict)
    # In which rows, (rows, 1), a sum shows what exponentials lost that met such an event.
    shown: dict[tuple[str, int], Mask] = field(default_factory=dict)
    singular: dict[str, list[Mask]] = field(default_factory=lambda: {"divide": [], "log": []})
    # By identity of the array, which a look keeps alive.
    looks: dict[int, Look] = field(default_factory=dict)

    @property
    def stride(self) -> int:
        """How many event numbers one operation takes."""
        return self.classes + 1

    def for_loss(self) -> Tracing:
        """Return the same trace for the operations that make a loss of log-probabilities."""
        return replace(self, stage="pick")

    def for_gradient(self) -> Tracing:
        """Return the same trace for the operations on the way back from a loss."""
        return replace(self, stage="backward")

    def locate(self, event: int) -> tuple[int, int | None]:
        """Return operation and column of an event number."""
        operation, column = divmod(event, self.stride)
        return operation, column - 1 if column else None

    def column(self, place: int, column: int) -> int:
        """Return which class a column of a traced row is."""
        return column if self.distinct is None else int(self.distinct.columns[place, column])

    def addends(self, operation: Operation, place: int) -> Array:
        """Return all that a sum added up in a traced row, class by class."""
        addends: Array = operation.operands[0][place : place + 1]
        if self.distinct is not None:
            addends = self.distinct[place : place + 1].expand(addends)
        return np.asarray(addends[0])

    # Operations of the Arithmetic protocol.

    def max(self, x: Any) -> Any:
        value = self.inner.max(self._lift(x).value)
        return Traced(value, np.zeros((1, 1), np.int64), {}, -1, is_row_max=True)

    def exp(self, x: Any) -> Any:
        return self._elementwise("exp", "exp", x)

    def log(self, x: Any) -> Any:
        return self._elementwise("log", "log", x)

    def log1p(self, x: Any) -> Any:
        return self._elementwise("log1p", "log", x)

    def negate(self, x: Any) -> Any:
        x = self._lift(x)
        return replace(x, value=self.inner.negate(x.value))

    def add(self, x: Any, y: Any) -> Any:
        return self._elementwise("add", "lse", x, y)

    def subtract(self, x: Any, y: Any) -> Any:
        step = "shift" if isinstance(y, Traced) and y.is_row_max else "subtract"
        return self._elementwise("subtract", step, x, y)

    def multiply(self, x: Any, y: Any) -> Any:
        return self._elementwise("multiply", "pick", x, y)

    def divide(self, x: Any, y: Any) -> Any:
        return self._elementwise("divide", "divide", x, y)

    def maximum(self, x: Any, y: Any) -> Any:
        return self._elementwise("maximum", "clamp", x, y)

    def where_not_below(self, g: Any, x: Any, limit: Any) -> Any:
        return self._elementwise("where_not_below", "clamp", g, x, limit)

    def sum(self, x: Any) -> Any:
        x = self._lift(x)
        return self._summed(x, self.inner.sum(x.value))

    def online_sum(self, x: Any) -> Any:
        addends = self.exp(self.subtract(x, self.max(x)))
        return self._summed(addends, self.inner.online_sum(self._lift(x).value))

    def drop_first_max(self, e: Any, x: Any) -> Any:
        x, e = self._lift(x), self._lift(e)
        dropped = np.zeros(e.value.shape, bool)
        np.put_along_axis(dropped, x.value.argmax(axis=1)[:, None], True, axis=1)
        history = {name: within(events, ~dropped) for name, events in e.history.items()}
        return replace(e, value=self.inner.drop_first_max(e.value, x.value), history=history)

    def pick(self, x: Any, columns: Array) -> Any:
        x = self._lift(x)
        places = columns if self.distinct is None else self.distinct.places(columns)

        def at_places(values: Array) -> Array:
            return np.take_along_axis(np.broadcast_to(values, x.value.shape), places, axis=1)

        history = {
            name: tuple(Reach(at_places(e.numbers), at_places(e.where)) for e in events)
            for name, events in x.history.items()
        }
        picked = self.inner.pick(x.value, columns)
        return Traced(picked, places.astype(np.int64) + 1, history, x.operation)

    def constant(self, value: Fraction) -> Any:
        rounded = self.inner.constant(value)
        return Traced(rounded, np.zeros((1, 1), np.int64), {}, -1, constant=value)

    def store(self, x: Any) -> Any:
        x = self._lift(x)
        stored = self.inner.store(x.value)
        if stored is x.value:
            return x
        if x.operation < 0:
            return replace(x, value=stored)
        operation = self.tape[x.operation]
        self.tape[x.operation] = replace(operation, stored=stored)
        exact, value = x.value, stored
        events = {
            "overflow": np.isfinite(exact) & ~np.isfinite(value),
            "zero": (exact != 0) & (value == 0),
            "subnormal": is_subnormal(value, self.result),
        }
        if operation.name == "divide":
            events["absorbed"] = (value == 1) & (exact != 1)
        return self._with_events(x, value, x.history, events, x.operation)

    # How events arise and spread.

    def _lift(self, x: Any) -> Traced:
        if isinstance(x, Traced):
            return x
        per_class = x.shape[1] == self.classes
        columns = np.arange(1, self.classes + 1) if per_class else np.zeros(1, np.int64)
        return Traced(x, columns[None, :].astype(np.int64), {}, -1)

    def _elementwise(self, name: str, step: str, *operands: Any) -> Traced:
        lifted = tuple(self._lift(operand) for operand in operands)
        values = tuple(operand.value for operand in lifted)
        value = getattr(self.inner, name)(*values)
        columns = lifted[0].columns
        for operand in lifted[1:]:
            columns = np.maximum(columns, operand.columns)
        constants = tuple(operand.constant for operand in lifted)
        index = self._record(name, step, values, value, columns, constants)
        look = self._look(value)
        if name in self.singular:
            self.singular[name].append(self._look(values[-1]).zero)
        events = {
            "overflow": self._overflowed(name, values, look),
            "zero": self._vanished(name, values, constants, look),
            "absorbed": _is_absorbed(name, self._step(step), values, value),
            "given": self._was_given(name, lifted, look),
        }
        if name in _INEXACT:
            events["subnormal"] = look.subnormal(self.working)
        history = _inherit([operand.history for operand in lifted], look)
        if len(lifted) > 1 and "zero" in lifted[1].history:
            unmoved = _is_unmoved(name, self._step(step), values, value)
            if unmoved is not None:
                reaches = within(lifted[1].history["zero"], both(unmoved, ~look.special))
                history["zero"] = *history.get("zero", ()), *reaches
        self._add_invalid(history, values, value, columns, index)
        traced = Traced(value, columns, {}, index)
        return self._with_events(traced, value, history, events, index)

    def _look(self, value: Array) -> Look:
        """Return what an array holds, looked for once."""
        if id(value) not in self.looks:
            self.looks[id(value)] = Look(value)
        return self.looks[id(value)]

    def _finite(self, values: tuple[Array, ...], among: Mask) -> Mask:
        """Return where all operands are finite, among some elements."""
        for value in values:
            among = both(among, ~self._look(value).not_finite)
        return among

    def _overflowed(self, name: str, values: tuple[Array, ...], look: Look) -> Mask | None:
        """Return where finite operands gave an infinity or a NaN, unless one was singular."""
        if not look.not_finite.any():
            return None
        overflowed = self._finite(values, look.not_finite)
        return both(overflowed, ~self.singular[name][-1]) if name in self.singular else overflowed

    def _vanished(
        self,
        name: str,
        values: tuple[Array, ...],
        constants: tuple[Fraction | None, ...],
        look: Look,
    ) -> Mask | None:
        """Return where finite operands gave a 0 that is none without rounding."""
        if name not in _NOT_ZERO or not look.zero.any():
            return None
        vanished = self._finite(values, look.zero)
        first = slice(_NOT_ZERO[name])
        for operand, constant in zip(values[first], constants[first], strict=True):
            if not constant:
                vanished = both(vanished, ~self._look(operand).zero)
        return vanished

    def _was_given(self, name: str, operands: tuple[Traced, ...], look: Look) -> Mask | None:
        """Return where a factor that is no result is infinite, and so the product none that is."""
        if name != "multiply" or not look.not_finite.any():
            return None
        given = np.zeros((1, 1), bool)
        for operand in operands:
            if operand.operation < 0:
                given = given | self._look(operand.value).not_finite
        return both(look.not_finite, given)

    def _summed(self, addends: Traced, value: Array) -> Traced:
        whole_row = np.zeros((1, 1), np.int64)
        index = self._record("sum", "sum", (addends.value,), value, whole_row)
        e = addends.value
        look = self._look(e)
        infinite = look.not_finite
        reaching = {}
        if infinite.any():
            reaching = {"overflow": infinite, "invalid": look.nan, "given": infinite}
        distinct = self.distinct
        is_largest = value == row_max(e)
        is_left = np.zeros(value.shape, bool)
        if not self.stage and is_largest.any():
            several = count_by_row(e != 0, None if distinct is None else distinct.counts) > 1
            # Where one addend is left of many, that the others became 0 is what the sum misses.
            is_left, is_largest = is_largest & ~several, is_largest & several
        reached = {
            "overflow": ~np.isfinite(value),
            "given": ~np.isfinite(value),
            "zero": (value == 0) | is_left,
            "invalid": np.isnan(value),
        }
        if addends.operation >= 0 and self.tape[addends.operation].name == "exp":
            self._note_shown(addends, value)
        if self.stage == "pick" and infinite.any():
            # Of a loss that is not finite, what became 0 is behind the logarithms that are not.
            lost = ~np.isfinite(value)
            reached["zero"] |= lost
            reaching["zero"] = infinite | ~lost
        history: dict[str, History] = {}
        for name, reaches in addends.history.items():
            if name in {"overflow", "invalid", "given"} and name not in reaching:
                continue
            numbers = np.full(value.shape, NEVER)
            for reach in reaches:
                first = reach.by_row(reaching.get(name))
                shown = self.shown.get((name, addends.operation))
                if name == "subnormal" and shown is not None:
                    first = np.where(shown | ~self._is_of(addends.operation, first), first, NEVER)
                np.minimum(numbers, first, out=numbers)
            there = numbers < NEVER
            if name in reached:
                there &= reached[name]
            if there.any():
                history[name] = (Reach(numbers, there),)
        events = {"overflow": ~np.isfinite(value) & ~row_any(infinite)}
        if not self.stage:
            events["absorbed"] = is_largest
        if not self.sums_are_wide:
            whole = e if distinct is None else distinct.expand(e)
            events["stalled"] = is_stalled(whole, value, self.working)
        self._add_invalid(history, (e,), value, whole_row, index)
        traced = Traced(value, whole_row, {}, index)
        return self._with_events(traced, value, history, events, index)

    def _is_of(self, operation: int, events: Ids) -> Mask:
        """Tell which events an operation made."""
        start = operation * self.stride
        return np.asarray((events >= start) & (events < start + self.stride))

    def _note_shown(self, addends: Traced, value: Array) -> None:
        """Note where what exponentials lost that became 0, or subnormal, shows in their sum.

        That is where it comes to half an ULP of the sum, in float64 at the most, else exactly; or
        where the sum is so small that no bit is lost in it.
        """
        weights = None if self.distinct is None else self.distinct.counts
        quantum = self.working.smallest_subnormal
        ulp = np.ldexp(1.0, ulp_exponent(value.astype(np.float64), self.working))
        for name in ("zero", "subnormal"):
            lossy = self.happened.get((name, addends.operation))
            if lossy is None:
                continue
            shown = count_by_row(lossy, weights) * quantum >= ulp
            rows = np.flatnonzero(shown)
            if rows.size and self.working.precision < FLOAT64.precision:
                z = self.tape[addends.operation].operands[0][rows].astype(np.float64)
                lost = np.where(lossy[rows], addends.value[rows] - np.exp(z), 0.0)
                if weights is not None:
                    lost *= weights[rows]
                lost = np.abs(lost.sum(axis=1, keepdims=True))
                shown[rows] = (2 * lost >= ulp[rows]) | (ulp[rows] == quantum)
            self.shown[name, addends.operation] = shown

    def _add_invalid(
        self,
        history: dict[str, History],
        operands: tuple[Array, ...],
        value: Array,
        columns: Ids,
        index: int,
    ) -> None:
        """Note which results became NaN here, and what they go back to.

        Where that is an overflow, its own number tells, and nothing is noted.
        """
        made = self._look(value).nan
        if not made.any():
            return
        for operand in operands:
            was = self._look(operand).nan
            if value.shape[1] == 1:
                was = row_any(was)
            made = both(made, ~was)
        if not made.any():
            return
        if "overflow" in history:
            made = both(made, ~met(history["overflow"], value.shape))
            if not made.any():
                return
        zeros = history.get("zero", ())
        own = both(made, ~met(zeros, value.shape))
        self.happened["invalid", index] = own
        history["invalid"] = (
            *within(history.get("invalid", ()), ~made),
            *within(zeros, made),
            Reach(index * self.stride + columns, own),
        )

    def _record(
        self,
        name: str,
        step: str,
        operands: tuple[Array, ...],
        result: Array,
        columns: Ids,
        constants: tuple[Fraction | None, ...] = (),
    ) -> int:
        operation = Operation(name, self._step(step), operands, result, columns, None, constants)
        self.tape.append(operation)
        return len(self.tape) - 1

    def _step(self, step: str) -> str:
        return self.stage or step

    def _with_events(
        self,
        x: Traced,
        value: Array,
        inherited: dict[str, History],
        events: Mapping[str, Mask | None],
        index: int,
    ) -> Traced:
        """Add new events to those inherited, which are older."""
        history = dict(inherited)
        for name, happened in events.items():
            if happened is not None and happened.any():
                before = self.happened.get((name, index))
                self.happened[name, index] = happened if before is None else happened | before
                reach = Reach(index * self.stride + x.columns, happened)
                history[name] = (*history.get(name, ()), reach)
        return replace(x, value=value, history=history, operation=index)


def _inherit(histories: list[dict[str, History]], look: Look) -> dict[str, History]:
    """Return the events of all operands, where they reach the result."""
    inherited: dict[str, History] = {}
    for name in EVENTS:
        events = tuple(reach for history in histories for reach in history.get(name, ()))
        if events and name in {"overflow", "zero"}:
            events = within(events, look.special)
        if events and name == "given":
            events = within(events, look.not_finite)
        if events and name == "invalid":
            events = within(events, look.nan)
        if events:
            inherited[name] = events
    return inherited


def is_tiny(values: Array, target: FloatFormat) -> Mask:
    """Return where magnitudes are below the normal numbers of a format, as 0 is."""
    least = target.smallest_normal
    return np.asarray((values < least) & (values > -least))


def is_subnormal(values: Array, target: FloatFormat) -> Mask:
    """Return where magnitudes are below the normal numbers of a format, and not 0."""
    return np.asarray((values != 0) & is_tiny(values, target))


def _is_unmoved(name: str, step: str, values: tuple[Array, ...], value: Array) -> Mask | None:
    """Return where the second operand leaves the first as it is: a sum of one that is left of many.

    So the quotient is 1, or the sum of the maximum and the logarithm is the maximum: what became 0
    in the sum is what these miss.
    """
    if name == "divide":
        return np.asarray((value == 1) & (values[0] == values[1]))
    return np.asarray(value == values[0]) if step == "lse" else None


def _is_absorbed(name: str, step: str, values: tuple[Array, ...], value: Array) -> Mask | None:
    if name == "divide":
        ones = value == 1
        return both(ones, values[0] != values[1]) if ones.any() else None
    if step == "lse":
        return np.asarray((value == values[0]) & (values[1] != 0) & (values[0] != 0))
    return None


def stall_tolerance(classes: int, target: FloatFormat) -> float:
    """Return how far, relatively, a sum kept in a wide accumulator may be from its addends'."""
    depth = 28 + (-(-classes // LEAF) - 1).bit_length()
    accumulator = 2.0**-53 if target.precision == 53 else 2.0**-24
    return depth * accumulator + target.unit_roundoff


def is_stalled(e: Array, value: Array, target: FloatFormat) -> Mask:
    """Tell which sums of rows miss what a wide accumulator would have met."""
    with np.errstate(all="ignore"):
        true = tree_sum(np.abs(e.astype(np.float64)))
        met = tree_sum(e.astype(np.float64))
        missed = np.abs(value.astype(np.float64) - met)
        return np.asarray(
            np.isfinite(value) & (missed > stall_tolerance(e.shape[1], target) * true)
        )
