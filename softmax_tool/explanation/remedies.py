"""What mends an element that is wrong: an identity, or a wider format at the right place.

Each is another way to the same value, which can be computed: none is told that has not been tried.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softmax_tool.arithmetic import MODELS
from softmax_tool.formats import FORMATS
from softmax_tool.formulations import GRADIENT
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from softmax_tool.arithmetic import Model
    from softmax_tool.explanation.steps import Name
    from softmax_tool.formats import FloatFormat

SMALL = ("underflow", "subnormal")
"""Kinds of an element whose true value is smaller than any normal number."""


@frozen
class Path:
    """A way to a result: a formulation in a format and an arithmetic.

    `scaled` multiplies the loss of a gradient by a power of two; `from_others` takes the entry at
    the label as minus the sum of the others.
    """

    name: Name
    target: FloatFormat
    model: Model
    scaled: bool = False
    from_others: bool = False


@frozen
class Remedy:
    """What to do, in words, and the path that does it; None where that is no other path."""

    text: str
    change: Callable[[Path], Path | None]


def _through(*name: str) -> Callable[[Path], Path | None]:
    quantity, formulation = name
    return lambda path: replace(path, name=(quantity, formulation))


def _in(arithmetic: str, *instead_of: str) -> Callable[[Path], Path | None]:
    model = MODELS[arithmetic]

    def change(path: Path) -> Path | None:
        fits = path.model.name in instead_of and model.supports(path.target)
        return replace(path, model=model) if fits else None

    return change


def _wider(path: Path) -> Path | None:
    wider = (x for x in FORMATS.values() if x.precision > path.target.precision)
    target = next((x for x in wider if path.model.supports(x)), None)
    return None if target is None else replace(path, target=target)


SHIFT = Remedy(
    "exp(x) / Σ exp(x) = exp(x − m) / Σ exp(x − m): the common factor exp(m) cancels, and with m "
    "the largest logit no exponential is above 1.",
    _through("softmax", "shifted"),
)
LOG_SUM = Remedy(
    "log softmax(x) = (x − m) − log Σ exp(x − m): the logarithm is taken of the sum, which is at "
    "least 1, and no probability is formed that could vanish.",
    _through("log-softmax", "shifted"),
)
LOG1P = Remedy(
    "at the largest logit, log softmax(x) = −log1p(Σ exp(x − m) over the other classes): the 1 "
    "that swallows them is kept out of the sum.",
    _through("log-softmax", "log1p"),
)
LOGARITHM = Remedy(
    "the logarithm of so small a probability is an ordinary number: work with log-softmax, and do "
    "not go back through exp.",
    _through("log-softmax", "shifted"),
)
LOGARITHM_WIDER = Remedy(
    "the logarithm of so small a probability is beyond this format, too, but an ordinary number in "
    "a wider one: work with log-softmax there, and do not go back through exp.",
    lambda path: _wider(replace(path, name=("log-softmax", "shifted"))),
)
BACK = Remedy(
    "the gradient of −log softmax(x)_y is softmax(x) less the one-hot label: back through "
    "log-softmax nothing is divided by a probability that may have vanished or lost bits.",
    _through(GRADIENT, "shifted"),
)
OTHERS = Remedy(
    "at the label p − 1 is minus the sum of the other probabilities: taken as that sum, it cancels "
    "nothing and is right however close p is to 1.",
    lambda path: replace(path, name=(GRADIENT, "shifted"), from_others=True),
)
SCALING = Remedy(
    "go back through log-softmax from the loss times a power of two, and multiply the gradient by "
    "its inverse in a wider format, as loss scaling does: so small an entry then has all its bits.",
    lambda path: replace(path, name=(GRADIENT, "shifted"), scaled=True),
)
WIDER_SUM = Remedy(
    "keep the sum in a wider accumulator, as the wide-sum and fused arithmetics do.",
    _in("wide-sum", "strict", "native"),
)
WIDER_STEPS = Remedy(
    "keep what lies between logits and result in a wider format, as fused arithmetic does.",
    _in("fused", "strict", "native", "wide-sum"),
)
WIDER = Remedy("a format with a wider range; no rearrangement helps.", _wider)

Remedies = tuple[Remedy, ...]  # to be taken together

# What may mend a way, in the order in which it is tried: rearranging, wider within, wider.
_FOR: dict[Name, tuple[Remedies, ...]] = {
    ("softmax", "naive"): (
        (SHIFT,),
        (WIDER_SUM,),
        (SHIFT, WIDER_SUM),
        (WIDER_STEPS,),
        (SHIFT, WIDER_STEPS),
        (WIDER,),
    ),
    ("softmax", "shifted"): ((WIDER_SUM,), (WIDER_STEPS,), (WIDER,)),
    ("log-softmax", "shifted"): (
        (LOG1P,),
        (WIDER_SUM,),
        (LOG1P, WIDER_SUM),
        (WIDER_STEPS,),
        (LOG1P, WIDER_STEPS),
        (WIDER,),
    ),
    (GRADIENT, "shifted"): (
        (OTHERS,),
        (SCALING,),
        (WIDER_SUM,),
        (WIDER_STEPS,),
        (OTHERS, WIDER_STEPS),
        (SCALING, WIDER_STEPS),
        (WIDER,),
    ),
}
_LOG_OF = (
    (LOG_SUM,),
    (LOG1P,),
    (WIDER_SUM,),
    (LOG_SUM, WIDER_SUM),
    (LOG1P, WIDER_SUM),
    (WIDER_STEPS,),
    (LOG_SUM, WIDER_STEPS),
    (LOG1P, WIDER_STEPS),
    (WIDER,),
)
_BACK_THROUGH_LOG_OF = (
    (BACK,),
    (OTHERS,),
    (SCALING,),
    (WIDER_SUM,),
    (BACK, WIDER_SUM),
    (BACK, WIDER_STEPS),
    (OTHERS, WIDER_STEPS),
    (SCALING, WIDER_STEPS),
    (WIDER,),
)
for _formulation in ("log-of-naive", "log-of-shifted"):
    _FOR["log-softmax", _formulation] = _LOG_OF
    _FOR[GRADIENT, _formulation] = _BACK_THROUGH_LOG_OF


def candidates(name: Name, kind: str, *, at_largest: bool, at_label: bool) -> Iterator[Remedies]:
    """Yield what may mend an element of a kind, in the order in which it is to be tried.

    A sum that stalls asks for a wider one before all else, a small probability for its logarithm.
    """
    if kind == "stalled-sum":
        yield (WIDER_SUM,)
    if kind in SMALL and name[0] == "softmax":
        yield (LOGARITHM,)
        yield (LOGARITHM, WIDER_SUM)
        yield (LOGARITHM_WIDER,)
    pointless = {LOG1P: not at_largest, OTHERS: not at_label, SCALING: kind not in SMALL}
    for remedies in _FOR[name]:
        if not any(pointless.get(remedy) for remedy in remedies):
            yield remedies


def unavoidable(quantity: str) -> tuple[Remedy, ...]:
    """Return what is left where the correctly rounded value itself is 0 or subnormal.

    In the order in which it is to be tried.
    """
    return (LOGARITHM, LOGARITHM_WIDER) if quantity == "softmax" else ()


def changed(path: Path, remedies: Remedies) -> Path | None:
    """Return the path with all of those, None where one of them is no other path."""
    for remedy in remedies:
        other = remedy.change(path)
        if other is None:
            return None
        path = other
    return path


def told(remedies: Remedies) -> str:
    """Say what to do, all of it."""
    return " Besides, ".join(remedy.text for remedy in remedies)
