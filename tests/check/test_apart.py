"""Elements whose error is not that of their row, in rows that hold different numbers of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, CLASSES = 12, 2000
COLUMN = 7
U = 2.0**-24


def table() -> tuple[Any, Any]:
    """Give logits of which each row masks 50 more than the one before, and log-probabilities."""
    x = np.random.default_rng(3).normal(size=(ROWS, CLASSES)).astype(np.float32)
    for row in range(ROWS):
        x[row, CLASSES - 50 * row :] = -np.inf
    z = x.astype(np.longdouble)
    return x, z - np.log(np.exp(z).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("sign", [-1, 1])
def test_what_a_row_has_in_common_is_allowed_and_what_one_element_is_off_is_not(
    check: Callable[..., Any], sign: int
) -> None:
    x, true = table()
    options = ("--op", "log-softmax", "--dtype", "float32", "--format", "json")
    as_far_off = (true - 80 * sign * U).astype(np.float32)
    assert check(x, *options, candidate=as_far_off).code == 0
    candidate, strays = true + 64 * sign * U, [1, 4, 11]
    candidate[strays, COLUMN] -= 144 * sign * U
    done = check(x, *options, candidate=candidate.astype(np.float32))
    found = [(f["row"], f["column"]) for f in done.report["findings"] if f["code"] == "ACC101"]
    assert (done.code, sorted(found)) == (1, [(row, COLUMN) for row in strays])
