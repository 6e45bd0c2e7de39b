"""For tests of kernels: an assertion that names the worst elements."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool import arguments
from softmax_tool.check.arrays import as_floating
from softmax_tool.check.gate import check_given, given_quantity
from softmax_tool.check.given import results_of_array
from softmax_tool.check.request import Request
from softmax_tool.check.rules import RULES
from softmax_tool.check.tolerance import Tolerance, parse_budget
from softmax_tool.formats import find_format
from softmax_tool.formulations import LOSSES
from softmax_tool.ignored import ignored_label
from softmax_tool.plan import Options
from softmax_tool.readers import as_weights, from_arrays
from softmax_tool.renderers.display import count, plural
from softmax_tool.renderers.of_check import tolerance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softmax_tool.check.report import CheckFinding, CheckReport
    from softmax_tool.check.tolerance import Budget
    from softmax_tool.formats import FloatFormat

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
        number, a reduced loss. NumPy's, or anything with `__array__` or DLPack. Rows that are NaN
        by definition are not judged; the exact value of a masked class is 0, of its logarithm -inf;
        elsewhere nan and inf fail.
    logits, labels : arrays
        As for `compare`; likewise anything with `__array__` or DLPack.
    op : {"softmax", "log-softmax", "nll", "ce", "gradient"}
        What was computed.
    dtype : str or dtype, optional
        The format of the results; by default that of the array. The type `float` is float64.
    logits_dtype : str or dtype, optional
        The format in which the candidate got the logits; by default `dtype`.
    axis : int
        The class axis of the logits, and of results in their shape.
    max_ulp, max_abs, max_rel : float, optional
        Limits on the error of each element, all of which hold, not below 0, and not NaN; by default
        what careful computation may be off.
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
    InputError
        If arrays cannot be read or are masked, hold no element, or do not fit each other.
    UsageError
        If options do not exist, are of another type, or do not fit the input.

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
    with arguments.named_as_arguments():
        ignored = ignored_label(arguments.optional_whole_number("ignore_index", ignore_index))
        options = Options(
            ops=(arguments.name("op", op),),
            reduction=arguments.name("reduction", reduction),
            weights=None if weights is None else as_weights(weights, "<weights>"),
            weights_name=None if weights is None else "<weights>",
            ignore_index=ignored,
            ignore_index_given=ignore_index is not None,
            label_smoothing=arguments.number("label_smoothing", label_smoothing),
            top=arguments.whole_number("top", top),
        )
        request = Request(
            select=tuple(r.code for r in RULES if "candidate" in r.about and r.by_default),
            ignore=arguments.any_names("ignore", ignore),
            tolerance=Tolerance(
                arguments.optional_number("max_ulp", max_ulp),
                arguments.optional_number("max_abs", max_abs),
                arguments.optional_number("max_rel", max_rel),
            ),
            budget=_budget(budget),
        )
        class_axis = arguments.whole_number("axis", axis)
        source = from_arrays(logits, labels, axis=class_axis, ignore_index=ignored, name="<logits>")
        given = results_of_array(
            as_floating(candidate, NAME),
            source,
            given_quantity(source, options, NAME),
            name=NAME,
            dtype=arguments.optional_dtype_name(dtype),
            logits_format=_format(logits_dtype),
        )
        report = check_given(source, options, request, given)
    for warning in report.warnings:
        warnings.warn(arguments.with_arguments(warning), stacklevel=2)
    if not report.passed:
        raise AssertionError(arguments.with_arguments("\n".join(_lines(report))))


def _budget(budget: int | str) -> Budget:
    text = budget if isinstance(budget, str) else str(arguments.whole_number("budget", budget))
    return parse_budget(text)


def _format(dtype: Any) -> FloatFormat | None:
    return None if dtype is None else find_format(arguments.dtype_name(dtype))


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
