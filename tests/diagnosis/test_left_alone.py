"""Where all but one addend of a sum became 0, what the sum misses goes back to these."""

from __future__ import annotations

import numpy as np
import pytest

import softmax_tool as st


@pytest.mark.parametrize("arithmetic", ["wide-sum", "strict"])
@pytest.mark.parametrize("formulation", ["log-of-shifted", "shifted", "minus-lse", "log1p"])
def test_the_maximum_of_a_row_whose_other_exponentials_are_0(
    formulation: str, arithmetic: str
) -> None:
    """99 of exp(-106), a third of the least float32 each, come to 6.5 of it together."""
    x = np.array([[106.0] + [0.0] * 99])
    report = st.compare(
        x,
        dtypes=["float32"],
        ops=["log-softmax"],
        formulations=[formulation],
        arithmetics=[arithmetic],
    )
    [found] = [finding for finding in report.cases[0].worst if finding.column == 0]
    assert (found.kind, found.got, found.propagated) == ("underflow", 0.0, True)
    assert found.exact == pytest.approx(-99 * np.exp(-106.0), rel=1e-12)
    assert found.origin is not None
    assert (found.origin.column, found.origin.step) == (1, "exp")
    assert found.origin.operand == -106.0
