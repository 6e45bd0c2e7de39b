"""The default tolerance: kernels that do it right pass, however they go about it; slips do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from softmax_tool import assert_accurate

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (1, 2, 3, 10, 100, 1000, 5000)
SPREADS = (0.001, 0.1, 1, 3, 10, 30)
DTYPES = (np.float16, np.float32, np.float64)


def exponentials(x: Any) -> Any:
    """exp(x − max x) in the accumulator: float32, float64 for float64."""
    wide = x.astype(np.promote_types(x.dtype, np.float32))
    return wide, np.exp(wide - wide.max(axis=1, keepdims=True))


def fused(x: Any) -> Any:
    _, e = exponentials(x)
    return (e / e.sum(axis=1, keepdims=True)).astype(x.dtype)


def by_reciprocal(x: Any) -> Any:
    _, e = exponentials(x)
    return (e * (1 / e.sum(axis=1, keepdims=True))).astype(x.dtype)


def running_sum(x: Any) -> Any:
    _, e = exponentials(x)
    return (e / np.add.accumulate(e, axis=1)[:, -1:]).astype(x.dtype)


def by_exp2(x: Any) -> Any:
    wide, _ = exponentials(x)
    z = (wide - wide.max(axis=1, keepdims=True)) * wide.dtype.type(1.4426950408889634)
    e = np.exp2(z)
    return (e / e.sum(axis=1, keepdims=True)).astype(x.dtype)


def by_log_sum_exp(x: Any) -> Any:
    wide, e = exponentials(x)
    lse = wide.max(axis=1, keepdims=True) + np.log(e.sum(axis=1, keepdims=True))
    return np.exp(wide - lse).astype(x.dtype)


def operation_by_operation(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    wide = np.promote_types(x.dtype, np.float32)
    return e / e.sum(axis=1, keepdims=True, dtype=wide).astype(x.dtype)


def log_fused(x: Any) -> Any:
    wide, e = exponentials(x)
    z = wide - wide.max(axis=1, keepdims=True)
    return (z - np.log(e.sum(axis=1, keepdims=True))).astype(x.dtype)


def log_minus_lse(x: Any) -> Any:
    wide, e = exponentials(x)
    lse = wide.max(axis=1, keepdims=True) + np.log(e.sum(axis=1, keepdims=True))
    return (wide - lse).astype(x.dtype)


SOFTMAX = (fused, by_reciprocal, running_sum, by_exp2, by_log_sum_exp, operation_by_operation)
LOG_SOFTMAX = (log_fused, log_minus_lse)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [*SOFTMAX, *LOG_SOFTMAX])
def test_no_false_alarm(kernel: Callable[[Any], Any], dtype: Any) -> None:
    rng = np.random.default_rng(12)
    for classes in SIZES:
        for spread in SPREADS:
            # Of one class, every row has the same results.
            rows = max(2, 10_000 // classes) if classes > 1 else 100
            centre = rng.choice([0, 5, -8])
            x = (rng.normal(size=(rows, classes)) * spread + centre).astype(dtype)
            with np.errstate(under="ignore", divide="ignore"):
                candidate = kernel(x)
            assert_accurate(candidate, x, op="softmax" if kernel in SOFTMAX else "log-softmax")


@pytest.mark.parametrize(("dtype", "off"), [*zip(DTYPES, (0.06, 2e-3, 1e-9), strict=True)])
@pytest.mark.parametrize("classes", [2, 10, 1000, 30_000])
def test_one_slip_is_found(classes: int, dtype: Any, off: float) -> None:
    """Of any normal number; below, half precision has too few digits left to tell by."""
    rng = np.random.default_rng(classes)
    for spread in (0.5, 3.0, 8.0):
        x = (rng.normal(size=(3, classes)) * spread).astype(dtype)
        wide = x.astype(np.float64)
        e = np.exp(wide - wide.max(axis=1, keepdims=True))
        exact = e / e.sum(axis=1, keepdims=True)
        normal = np.argwhere(exact > (2.0**-14 if dtype == np.float16 else 0))
        row, column = normal[rng.integers(len(normal))]
        candidate = exact.astype(dtype)
        candidate[row, column] = exact[row, column] * (1 + off)
        with pytest.raises(AssertionError, match=rf"\[{row}, {column}\]: .*ULP off"):
            assert_accurate(candidate, x)


def test_a_log_sum_exp_that_cancels_is_no_careful_way() -> None:
    x = np.full((2, 2), 1e8, np.float32)
    lost = x - (x.max(axis=1, keepdims=True) + np.float32(np.log(2)))  # 0 where it is −ln 2
    with pytest.raises(AssertionError, match="ACC101"):
        assert_accurate(lost, x, op="log-softmax")


def test_large_differences_have_a_bound_too() -> None:
    x = np.array([[-1500.0, 0.0]], np.float16)
    assert_accurate(np.array([[-1500.0, 0.0]], np.float16), x, op="log-softmax")
    for wrong in (-1400.0, -2000.0, -np.inf):
        with pytest.raises(AssertionError):
            assert_accurate(np.array([[wrong, 0.0]], np.float16), x, op="log-softmax")
    with pytest.raises(AssertionError):
        assert_accurate(np.array([[1e-3, 1.0]], np.float16), np.array([[-4000, 0]], np.float16))
