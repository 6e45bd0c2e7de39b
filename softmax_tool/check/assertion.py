"""For tests of kernels: an assertion that names the worst elements."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.check.arrays import as_array, as_floating
from softmax_tool.check.gate import check_given, given_quantity
from softmax_tool.check.given import results_of_array
from softmax_tool.check.request import Request
from softmax_tool.check.rules import RULES
from softmax_tool.check.tolerance import Tolerance, parse_budget
from softmax_tool.errors import UsageError
from softmax_tool.formats import find_format
from softmax_tool.formulations import LOSSES
from softmax_tool.ignored import ignored_label
from softmax_tool.plan import Options
from softmax_tool.readers import from_arrays
from softmax_tool.renderers.display import count, plural
from softmax_tool.renderers.of_check import tolerance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.check.report import CheckFinding, CheckReport

NAME = "<candidate>"


def assert_accurate(
    candidate: Any,
    logits: Any,
    labels: Any = None,
    *,
    op: str = "softmax",
    dtype: Any = None,
    logits_dtype: Any = None,
    axis: int = -1,
    max_ulp: float | None = None,
    max_abs: float | None = None,
    max_rel: float | None = None,
    budget: int | str = 0,
    ignore: str | Sequence[str] = (),
    reduction: str = "mean",
    weights: Any = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    top: int = 5,
) -> None:
    """Raise an AssertionError that names the worst elements, unless results are accurate.

    Each element is held against the exact value, and the rules about candidates are looked for:
    accuracy, row sums, order, range, and what is not finite; see `softmax-tool check --list-rules`.
    The default tolerance is what careful computation in the dtype may be off.

    Parameters
    ----------
    candidate : array
        Results in the shape of the logits; a loss for each row, in that of the labels; or one
        number, a reduced loss. NumPy's, or anything with `__array__` or DLPack.
    logits, labels : arrays
        As for `compare`; likewise anything with `__array__` or DLPack.
    op : {"softmax", "log-softmax", "nll", "ce", "gradient"}
        What was computed.
    dtype : str or dtype, optional
        The format of the results; by default that of the array.
    logits_dtype : str or dtype, optional
        The format in which the candidate got the logits; by default `dtype`.
    axis : int
        The class axis of the logits, and of results in their shape.
    max_ulp, max_abs, max_rel : float, optional
        Limits on the error of each element, all of which hold; by default what careful computation
        may be off.
    budget : int or str
        How many elements may be further off: a count, or a share such as "0.01%".
    ignore : str or sequence of str
        Codes or names of rules that are not looked for.
    reduction, weights, ignore_index, label_smoothing
        Of losses and gradients, as for `compare`.
    top : int
        How many elements are named for each rule.

    Raises
    ------
    AssertionError
        With the worst elements: index, what was computed, the exact value, the error in ULP, and
        how many there are of how many.
    InputError, UsageError
        If the arrays do not fit, or the options do not.

    Examples
    --------
    >>> assert_accurate(np.float32([[0.26894143, 0.7310586]]), [[1.0, 2.0]])
    >>> assert_accurate(np.float32([[0.27, 0.73]]), [[1.0, 2.0]])
    Traceback (most recent call last):
    ...
    AssertionError: softmax in float32 is not accurate
    ACC101 inaccurate: 2 of 2 elements, in 1 row; tolerance: the a-priori bound of careful computation
      [0, 0]: float32 softmax is 0.27, exactly 0.268941, 3.6e+04 ULP off: so are 2 of 2 in its row
    """  # noqa: E501
    source = from_arrays(
        as_array(logits, "<logits>"),
        None if labels is None else as_array(labels, "<labels>"),
        axis=axis,
        ignore_index=ignored_label(ignore_index),
    )
    options = Options(
        ops=(op,),
        reduction=reduction,
        weights=None if weights is None else np.asarray(as_array(weights, "<weights>"), np.float64),
        weights_name=None if weights is None else "<weights>",
        ignore_index=ignored_label(ignore_index),
        ignore_index_given=ignore_index is not None,
        label_smoothing=label_smoothing,
        top=top,
    )
    request = Request(
        select=tuple(r.code for r in RULES if "candidate" in r.about and r.by_default),
        ignore=(ignore,) if isinstance(ignore, str) else tuple(ignore),
        tolerance=Tolerance(
            _limit("max_ulp", max_ulp), _limit("max_abs", max_abs), _limit("max_rel", max_rel)
        ),
        budget=parse_budget(str(budget)),
    )
    given = results_of_array(
        as_floating(candidate, NAME),
        source,
        given_quantity(source, options, NAME),
        name=NAME,
        dtype=_name(dtype),
        logits_format=None if logits_dtype is None else find_format(_name(logits_dtype) or ""),
    )
    report = check_given(source, options, request, given)
    for warning in report.warnings:
        warnings.warn(warning, stacklevel=2)
    if not report.passed:
        raise AssertionError("\n".join(_lines(report)))


def _name(dtype: Any) -> str | None:
    """Return the name of a dtype: NumPy's, PyTorch's, or a name already."""
    if dtype is None or isinstance(dtype, str):
        return dtype
    name = getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or str(dtype)
    return str(name).removeprefix("torch.")


def _limit(name: str, limit: Any) -> float | None:
    """Return a limit as a number.

    Raises
    ------
    UsageError
        It is none.
    """
    if limit is None:
        return None
    if isinstance(limit, str | bytes) or not hasattr(limit, "__float__"):
        raise UsageError(f"{name}={limit!r}: is not a number")
    return float(limit)


def _lines(report: CheckReport) -> Iterator[str]:
    [case] = report.cases
    yield f"{case.name.quantity} in {case.name.dtype} is not accurate"
    for rule in report.rules:
        if not rule.failed:
            continue
        of = f" of {count(case.judged)}" if rule.code in {"ACC101", "NAN101"} else ""
        limits = f"; tolerance: {tolerance(report.settings)}" if rule.code == "ACC101" else ""
        noun = "element" if rule.elements == 1 and not of else "elements"
        yield (
            f"{rule.code} {rule.name}: {count(rule.elements)}{of} {noun}, in "
            f"{plural(rule.rows, 'row')}{limits}"
        )
        for finding in report.findings:
            if finding.code == rule.code:
                yield f"  {_index(finding, report)}{finding.message}"


def _index(finding: CheckFinding, report: CheckReport) -> str:
    """Print where an element is in the arrays of the caller."""
    if finding.row is None:
        return ""
    shape, axis = report.input.shape, report.input.axis
    others = tuple(length for place, length in enumerate(shape) if place != axis)
    index = [str(place) for place in np.unravel_index(finding.row, others)] if others else []
    is_loss = report.settings.ops[0] in LOSSES
    if not is_loss:
        index.insert(axis, ":" if finding.column is None else str(finding.column))
    return f"[{', '.join(index)}]: "
