"""The verdict: what the figures of a report mean, and what to do, in plain sentences.

Every number in a sentence is a number of the report, printed by `renderers.display`.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from softmax_tool.arithmetic import working_format
from softmax_tool.formats import find_format
from softmax_tool.formulations import EXACT, GRADIENT, NEED_LABELS
from softmax_tool.formulations.losses import CLAMP
from softmax_tool.frozen import frozen
from softmax_tool.renderers.display import count, number, plural, share, ulp
from softmax_tool.sentences import said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from softmax_tool.report import Case, FormatLimits, InputRounding, Loss, Pair, Settings


class Asked(NamedTuple):
    """What of the question the sentences depend on."""

    errors: bool  # of every result that is judged
    worst: bool  # the largest of them by kind
    max_ulp: float | None  # above it an error is silent, if the user says so
    scaled: bool  # whether losses are products with weights or smoothed targets


@frozen
class Part:
    """What a report says of one dtype and arithmetic."""

    edges: FormatLimits
    working: FormatLimits  # of the format that the arithmetic computes in, often the same
    rounding: InputRounding
    cases: dict[tuple[str, str], Case]
    losses: tuple[Loss, ...]
    pairs: tuple[Pair, ...]
    where: str  # "float16", or "float16 strict" where there are several arithmetics
    asked: Asked

    def case(self, quantity: str, formulation: str) -> Case | None:
        """Return a case, None if it was not asked for."""
        return self.cases.get((quantity, formulation))

    @property
    def exp(self) -> str:
        """Name the exponential of a logit, and the format it is taken in where that is another."""
        same = self.working.dtype == self.edges.dtype
        return "exp(x)" if same else f"exp(x), taken in {self.working.dtype},"


def verdict(
    cases: Sequence[Case],
    losses: Sequence[Loss],
    pairs: Sequence[Pair],
    rounding: Sequence[InputRounding],
    edges: Sequence[FormatLimits],
    settings: Settings,
    *,
    measured: bool = True,
) -> tuple[str, ...]:
    """Return the sentences for every dtype and arithmetic of a report.

    `edges` are those of the dtypes, and of the formats that their arithmetics work in. What was not
    `measured` has kinds, but no errors.
    """
    all_listed = settings.rows is None and settings.columns is None
    scaled = settings.weights is not None or settings.label_smoothing > 0
    asked = Asked(measured, measured and all_listed, settings.max_ulp, scaled)
    sentences: dict[str, None] = {}
    for part in _parts(cases, losses, pairs, rounding, edges, asked):
        for sentence in _sentences(part):
            sentences[sentence] = None
    return tuple(sentences)


def _parts(
    cases: Sequence[Case],
    losses: Sequence[Loss],
    pairs: Sequence[Pair],
    rounding: Sequence[InputRounding],
    edges: Sequence[FormatLimits],
    asked: Asked,
) -> Iterator[Part]:
    arithmetics = {case.name.arithmetic for case in cases} - {None}
    of = {limits.dtype: limits for limits in edges}
    nothing_kept = any(map(_is_of_ignored, cases))  # the loss of no row is nan, or 0
    for rounded in rounding:
        limits = of[rounded.dtype]
        mine = [case for case in cases if case.name.dtype == limits.dtype]
        names = dict.fromkeys(case.name.arithmetic for case in mine)
        for arithmetic in _arithmetics(names):
            belongs = {None, arithmetic}
            yield Part(
                limits,
                of[working_format(arithmetic, find_format(limits.dtype)).name],
                rounded,
                {
                    (c.name.quantity, c.name.formulation): c
                    for c in mine
                    if c.name.arithmetic in belongs
                },
                ()
                if nothing_kept
                else tuple(
                    x
                    for x in losses
                    if x.name.dtype == limits.dtype and x.name.arithmetic in belongs
                ),
                tuple(p for p in pairs if (p.dtype, p.arithmetic) == (limits.dtype, arithmetic)),
                f"{limits.dtype} {arithmetic}" if len(arithmetics) > 1 else limits.dtype,
                asked,
            )


def _arithmetics(names: Iterable[str | None]) -> list[str | None]:
    """Return the arithmetics that name parts; None alone where only exact values are there."""
    named: list[str | None] = [name for name in names if name is not None]
    return named or [None]


def _sentences(part: Part) -> Iterator[str]:
    yield from _input(part)
    yield from _ignored(part)
    yield from _beyond(part)
    yield from _overflow(part)
    yield from _zero_denominator(part)
    yield from _stalled(part)
    yield from _silent(part)
    yield from _log_of_zero(part)
    yield from _absorbed(part)
    yield from _wrong_losses(part)
    yield from _broken_losses(part)
    yield from _wrong_reductions(part)
    yield from _clamp(part)
    yield from _broken_gradients(part)
    yield from _lost_gradients(part)
    yield from _stable(part)
    yield from _pair(part)
    cases = part.cases.values()
    if all(_is_of_ignored(case) for case in cases):
        return
    if not any(case.judged for case in cases):
        yield f"In {part.where} there is nothing to judge: see what is wrong with the input."
    elif not _goes_wrong(part):
        yield f"In {part.where} nothing goes wrong beyond rounding."


def _goes_wrong(part: Part) -> bool:
    """Tell whether anything is, or will be, further off than rounding explains, or infinite."""
    of_rows = any(case.rows_hit for case in part.cases.values())
    of_all = any(_is_off(x) or x.reduced is not None or _is_broken(x) for x in part.losses)
    return of_rows or of_all or bool(part.rounding.overflowed) or any(_beyond(part))


_NOTICEABLE = 0.01


def _lost_gradients(part: Part) -> Iterator[str]:
    """Say what the ways back lose, but for `exact`, which is none; `shifted` is the advice."""
    stable = part.case(GRADIENT, "shifted")
    shares: dict[float, list[str]] = {}
    # The stable way comes last, and has a sentence of its own where no other is worse.
    for case in sorted(part.cases.values(), key=lambda case: case is stable):
        lost = case.lost_share
        if lost is None or lost < _NOTICEABLE or case.name.formulation == EXACT:
            continue
        if case is not stable or lost >= max(shares, default=0.0):
            shares.setdefault(lost, []).append(case.name.formulation)
    for lost, names in sorted(shares.items(), reverse=True):
        how_much = "all" if lost == 1 else f"as much as {number(lost)}"
        advice = ""
        if stable is not None and stable.lost_share is not None and stable.lost_share < lost:
            advice = f"; through log-softmax (shifted) it is {number(stable.lost_share)} at most"
        yield (
            f"In {part.where} {how_much} of a row's gradient is lost on the way back through "
            f"{', '.join(names)}{advice}."
        )


_NOT_FINITE = ("nan", "inf", "zero-denominator")


def _broken_gradients(part: Part) -> Iterator[str]:
    """Say which ways back give entries that are not finite though they should be."""
    gradients = [case for (quantity, _), case in part.cases.items() if quantity == GRADIENT]
    broken = [case for case in gradients if _has_broken(case)]
    if not broken:
        return
    stable = part.case(GRADIENT, "shifted")
    advice = ""
    if stable is not None and stable not in broken:
        advice = "; through log-softmax (shifted) they all are"
    names = ", ".join(case.name.formulation for case in broken)
    yield (
        f"In {part.where} the gradients of some rows are not finite on the way back through "
        f"{names}{advice}."
    )


def _has_broken(case: Case) -> bool:
    """Tell whether elements are not finite though they should be; what overflowed may be 0."""
    return bool(case.infinite_ulp) or any(_avoidable(case, kind) for kind in _NOT_FINITE)


def _rows_of(part: Part, kind: str, *names: tuple[str, str]) -> Case | None:
    """Return the first of the named cases in which a kind occurred avoidably."""
    for name in names:
        case = part.case(*name)
        if case is not None and _avoidable(case, kind):
            return case
    return None


def _avoidable(case: Case, kind: str) -> int:
    counts = case.kinds.get(kind)
    return 0 if counts is None else counts.elements - counts.unavoidable


def _of_rows(case: Case, kind: str) -> str:
    return f"{count(case.kinds[kind].rows)} of {plural(case.rows, 'row')}"


def _verb(case: Case, kind: str, one: str, many: str) -> str:
    return one if case.kinds[kind].rows == 1 else many


def _title(case: Case) -> str:
    """Name a case as a person would: naive softmax, log-of-naive log-softmax, clamped ce."""
    return f"{case.name.formulation} {case.name.quantity}"


_NAIVE = (
    ("softmax", "naive"),
    ("log-softmax", "log-of-naive"),
    ("ce", "naive-lse"),
    ("nll", "naive-lse"),
    ("ce", "log-of-naive"),
    ("nll", "log-of-naive"),
)


def _input(part: Part) -> Iterator[str]:
    r = part.rounding
    if r.overflowed:
        yield (
            f"Rounding the input to {r.dtype} makes {plural(r.overflowed, 'logit')} infinite: "
            f"the largest {r.dtype} is {number(part.edges.max_finite)}. Scale the logits, or use "
            "a wider dtype."
        )
    if r.new_ties:
        yield (
            f"Rounding the input to {r.dtype} ties the largest logits of "
            f"{plural(r.new_ties, 'row')}: the argmax there may not be that of the file."
        )
    invalid = max((case.invalid_rows for case in part.cases.values()), default=0)
    if invalid:
        hold = "it holds" if invalid == 1 else "they hold"
        yield (
            f"In {part.where} {plural(invalid, 'row is', 'rows are')} nan by definition, and not "
            f"judged: {hold} a nan or +inf, or nothing but -inf, once rounded."
        )


def _ignored(part: Part) -> Iterator[str]:
    if any(_is_of_ignored(case) for case in part.cases.values()):
        yield (
            "Every row has the ignored label: no loss was looked at. Mend the labels or "
            "--ignore-index."
        )


def _beyond(part: Part) -> Iterator[str]:
    """Say where an exact log-probability may be infinite once rounded, which is no kind."""
    far = part.rounding.far_apart
    if far and any(c.name.quantity != "softmax" for c in part.cases.values()):
        yield (
            f"In {part.where} the logits of {plural(far, 'row')} are more than "
            f"{number(part.edges.max_finite)} apart: a log-probability or a loss as far from 0 is "
            "infinite, however it is computed. Use a wider dtype."
        )


def _is_of_ignored(case: Case) -> bool:
    """Tell whether a case is about labels, and every row has the ignored one."""
    return case.name.quantity in NEED_LABELS and not case.rows


def _overflow(part: Part) -> Iterator[str]:
    case = _rows_of(part, "overflow", *_NAIVE)
    if case is not None:
        edges, largest = part.working, part.rounding.max_logit
        rows = _of_rows(case, "overflow")
        verb = _verb(case, "overflow", "overflows", "overflow")
        start = f"{rows} {verb} in {part.where} ({_title(case)})"
        advice, product = "Subtract the row maximum, or use log-softmax.", ""
        if part.asked.scaled and case.name.quantity in NEED_LABELS:
            product = ", or a product with a weight or a smoothed target,"
            advice = "Of exponentials, subtract the row maximum; of products, use a wider dtype."
        if largest is not None and largest >= edges.exp_first_overflow:
            # The largest logit may stand in another row, even in one that is not judged.
            is_of_all_rows = case.name.quantity not in NEED_LABELS and not case.invalid_rows
            alone = case.kinds["overflow"].rows == 1 and is_of_all_rows
            others = "" if alone else f", and a sum of smaller ones{product} may as well"
            yield (
                f"{start}: {part.exp} passes {number(edges.max_finite)} from "
                f"{number(edges.exp_first_overflow)}{others}; the largest logit is "
                f"{number(largest)}. {advice}"
            )
        else:
            yield (
                f"{start}: every exp(x) fits, but their sum{product} passes "
                f"{number(edges.max_finite)}. {advice}"
            )
    for other in part.cases.values():
        if (other.name.quantity, other.name.formulation) in _NAIVE or not _avoidable(
            other, "overflow"
        ):
            continue
        if other.name.formulation in {"shifted", "log1p"} and other.name.quantity != "nll":
            yield (
                f"Even {_title(other)} overflows in {_of_rows(other, 'overflow')} in {part.where}. "
                "Use a wider dtype."
            )


def _zero_denominator(part: Part) -> Iterator[str]:
    case = _rows_of(part, "zero-denominator", *_NAIVE)
    if case is not None:
        yield (
            f"{_of_rows(case, 'zero-denominator')} {_verb(case, 'zero-denominator', 'is', 'are')} "
            f"0/0 in {part.where} ({_title(case)}): {part.exp} is 0 up to "
            f"{number(part.working.exp_last_zero)}, and no larger logit is in the row. "
            "Subtract the row maximum."
        )


def _stalled(part: Part) -> Iterator[str]:
    hit = [case for case in part.cases.values() if _avoidable(case, "stalled-sum")]
    if hit:
        case = max(hit, key=lambda c: c.kinds["stalled-sum"].rows)
        yield (
            f"Running sums stall, or lose more bits than a wide one, in "
            f"{_of_rows(case, 'stalled-sum')} in {part.where} ({_title(case)}): a sum of ones "
            f"sticks at {number(part.working.sum_of_ones_stalls_at)}. Accumulate in a wider format."
        )


def _silent(part: Part) -> Iterator[str]:
    hit = [case for case in part.cases.values() if _avoidable(case, "silent-error")]
    if not hit:
        return
    case = max(hit, key=lambda c: c.kinds["silent-error"].rows)
    findings = [f.ulp for f in case.worst if f.kind == "silent-error"]
    largest = max(findings, default=float("inf"))
    is_known = part.asked.worst and isfinite(largest)
    extent = f", by up to {ulp(largest)} ULP" if is_known else ""
    names = [other.name.formulation for other in hit if other is not case]
    likewise = [n for n in dict.fromkeys(names) if n != case.name.formulation]
    beside = f" (likewise {', '.join(likewise)})" if likewise else ""
    beyond = "what its rounding explains"
    if part.asked.max_ulp is not None:
        beyond = f"the {number(part.asked.max_ulp)} ULP that are allowed"
    yield (
        f"In {part.where} {_title(case)} is finite but wrong in "
        f"{_of_rows(case, 'silent-error')}{extent}{beside}: beyond {beyond}."
    )


_LOSSES_OF_LOGS = tuple(
    (quantity, formulation)
    for formulation in ("log-of-shifted", "log-of-naive", "clamped")
    for quantity in ("ce", "nll")
)


def _log_of_zero(part: Part) -> Iterator[str]:
    case = _rows_of(
        part, "log-of-zero", ("log-softmax", "log-of-shifted"), ("log-softmax", "log-of-naive")
    )
    if case is not None:
        yield (
            f"log(softmax) is -inf in {_of_rows(case, 'log-of-zero')} in {part.where} "
            f"({_title(case)}), where log-softmax is finite: the probability underflowed to 0. "
            "Use log-softmax."
        )
        return
    case = _rows_of(part, "log-of-zero", *_LOSSES_OF_LOGS)
    if case is not None:
        yield (
            f"{_title(case)} is not finite in {_of_rows(case, 'log-of-zero')} in {part.where}: a "
            "probability underflowed to 0, the logarithm of which is -inf. Use log-softmax."
        )


def _absorbed(part: Part) -> Iterator[str]:
    case = _rows_of(part, "absorbed", ("ce", "shifted"), ("nll", "shifted"))
    noun = "the loss"
    if case is None:
        case = _rows_of(part, "absorbed", ("log-softmax", "shifted"))
        noun = "a log-probability"
    if case is not None:
        under = case.kinds.get("underflow")
        vanished = f"{_of_rows(case, 'absorbed')} by absorption"
        if under is not None:
            rows = plural(under.rows, "row")
            vanished += f", and in {rows} by underflow ({count(under.unavoidable)} unavoidable)"
        start = f"In {part.where} {noun} is 0 where the exact value is not in {vanished} "
        if part.asked.scaled and case.name.quantity in NEED_LABELS:
            yield f"{start}({_title(case)}): it, or a factor of it, vanishes beside what is larger."
        else:
            yield (
                f"{start}({_title(case)}): beside the largest, the other exponentials are 0 or "
                "vanish in the sum. The log1p formulation keeps those that are not 0."
            )


_NOTABLE = 0.01  # a loss that is off by a hundredth is worth a sentence


def _is_off(loss: Loss) -> bool:
    """Return whether a reduced loss is not finite though it should be, or notably wrong."""
    if loss.value is None or loss.exact is None or not isfinite(loss.exact):
        return False
    if loss.ulp is not None and loss.ulp <= 1:
        return False  # nothing in the dtype is much nearer
    exact = float(loss.exact)
    return not isfinite(loss.value) or abs(loss.value - exact) > _NOTABLE * abs(exact)


def _wrong_losses(part: Part) -> Iterator[str]:
    broken = [loss for loss in part.losses if _is_off(loss)]
    for quantity in ("ce", "nll"):
        mine = [loss for loss in broken if loss.name.quantity == quantity]
        if mine and mine[0].exact is not None:
            listed = ", ".join(f"{x.name.formulation} {number(x.value or 0.0)}" for x in mine)
            yield (
                f"The {mine[0].reduction} {quantity} in {part.where} should be "
                f"{'near 0' if mine[0].exact_is_tiny else number(mine[0].exact)}, but is: {listed}."
            )
            return


def _is_broken(loss: Loss) -> bool:
    """Return whether a loss, or that of a row, is not finite."""
    values = np.asarray(loss.per_row if loss.value is None else loss.value)
    return not np.isfinite(values).all()


def _broken_losses(part: Part) -> Iterator[str]:
    """Say which losses are not finite, where no formulation is to blame for it."""
    broken = [loss for loss in part.losses if _is_broken(loss) and not _is_off(loss)]
    for quantity in ("ce", "nll"):
        mine = [loss for loss in broken if loss.name.quantity == quantity]
        if not mine:
            continue
        if mine[0].value is None:
            names = ", ".join(loss.name.formulation for loss in mine)
            yield f"The {quantity} of some rows in {part.where} is not finite ({names})."
        else:
            listed = ", ".join(f"{x.name.formulation} {number(x.value or 0.0)}" for x in mine)
            yield f"The {mine[0].reduction} {quantity} in {part.where} is not finite: {listed}."
        return


def _wrong_reductions(part: Part) -> Iterator[str]:
    for loss in part.losses:
        event = loss.reduced
        if event is None:
            continue
        what = f"the rows of {_names(loss)}"
        if event.of_divisors:
            what = f"what the mean {_names(loss)} is divided by"
        yield f"Adding up {what} in {part.where} {said(event)}. Reduce losses in a wider format."
        return


def _names(loss: Loss) -> str:
    return f"{loss.name.formulation} {loss.name.quantity}"


def _clamp(part: Part) -> Iterator[str]:
    if part.case("ce", "clamped") is None and part.case("nll", "clamped") is None:
        return
    if find_format(part.working.dtype).round_exactly(CLAMP) == 0:
        yield (
            f"The clamped formulation does nothing in {part.where}: its smallest probability "
            "rounds to 0."
        )


def _stable(part: Part) -> Iterator[str]:
    case = part.case("softmax", "shifted") or part.case("log-softmax", "shifted")
    if case is None or not case.judged:
        return
    overflows = _avoidable(case, "overflow") or part.rounding.far_apart
    if not part.asked.errors:
        if not overflows:
            yield f"In {part.where} {_title(case)} overflows nowhere."
        return
    survival = "is" if overflows else "overflows nowhere and is"
    yield (
        f"In {part.where} {_title(case)} {survival} at most {ulp(case.max_ulp)} ULP off; "
        f"{share(case.correctly_rounded, case.judged)} of "
        f"{plural(case.judged, 'element')} correctly rounded."
    )


def _pair(part: Part) -> Iterator[str]:
    judged = part.case("log-softmax", "shifted")
    if judged is None or not judged.judged:
        return
    for pair in part.pairs:
        if (pair.a, pair.b) == (("log-softmax", "log-of-shifted"), ("log-softmax", "shifted")):
            yield _identity(part, pair)


def _identity(part: Part, pair: Pair) -> str:
    """Answer the question whether log(softmax) and log-softmax are the same bits."""
    if pair.identical:
        return f"log(softmax) and log-softmax are bit-identical in {part.where}."
    sentence = (
        f"log(softmax) and log-softmax are not bit-identical in {part.where}: "
        f"{count(pair.differing)} of {plural(pair.elements, 'element')} "
        f"{'differs' if pair.differing == 1 else 'differ'}"
    )
    if pair.max_abs_difference is not None:
        sentence += f", by at most {number(pair.max_abs_difference)} where both are finite"
    same = [name for name, identical in pair.identical_in.items() if identical]
    if same:
        return f"{sentence}; rounded to {' or '.join(same)} they are identical."
    return f"{sentence}."
