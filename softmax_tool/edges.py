"""The edges of formats: range, precision, and where exp overflows and underflows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.arithmetic import working_format
from softmax_tool.formats import exp_edges
from softmax_tool.report import FormatLimits

if TYPE_CHECKING:
    from softmax_tool.formats import FloatFormat
    from softmax_tool.plan import Plan


def edges_of(plan_: Plan) -> tuple[FormatLimits, ...]:
    """Return the edges of the dtypes, and of what else an arithmetic of them works in."""
    working = (working_format(v.model.name, v.target) for v in plan_.variants)
    return tuple(limits_of(target) for target in dict.fromkeys((*plan_.formats, *working)))


def limits_of(target: FloatFormat) -> FormatLimits:
    """Return the edges of one format."""
    edges = exp_edges(target)
    return FormatLimits(
        dtype=target.name,
        aliases=target.aliases,
        bits=target.bits,
        precision=target.precision,
        emin=target.emin,
        emax=target.emax,
        max_finite=target.max_finite,
        has_inf=target.has_inf,
        smallest_normal=target.smallest_normal,
        smallest_subnormal=target.smallest_subnormal,
        unit_roundoff=target.unit_roundoff,
        exp_last_finite=edges.last_finite,
        exp_first_overflow=edges.first_overflow,
        exp_last_zero=edges.last_zero,
        exp_first_nonzero=edges.first_nonzero,
        exp_last_subnormal=edges.last_subnormal,
        exp_first_normal=edges.first_normal,
        sum_of_ones_stalls_at=2.0**target.precision,
    )
