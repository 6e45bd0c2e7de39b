"""What is added up over blocks adds up the same in any order and grouping, after any journey."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_tool.blocks import work
from softmax_tool.exact_sum import ExactSum
from softmax_tool.plan import Options, ieee_formats, plan
from softmax_tool.readers import from_arrays
from softmax_tool.report import Finding, Origin
from softmax_tool.summary import Summary
from softmax_tool.ulp import UlpStatistics

TOP = 12


def gathered() -> dict[str, list[Any]]:
    """Return the parts of several wholes, as blocks of rows really make them."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(24, 5)) * rng.choice([1, 9, 800], (24, 1))
    x[3] = -np.inf
    x[4, 1], x[5, 2] = np.nan, -np.inf
    x[6:9] = 12.0, *[11.0] * 4
    x[9:12] = 0.0, -900.0, -1000.0, -800.0, 0.0  # exact values that are 0 in float64
    options = Options(
        dtypes=("float16", "float64"),
        formulations=("naive", "shifted", "exact"),
        arithmetics=("strict",),
        top=TOP,
    )
    source = from_arrays(x, rng.integers(5, size=24))
    plan_ = plan(source, options, ieee_formats, None)
    outcomes = [work(block, plan_, options, ((0, 1),)) for block in source.blocks(2)]
    parts: dict[str, list[Any]] = {
        f"Summary of {name.dtype} {name.quantity} {name.formulation}": [
            outcome.cases[index].summary for outcome in outcomes
        ]
        for index, name in enumerate(plan_.cases)
    }
    summaries = parts["Summary of float64 softmax naive"]
    statistics = [s.ulp for s in summaries]
    sums = [s.finite_sum for s in statistics]
    return parts | {
        "PairSummary": [o.pairs[0] for o in outcomes],
        "RoundingSummary": [o.rounding[0] for o in outcomes],
        "UlpStatistics": statistics,
        "ExactSum": [*sums, ExactSum.of(np.array([np.inf, -1e300, 5e-324, np.nan]))],
    }


PARTS = gathered()
WHOLES = list(PARTS)


def identity(of: type) -> Any:
    return Summary(TOP) if of is Summary else of()


def some(whole: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(PARTS[whole])


def bits(value: Any) -> str:
    """Write every bit: equality alone takes −0 for +0."""
    return repr(value)


@pytest.mark.parametrize("whole", WHOLES)
@settings(max_examples=30)
@given(data=st.data())
def test_merging_is_associative_and_commutative(whole: str, data: st.DataObject) -> None:
    a, b, c = (data.draw(some(whole)) for _ in range(3))
    assert bits(a + b) == bits(b + a)
    assert bits((a + b) + c) == bits(a + (b + c))


@pytest.mark.parametrize("whole", WHOLES)
def test_there_is_an_identity(whole: str) -> None:
    nothing = identity(type(PARTS[whole][0]))
    for part in PARTS[whole]:
        assert bits(nothing + part) == bits(part)
        assert bits(part + nothing) == bits(part)


@pytest.mark.parametrize("whole", WHOLES)
def test_any_tree_of_parts_is_one_whole(whole: str) -> None:
    rng = np.random.default_rng(0)
    wholes = set()
    for _ in range(5):
        parts = [PARTS[whole][i] for i in rng.permutation(len(PARTS[whole]))]
        while len(parts) > 1:
            i = int(rng.integers(len(parts) - 1))
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        wholes.add(bits(parts[0]))
    assert len(wholes) == 1


@pytest.mark.parametrize("whole", WHOLES)
def test_values_survive_pickling(whole: str) -> None:
    for part in PARTS[whole]:
        again = pickle.loads(pickle.dumps(part))  # noqa: S301  (its own bytes)
        assert (type(again), bits(again)) == (type(part), bits(part))


def encoded(value: Any) -> Any:
    return {"decimal": str(value)} if isinstance(value, Decimal) else value


def decoded(value: dict[str, Any]) -> Any:
    return Decimal(value["decimal"]) if value.keys() == {"decimal"} else value


def tuples(value: Any) -> Any:
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def rebuilt(of: type, fields: dict[str, Any]) -> Any:
    """Make a value from what JSON has kept of it."""
    fields = {name: tuples(value) for name, value in fields.items()}
    if of is Summary:
        fields["ulp"] = rebuilt(UlpStatistics, fields["ulp"])
        fields["worst"] = tuple(rebuilt(Finding, f) for f in fields["worst"])
    elif of is UlpStatistics:
        fields["finite_sum"] = ExactSum(**fields["finite_sum"])
    elif of is Finding and fields["origin"] is not None:
        fields["origin"] = Origin(**fields["origin"])
    return of(**fields)


@pytest.mark.parametrize("whole", WHOLES)
def test_values_survive_json(whole: str) -> None:
    for part in PARTS[whole]:
        written = json.dumps(asdict(part), default=encoded)
        assert bits(rebuilt(type(part), json.loads(written, object_hook=decoded))) == bits(part)


def test_the_parts_are_worth_merging() -> None:
    wholes = [sum(parts[1:], parts[0]) for name, parts in PARTS.items() if "Summary of" in name]
    assert {len(whole.worst) for whole in wholes if whole.kinds} >= {TOP}
    assert all(whole.invalid_rows for whole in wholes)
    findings = [f for whole in wholes for f in whole.worst]
    assert any(isinstance(f.exact, Decimal) for f in findings)
    assert any(f.origin is not None and isinstance(f.origin.operand, Decimal) for f in findings)
    assert bits(replace(wholes[0], masked=99)) != bits(wholes[0])
