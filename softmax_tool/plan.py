"""From options to cases: which computations a command runs, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmax_tool.arithmetic import find_model
from softmax_tool.declared import check_input
from softmax_tool.errors import InputError, UsageError
from softmax_tool.formats import FLOAT16, FLOAT32, FLOAT64, FORMATS, find_format
from softmax_tool.formulations import EXACT, GRADIENT, NEED_LABELS, OPS, expand, own_name
from softmax_tool.frozen import frozen
from softmax_tool.ignored import IGNORED_LABEL
from softmax_tool.report import CaseName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from softmax_tool.arithmetic import Model
    from softmax_tool.formats import FloatFormat
    from softmax_tool.readers import Source

REDUCTIONS = ("mean", "sum", "none")
Slice = tuple[int | None, int | None]


@frozen
class Options:
    """What a caller may choose. None leaves the choice to the command."""

    dtypes: tuple[str, ...] | None = None
    ops: tuple[str, ...] | None = None
    formulations: tuple[str, ...] | None = None
    arithmetics: tuple[str, ...] = ("wide-sum",)
    reduction: str = "mean"
    weights: NDArray[Any] | None = None
    weights_name: str | None = None
    ignore_index: int = IGNORED_LABEL
    ignore_index_given: bool = False
    label_smoothing: float = 0.0
    max_ulp: float | None = None
    top: int = 10
    rows: Slice | None = None
    columns: Slice | None = None
    excerpts: bool = False
    """Whether of a long row only the columns that tell most are shown, unless some are chosen."""
    label_counts: NDArray[np.int64] | None = None
    """Rows of each class that a mean is over, where a gradient needs them; the engine counts."""
    input: str = "logits"


@frozen
class Variant:
    """The cases that share a format and an arithmetic."""

    target: FloatFormat
    model: Model
    cases: tuple[CaseName, ...]


@frozen
class Plan:
    """What a command is going to run, with every default filled in."""

    ops: tuple[str, ...]
    formulations: tuple[str, ...]
    formats: tuple[FloatFormat, ...]
    models: tuple[Model, ...]
    variants: tuple[Variant, ...]
    measured: bool = True
    """Whether errors are added up; else it is only counted and told what went wrong."""

    @property
    def cases(self) -> tuple[CaseName, ...]:
        """Every case, in the order of the report."""
        return tuple(case for variant in self.variants for case in variant.cases)


def plan(
    source: Source,
    options: Options,
    default_formats: Callable[[Source], tuple[str, ...]],
    default_formulations: Sequence[str] | None,
    *,
    measured: bool = True,
) -> Plan:
    """Check options against the input and each other, and list the cases."""
    check(options, source)
    formats = tuple(
        dict.fromkeys(find_format(name) for name in options.dtypes or default_formats(source))
    )
    models = tuple(dict.fromkeys(find_model(name) for name in options.arithmetics))
    ops = options.ops if options.ops is not None else default_ops(source, options)
    check_ops(ops, source, options)
    chosen = options.formulations
    if chosen is None and default_formulations is not None:
        chosen = _applicable(ops, default_formulations)
    pairs = expand(ops, chosen)
    if not pairs:
        raise UsageError("no op is selected; name one with --op")
    variants = tuple(
        Variant(target, model, _cases(target, model, index, pairs))
        for target in formats
        for index, model in enumerate(_distinct(target, models))
    )
    names = tuple(dict.fromkeys(name for _, name in pairs))
    return Plan(ops, names, formats, models, variants, measured)


def stored_format(source: Source) -> tuple[str, ...]:
    """Return the file's own floating dtype, float32 for text and integers."""
    return (source.stored_dtype if source.stored_dtype in FORMATS else FLOAT32.name,)


def ieee_formats(_: Source) -> tuple[str, ...]:
    """Return the formats to compare where none is named, narrowest first."""
    return FLOAT16.name, FLOAT32.name, FLOAT64.name


def default_ops(source: Source, options: Options) -> tuple[str, ...]:
    """Return every op that the input allows; a gradient is taken only where it is named."""
    if source.label_kind is None:
        return tuple(op for op in OPS if op not in NEED_LABELS)
    if source.label_kind == "probabilities" or options.label_smoothing:
        return tuple(op for op in OPS if op not in {"nll", GRADIENT})
    return tuple(op for op in OPS if op != GRADIENT)


def check(options: Options, source: Source) -> None:
    """Refuse options that are wrong whatever is computed."""
    check_input(options.input)
    if not 0 <= options.label_smoothing <= 1:
        raise UsageError(f"label smoothing {options.label_smoothing} is not between 0 and 1")
    if options.reduction not in REDUCTIONS:
        raise UsageError(
            f"unknown reduction {options.reduction!r}; known are {', '.join(REDUCTIONS)}"
        )
    if options.max_ulp is not None and not options.max_ulp >= 0:
        raise UsageError(
            f"a threshold of {options.max_ulp} ULP cannot be compared with; give 0 or more"
        )
    if options.top < 0:
        raise UsageError(f"the number of worst cases cannot be {options.top}; give 0 or more")
    if options.ignore_index_given and source.label_kind == "probabilities":
        raise UsageError("an ignore index does not apply to probability labels; leave it out")
    weights = options.weights
    if weights is not None and weights.shape != (source.classes,):
        raise InputError(
            f"{options.weights_name or 'weights'}: shape {weights.shape}, "
            f"but the logits have {source.classes} classes"
        )


def check_ops(ops: tuple[str, ...], source: Source, options: Options) -> None:
    """Refuse ops that the input does not allow."""
    for op in ops:
        if op in NEED_LABELS and source.label_kind is None:
            raise UsageError(f"op {op!r} needs labels; give them with --labels or --label-column")
    if "nll" in ops and source.label_kind == "probabilities":
        raise UsageError("op 'nll' takes class labels, not probabilities; use ce")
    if "nll" in ops and options.label_smoothing:
        raise UsageError("op 'nll' takes no label smoothing; use ce")


def _applicable(ops: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if any(own_name(op, name) for op in ops))


def _distinct(target: FloatFormat, models: tuple[Model, ...]) -> tuple[Model, ...]:
    """Leave out models that a format does not have, or that repeat `wide-sum` beside it."""
    for model in models:
        if not model.supports(target):
            raise UsageError(f"arithmetic {model.name!r} does not exist for {target.name}")
    if not any(model.name == "wide-sum" for model in models):
        return models
    return tuple(m for m in models if m.name == "wide-sum" or not m.same_as_wide_sum(target))


def _cases(
    target: FloatFormat, model: Model, index: int, pairs: tuple[tuple[str, str], ...]
) -> tuple[CaseName, ...]:
    """Name the cases of a variant; `exact` has no arithmetic, so the first variant carries it."""
    return tuple(
        CaseName(quantity, name, target.name, None if name == EXACT else model.name)
        for quantity, name in pairs
        if name != EXACT or index == 0
    )
