"""Rows of two classes over the whole range of each format: every pair (m, x) of a coarse grid."""

from __future__ import annotations

import math

import numpy as np
import pytest

from softmax_tool import exact
from softmax_tool.formats import FORMATS, exp_edges
from tests.arithmetic import grids
from tests.oracle import oracle
from tests.oracle.oracle import ExactRow


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_every_pair_of_a_coarse_grid(dtype: str) -> None:
    fmt = FORMATS[dtype]
    edges = exp_edges(fmt)
    numbers = [*grids.whole_range(fmt, 20), 1 / 3, -1.0, edges.last_zero, edges.last_subnormal]
    near = fmt.round(np.array(numbers)).astype(np.float64).tolist()
    pairs = [[m, x] for m in near for x in near if x <= m]
    logits = fmt.stored(np.array(pairs).astype(fmt.carrier))
    reference = exact.reference(logits, fmt)
    softmax, log_softmax = reference.softmax, reference.log_softmax
    got = [fmt.round(values.hi).tolist() for values in (softmax, log_softmax)]
    for number, pair in enumerate(pairs):
        true = ExactRow(pair)
        for column in (0, 1):
            for values, real in zip(got, (true.softmax, true.log_softmax), strict=True):
                value = values[number][column]
                expected = real(column).rounded(oracle.FORMATS[dtype])
                assert value == expected or (math.isnan(value) and math.isnan(expected)), pair
    assert len(pairs) > 2000
