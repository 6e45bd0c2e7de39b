"""Rows to be shown go from process to process, and take no more room than they need."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from softmax_tool.blocks import Earlier
from softmax_tool.job import Job
from softmax_tool.plan import Options, plan, stored_format
from softmax_tool.readers import from_arrays
from softmax_tool.shown import ShownRows

CLASSES = 5000


@pytest.mark.parametrize(("shift", "kind"), [(0, ""), (100, "overflow")])
def test_kinds_are_codes_until_a_row_is_shown(shift: float, kind: str) -> None:
    logits = np.random.default_rng(5).standard_normal((1, CLASSES)).astype(np.float32) + shift
    source = from_arrays(logits)
    options = Options(ops=("softmax",))
    plan_ = plan(source, options, stored_format, ("naive",), measured=False)
    [portion] = source.portions(1)
    job = Job(plan_, options, (), show_rows=True, keep_values=False)
    sent = pickle.dumps(job((portion, Earlier.nothing(1, 0))))
    # A logit and a result of four bytes, a kind and a mark of one for the row, and once more.
    assert len(sent) < 12 * CLASSES
    shown = ShownRows(options)
    shown.add(pickle.loads(sent).shown, 1)  # noqa: S301  (our own)
    [row] = shown.rows(1)
    [kinds] = row.kinds
    assert kinds.tolist() == [kind] * CLASSES
    assert shown.because(1) == "every row"
