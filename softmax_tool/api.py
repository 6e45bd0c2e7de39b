"""The library's own functions: the work of the commands, on arrays.

What is said of the arguments of `compare` holds for all of them: a list of names may be a single
name, a dtype a name or a dtype, and integers and floats may be NumPy's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import arguments, engine
from softmax_tool.explanation import explaining
from softmax_tool.ignored import ignored_label
from softmax_tool.inspection import inspecting
from softmax_tool.plan import Options
from softmax_tool.readers import as_weights, from_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from softmax_tool.explanation.report import ExplainReport
    from softmax_tool.inspection.report import InspectReport
    from softmax_tool.readers import Source
    from softmax_tool.report import CaseName, CompareReport, ComputeReport, LimitsReport

    Names = str | Sequence[str]
    Dtypes = DTypeLike | Sequence[DTypeLike]


def compare(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    axis: int = -1,
    dtypes: Dtypes | None = ("float16", "float32", "float64"),
    ops: Names | None = None,
    formulations: Names | None = None,
    arithmetics: Names = ("wide-sum",),
    reduction: str = "mean",
    weights: ArrayLike | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    max_ulp: float | None = None,
    top: int = 10,
    threads: int | None = None,
    input_kind: str = "logits",
) -> CompareReport:
    """Compare formulations of softmax, log-softmax and losses with each other and with the truth.

    Each logit is rounded once to each dtype; every formulation, and the exact reference, starts
    from the rounded logits. Errors are in ULP of the exact value, |got − y| / ulp(y).

    Parameters
    ----------
    logits : array_like, any rank ≥ 1
        float16, float32, float64 or signed integers; anything with `__array__` or DLPack. -inf
        masks a class. A row with a NaN, a +inf, or nothing but -inf is NaN by definition: counted
        apart, never a failure. Masked arrays are refused, and arrays without an element.
    labels : array_like, optional
        Class indices, of the logits' shape without `axis`; or target probabilities of the logits'
        shape. Without labels there are no losses. A NaN or infinite label is refused.
    axis : int
        The class axis.
    dtypes : dtype, or sequence of them
        "float16", "float32", "float64", or their aliases ("half", "fp32", "double", …), or dtypes.
        The type `float` is float64; the name "float" is float32, as it is in C.
    ops : str or sequence of str, optional
        Of "softmax", "log-softmax", "log-of-softmax", "nll", "ce", "gradient"; by default all but
        "gradient" that the input allows.
    formulations : str or sequence of str, optional
        Of "naive", "shifted", "online", "via-lse", "log-of-naive", "log-of-shifted", "minus-lse",
        "log1p", "naive-lse", "clamped", "exact"; all by default.
    arithmetics : str or sequence of str
        Of "strict", "wide-sum", "fused", "native".
    reduction : {"mean", "sum", "none"}
        Of the losses, as in torch.nn.functional.cross_entropy. The mean of no rows, where every
        label is ignored, is NaN.
    weights : array_like, shape (classes,), optional
        Class weights: real and finite, 0 and negative ones too. Masked arrays are refused.
    ignore_index : int, optional
        Rows with this label do not count; -100 by default.
    label_smoothing : float
        Between 0 and 1. A NumPy float has its own value: float32(0.1) is 0.10000000149….
    max_ulp : float, optional
        Error above which a finite result is a silent error, in ULP, not below 0, and not NaN; by
        default the a-priori bound of the `shifted` formulation for that row.
    top : int
        How many worst cases are listed for each formulation; 0 or more.
    input_kind : {"logits", "probs", "log-probs"}
        What the values are. Of probabilities the logarithms are taken for logits, so that 0 masks
        its class and a negative one is NaN; log-probabilities are logits of themselves.
    threads : int, optional
        How many blocks are worked on at once, 1 or more; changes nothing in the report.

    Returns
    -------
    CompareReport
        Frozen values; their fields are those of the JSON report. A report is equal to itself alone:
        hold fields against each other to compare two.

    Raises
    ------
    InputError
        Arrays that cannot be read as logits, labels or weights, or do not fit each other.
    UsageError
        Options that do not exist, are of another type, or do not fit the input.

    Notes
    -----
    The formulations and their error bounds are those of Blanchard, Higham and Higham, Accurately
    computing the log-sum-exp and softmax functions, IMA J. Numer. Anal., 2021.

    Examples
    --------
    >>> report = compare([[50.0, 0.0]], ops=["log-softmax"], formulations=["shifted", "log1p"])
    >>> [case.worst[0].kind for case in report.cases if case.name.dtype == "float64" and case.worst]
    ['absorbed']
    """
    with arguments.named_as_arguments():
        workers = arguments.threads_of(threads)
        options = _options(
            dtypes=dtypes,
            ops=ops,
            formulations=formulations,
            arithmetics=arguments.names("arithmetics", arithmetics),
            reduction=reduction,
            weights=weights,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            max_ulp=max_ulp,
            top=top,
            input_kind=input_kind,
        )
        source = _source(logits, labels, axis, options.ignore_index)
        return engine.compare(source, options, threads=workers)


def compute(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    axis: int = -1,
    dtypes: Dtypes | None = None,
    ops: Names | None = None,
    formulations: Names = ("naive", "shifted"),
    arithmetic: str = "wide-sum",
    reduction: str = "mean",
    weights: ArrayLike | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    max_ulp: float | None = None,
    top: int = 10,
    threads: int | None = None,
    input_kind: str = "logits",
) -> ComputeReport:
    """Compute softmax, log-softmax, log(softmax), NLL and cross-entropy, and judge every element.

    Parameters, special values and errors are those of `compare`; `dtypes` is by default the
    logits' own floating dtype, float32 for integers, `arithmetic` is one, and `top` is how many
    rows are in `shown`.

    Returns
    -------
    ComputeReport
        `results[i].values` has the logits' shape and the storage type of its dtype. They are what
        the formulation gives: NaN in a row that is NaN by definition, or that overflowed; 0 or
        -inf for a masked class. Rows whose label is ignored have a loss of 0 where losses are not
        reduced. A report is equal to itself alone: hold fields against each other to compare two.

    Examples
    --------
    >>> report = compute([[2.0, 1.0, 0.1]], ops=["softmax"], formulations=["shifted"])
    >>> report.results[0].values.round(4).tolist()
    [[0.659, 0.2424, 0.0986]]
    """
    with arguments.named_as_arguments():
        workers = arguments.threads_of(threads)
        options = _options(
            dtypes=dtypes,
            ops=ops,
            formulations=formulations,
            arithmetics=(arguments.name("arithmetic", arithmetic),),
            reduction=reduction,
            weights=weights,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            max_ulp=max_ulp,
            top=top,
            input_kind=input_kind,
        )
        source = _source(logits, labels, axis, options.ignore_index)
        kept = _Kept()
        return kept.into(engine.compute(source, options, threads=workers, values=kept))


def limits(dtypes: Dtypes | None = None) -> LimitsReport:
    """Return the edges of dtypes: largest and smallest numbers, and where exp changes its nature.

    Every argument named is a value of the dtype itself, so that the edges are those of the rounded
    grid and not log(max), which lies between two arguments. Each dtype is told of once, whatever
    names it was given by; all of them by default. Every edge is finite.

    Raises
    ------
    UsageError
        There is no such dtype, or none is named.

    Examples
    --------
    >>> limits(["half"]).formats[0].exp_first_overflow
    11.09375
    """
    with arguments.named_as_arguments():
        return engine.limits(arguments.optional_dtype_names("dtypes", dtypes))


def explain(
    logits: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    *,
    row: int = 0,
    column: int | None = None,
    axis: int = -1,
    dtype: DTypeLike | None = None,
    arithmetic: str = "wide-sum",
    ignore_index: int | None = None,
    bits: bool = False,
) -> ExplainReport:
    """Go through the arithmetic of one row: naive and shifted beside the true values.

    Every step, z = x − m, exp, Σ, p = e/Σ, log, pick, with its operands as they are in the dtype;
    the event and the limit where it goes wrong; entropy, information and argmax of the row.

    Parameters
    ----------
    logits : array_like, optional
        As for `compare`; the textbook's row 2, 1, 0.1 without.
    labels : array_like, optional
        Class indices; a row with the ignored one has no loss.
    row, column : int
        The row to explain, and a class to show besides those that matter; negative from the end.
    axis : int
        The class axis.
    dtype : str or dtype, optional
        The format to compute in; the logits' own floating dtype by default.
    arithmetic : str
        One of "strict", "wide-sum", "fused", "native".
    ignore_index : int, optional
        The label of rows without a loss; -100 by default.
    bits : bool
        Whether to give the bits of each value.

    Returns
    -------
    ExplainReport
        Frozen values; a row that is NaN by definition has `nan` for every true value. A masked
        class has the probability 0 and the log-probability -inf.

    Raises
    ------
    InputError
        Arrays that cannot be read as logits or labels, or do not fit each other.
    UsageError
        There is no such row, class, dtype or arithmetic, or an option is of another type.

    Examples
    --------
    >>> report = explain([[12.0, 11.5]], dtype="half")
    >>> [(t.step, t.operand, t.limit, t.margin) for t in report.trouble][0]
    ('exp', 12.0, 11.09375, 0.90625)
    """
    with arguments.named_as_arguments():
        request = explaining.Request(
            row=arguments.whole_number("row", row),
            column=arguments.optional_whole_number("column", column),
            dtype=arguments.optional_dtype_name(dtype),
            arithmetic=arguments.name("arithmetic", arithmetic),
            ignore_index=_ignored(ignore_index),
            bits=arguments.flag("bits", bits),
        )
        if logits is None:
            return explaining.explain(explaining.textbook(), request)
        return explaining.explain(_source(logits, labels, axis, request.ignore_index), request)


def inspect(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    axis: int = -1,
    dtypes: Dtypes | None = None,
    ignore_index: int | None = None,
    top: int = 5,
    threads: int | None = None,
    input_kind: str = "logits",
) -> InspectReport:
    """Tell what a table holds, which dtype it would survive in, and how well labels agree with it.

    Rows that sum to 1 look like probabilities, those whose exponentials do like
    log-probabilities. A row survives naively where Σ exp(x) is finite and not 0 in the dtype,
    shifted where its largest logit and its span are finite. Losses and entropies are true ones.

    Parameters
    ----------
    logits, labels : array_like
        As for `compare`. Rows with a NaN, a +inf, or nothing but -inf are counted, and left out of
        what is said of dtypes and losses; masked classes count as -inf.
    axis : int
        The class axis.
    dtypes : dtype, or sequence of them, optional
        Formats to ask about; all by default.
    ignore_index : int, optional
        Rows with this label do not count; -100 by default.
    top : int
        How many rows of large loss are listed.
    input_kind : {"logits", "probs", "log-probs"}
        What the values are, as for `compare`; rows that are no such thing are told.
    threads : int, optional
        How many blocks are worked on at once; changes nothing in the report.

    Returns
    -------
    InspectReport
        Frozen values; None stands for the mean of nothing.

    Raises
    ------
    InputError
        Arrays that cannot be read as logits or labels, or do not fit each other.
    UsageError
        Options that do not exist, or are of another type.

    Examples
    --------
    >>> report = inspect([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    >>> report.looks_like.kind, report.loss
    ('probabilities', 'log, then nll')
    """
    with arguments.named_as_arguments():
        asked = arguments.optional_dtype_names("dtypes", dtypes)
        ignored, most = _ignored(ignore_index), arguments.whole_number("top", top)
        kind, workers = arguments.name("input_kind", input_kind), arguments.threads_of(threads)
        return inspecting.inspect(
            _source(logits, labels, axis, ignored),
            dtypes=asked,
            ignore_index=ignored,
            top=most,
            declared=kind,
            threads=workers,
        )


class _Kept:
    """Keeps whole results in memory: the caller has the logits there as well."""

    def __init__(self) -> None:
        self._parts: list[list[NDArray[Any]]] = []
        self._names: list[CaseName] = []
        self._arrays: dict[CaseName, NDArray[Any]] = {}

    def begin(self, names: Sequence[CaseName], dtypes: Sequence[np.dtype[Any]]) -> None:
        del dtypes
        self._names = list(names)
        self._parts = [[] for _ in names]

    def write(self, index: int, start_row: int, array: NDArray[Any]) -> None:
        del start_row  # rows come in order
        self._parts[index].append(array)

    def finish(self, shapes: Sequence[tuple[int, ...]], axis: int) -> None:
        for name, parts, shape in zip(self._names, self._parts, shapes, strict=True):
            if parts[0].ndim == 2:
                last = (*shape[:axis], *shape[axis + 1 :], shape[axis])
                whole = np.concatenate(parts).reshape(last)
                self._arrays[name] = np.moveaxis(whole, -1, axis)

    def into(self, report: ComputeReport) -> ComputeReport:
        results = tuple(replace(r, values=self._arrays[r.name]) for r in report.results)
        return replace(report, results=results)


def _source(logits: ArrayLike, labels: ArrayLike | None, axis: int, ignored: int) -> Source:
    class_axis = arguments.whole_number("axis", axis)
    return from_arrays(logits, labels, axis=class_axis, ignore_index=ignored)


def _ignored(ignore_index: int | None) -> int:
    return ignored_label(arguments.optional_whole_number("ignore_index", ignore_index))


def _options(
    *,
    dtypes: Dtypes | None,
    ops: Names | None,
    formulations: Names | None,
    arithmetics: tuple[str, ...],
    reduction: str,
    weights: ArrayLike | None,
    ignore_index: int | None,
    label_smoothing: float,
    max_ulp: float | None,
    top: int,
    input_kind: str,
) -> Options:
    return Options(
        dtypes=arguments.optional_dtype_names("dtypes", dtypes),
        ops=arguments.optional_names("ops", ops),
        formulations=arguments.optional_names("formulations", formulations),
        arithmetics=arithmetics,
        reduction=arguments.name("reduction", reduction),
        weights=None if weights is None else as_weights(weights, "<weights>"),
        weights_name=None if weights is None else "<weights>",
        ignore_index=_ignored(ignore_index),
        ignore_index_given=ignore_index is not None,
        label_smoothing=arguments.number("label_smoothing", label_smoothing),
        max_ulp=arguments.optional_number("max_ulp", max_ulp),
        top=arguments.whole_number("top", top),
        input=arguments.name("input_kind", input_kind),
    )
