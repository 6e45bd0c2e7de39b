"""The rules: what each means, an input that triggers it, how to mend it, and which are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from softmax_tool.errors import UsageError
from softmax_tool.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

About = Literal["input", "labels", "computation", "losses", "candidate", "baseline"]


@frozen
class Rule:
    """One thing that may be wrong.

    Attributes
    ----------
    code, name : str
        What `--select` and `--ignore` take; a prefix of the code is enough.
    about : str
        What the rule looks at, so that a rule without its subject is never taken for one that
        found nothing.
    summary : str
        One phrase.
    meaning, fix : str
        What it means, and what to do.
    example : str
        A command that triggers this rule and no other.
    by_default : bool
        Whether it is on unless `--select` says otherwise.
    budgeted : bool
        Whether the tolerance decides about it, so that `--budget` may cover its elements.
    is_error : bool
        Whether it is an input error, exit code 2, that nothing can turn off.
    """

    code: str
    name: str
    about: tuple[About, ...]
    summary: str
    meaning: str
    fix: str
    example: str
    by_default: bool = True
    budgeted: bool = False
    is_error: bool = False

    @property
    def is_of_input(self) -> bool:
        """Whether it finds something in the logits and their labels, whatever is computed."""
        return not {"input", "labels"}.isdisjoint(self.about)


_ANY_RESULT: tuple[About, ...] = ("computation", "candidate")

RULES: tuple[Rule, ...] = (
    Rule(
        "INP101",
        "nan-logit",
        ("input",),
        "a logit is nan",
        "The row has no softmax: whatever is computed from it is nan.",
        "Find what made it, upstream of these logits.",
        r"printf '1,nan,2\n3,4,5\n' | softmax-tool check - --format concise",
    ),
    Rule(
        "INP102",
        "infinite-logit",
        ("input",),
        "a logit is +inf",
        "inf − inf is nan: the row has no softmax. A logit of −inf is fine, it masks its class.",
        "Something overflowed before. Compute the logits in a wider dtype, or scale them.",
        r"printf '1,inf,2\n3,4,5\n' | softmax-tool check - --format concise",
    ),
    Rule(
        "INP103",
        "masked-row",
        ("input",),
        "every logit of a row is -inf",
        "All classes are masked, so there is nothing to be distributed: 0/0.",
        "Leave such rows out before softmax, or keep one class unmasked.",
        r"printf '%s\n' '-inf,-inf' '3,4' | softmax-tool check - --format concise",
    ),
    Rule(
        "INP104",
        "input-overflow",
        ("input",),
        "a finite logit or weight becomes infinite in the dtype",
        "The logit, or the weight of a class, is beyond the largest number of the dtype; rounding "
        "it gives an infinity before softmax has begun.",
        "Scale it, or use a dtype with more range.",
        r"printf '%s\n' '1,2,-70000' '3,4,5' | softmax-tool check - --dtype half --format concise",
    ),
    Rule(
        "DBL101",
        "probabilities-given",
        ("input",),
        "the logits look like probabilities",
        "Nine rows of ten at least, those with a nan or +inf set aside, lie in [0, 1] and sum to "
        "1, give or take a 64th. Softmax of a softmax is nearly uniform, and its "
        "loss hardly falls: the classic bug of feeding softmax output into cross-entropy.",
        "Give the logits, or use `nll` on the logarithm of these. If they are logits after all: "
        "`--ignore DBL101`.",
        r"printf '0.7,0.2,0.1\n0.1,0.1,0.8\n' | softmax-tool check - --format concise",
    ),
    Rule(
        "DBL102",
        "log-probabilities-given",
        ("input",),
        "the logits look like log-probabilities",
        "The exponentials of nine rows of ten at least, those with a nan or +inf set aside, sum to "
        "1, give or take a 64th: a log-softmax has been here. Another changes nothing but "
        "rounding, and costs what the first one did.",
        "Give the logits, or take `nll` of these. If they are logits after all: `--ignore DBL102`.",
        r"printf '%s\n' '-0.357,-1.609,-2.303' '-2.303,-2.303,-0.223' | "
        "softmax-tool check - --format concise",
    ),
    Rule(
        "LAB101",
        "label-out-of-range",
        ("labels",),
        "a label is no class",
        "A label is negative or not below the number of classes, and not the ignored one. Nothing "
        "can be computed from it: exit code 2.",
        "Mend the labels, or name the one to leave out with `--ignore-index`.",
        r"printf 'a,b,y\n1,2,0\n3,4,7\n' | softmax-tool check - --label-column y",
        is_error=True,
    ),
    Rule(
        "LAB102",
        "all-ignored",
        ("labels",),
        "every label is the ignored one",
        "No row counts, so that no loss was looked at. That is no pass: exit code 2.",
        "Mend the labels or `--ignore-index`, or check without labels.",
        r"printf 'a,b,y\n1,2,-100\n3,4,-100\n' | softmax-tool check - --label-column y",
        is_error=True,
    ),
    Rule(
        "LAB103",
        "masked-label",
        ("labels",),
        "a masked class has a target",
        "The logit of the label is −inf: its loss is +inf, and so is the mean. Rightly so, which "
        "is why no formulation helps. With label smoothing, and of probability labels, a loss "
        "takes every class, and any that is masked does it: nan where its target or its weight is "
        "0.",
        "Mask other classes than those that are labels, or leave the row out with "
        "`--ignore-index`; smooth no labels where classes are masked.",
        r"printf 'a,b,y\n1,-inf,1\n3,4,0\n' | softmax-tool check - --label-column y "
        "--format concise",
    ),
    Rule(
        "OVF101",
        "exp-overflow",
        ("computation",),
        "exp of a logit overflows",
        "A logit is beyond the largest argument whose exponential the dtype can hold: inf/inf is "
        "nan, and so is the row.",
        "Subtract the row's maximum (`shifted`), or use log-softmax.",
        r"printf '12.3,0\n1,2\n' | softmax-tool check - --dtype half --op softmax "
        "--formulation naive --format concise",
    ),
    Rule(
        "OVF102",
        "sum-overflow",
        ("computation",),
        "the sum overflows though every term is finite",
        "Every exponential fits and their sum does not: each probability is x/inf = 0. There is no "
        "nan in sight, and the row sums to 0.",
        "Subtract the row's maximum (`shifted`), or use log-softmax.",
        r"printf '11.0625,11.0625\n1,2\n' | softmax-tool check - --dtype half --op softmax "
        "--formulation naive --format concise",
    ),
    Rule(
        "OVF103",
        "overflow",
        ("computation",),
        "another step overflows",
        "A difference, product or quotient of finite numbers is beyond the dtype, and that reached "
        "the result.",
        "Use a dtype with more range, or scale the logits.",
        r"printf 'a,b,y\n40000,0,0\n' > x.csv; printf '1,10\n' > w.csv; softmax-tool check x.csv "
        "--label-column y --weights w.csv --label-smoothing 0.1 --reduction none --dtype half "
        "--op ce --format concise",
    ),
    Rule(
        "OVF104",
        "result-overflow",
        ("computation",),
        "a result is beyond the dtype",
        "The exact value is finite and rounds to an infinity: no formulation does better in this "
        "dtype.",
        "Use a dtype with more range, or scale the logits.",
        r"printf '%s\n' '60000,-60000' '1,2' | softmax-tool check - --dtype half "
        "--op log-softmax --format concise",
    ),
    Rule(
        "HDR101",
        "headroom",
        ("computation",),
        "a row is close to overflow",
        "The formulation takes exp of logits as they are, and the sum of a row is less than "
        "`--headroom` (1, a factor of e) below the overflow: the next batch may pass it.",
        "Subtract the row's maximum (`shifted`), or use log-softmax.",
        r"printf '10.6875,0\n1,2\n' | softmax-tool check - --dtype half --op softmax "
        "--formulation naive --format concise",
    ),
    Rule(
        "DEN101",
        "zero-denominator",
        ("computation",),
        "0/0, of what rounded to 0",
        "All logits are so low that every exponential rounds to 0, and so their sum: 0/0 is nan. "
        "Or, of a gradient through a logarithm, a probability that rounded to 0 is divided by.",
        "Subtract the row's maximum (`shifted`), or use log-softmax. Take a gradient back through "
        "log-softmax (`--formulation shifted`): that is p − y, without a division by p.",
        r"printf '%s\n' '-20,-20' '1,2' | softmax-tool check - --dtype half --op softmax "
        "--formulation naive --format concise",
    ),
    Rule(
        "LOG101",
        "log-of-zero",
        ("computation",),
        "log of a probability that underflowed to 0",
        "The log-probability is −inf where the exact one is finite, and its gradient is lost.",
        "Use log-softmax instead of log(softmax).",
        r"printf '%s\n' '0,-20' '1,2' | softmax-tool check - --dtype half --op log-of-softmax "
        "--format concise",
    ),
    Rule(
        "UND101",
        "underflow",
        ("computation",),
        "a probability is 0 that should not be",
        "A softmax element is 0 where the exact value is not, by more than the tolerance.",
        "Subtract the row's maximum (`shifted`): what then is 0 rounds to it, or is within a "
        "rounding or two of that.",
        r"printf '%s\n' '-17.5,-10' '1,2' | softmax-tool check - --dtype half --op softmax "
        "--formulation naive --format concise",
        budgeted=True,
    ),
    Rule(
        "UND102",
        "vanished",
        ("computation",),
        "a probability is 0 though no probability is",
        "A softmax element is 0, within the tolerance: the exact value rounds to 0, or to so small "
        "a number that careful computation may miss it. It matters to who takes its logarithm.",
        "Use log-softmax where the logarithm is wanted, or a dtype with more range.",
        r"printf '%s\n' '0,-20' '1,2' | softmax-tool check - --dtype half --op softmax "
        "--select UND --format concise",
        by_default=False,
    ),
    Rule(
        "UND103",
        "subnormal",
        ("computation",),
        "a result is subnormal",
        "The result is below the normal range: it has fewer bits, and hardware that flushes to "
        "zero makes it 0.",
        "Use log-softmax, or a dtype with more range.",
        r"printf '%s\n' '0,-11' '1,2' | softmax-tool check - --dtype half --op softmax "
        "--select UND --format concise",
        by_default=False,
    ),
    Rule(
        "ABS101",
        "absorbed",
        ("computation",),
        "a log-probability, loss or gradient is 0 that should not be",
        "The log-softmax, the loss or an entry of its gradient is 0 where the exact value is not, "
        "by more than the tolerance.",
        "Use the `log1p` formulation; take a gradient back through log-softmax.",
        r"printf '8,0,0\n1,2,0\n' | softmax-tool check - --label-column 2 --header no --dtype half "
        "--op ce --max-ulp 100 --format concise",
        budgeted=True,
    ),
    Rule(
        "ABS102",
        "absorbed-within-bound",
        ("computation",),
        "a log-probability, loss or gradient is 0 by absorption",
        "Beside the largest exponential the others vanish in the sum, so that the log-probability "
        "of a confident prediction is 0, and its gradient too. Within what rounding explains, so "
        "that it is off by default.",
        "Use the `log1p` formulation.",
        r"printf '50,0,0\n1,2,0\n' | softmax-tool check - --label-column 2 --header no "
        "--dtype single --op ce --select ABS --format concise",
        by_default=False,
    ),
    Rule(
        "SUM101",
        "stalled-sum",
        ("computation",),
        "a running sum stalls, or loses bits",
        "The sum is further off than one in a wide accumulator would be. At worst it is so large "
        "that further terms no longer change it: in half precision a sum of ones sticks at 2048, "
        "nothing is nan, and every probability is too large.",
        "Accumulate in a wider format.",
        "python3 -c \"print(','.join(['0'] * 4096))\" | softmax-tool check - --dtype half "
        "--op softmax --arithmetic strict --format concise",
    ),
    Rule(
        "SUM102",
        "row-sum",
        ("candidate",),
        "the probabilities of a row do not sum to 1",
        "The sum, taken exactly, is further from 1 than careful computation can be, which rounds "
        "exponentials, sum and quotients: the denominator is wrong, even where every element is "
        "within its own tolerance.",
        "Accumulate the sum in a wider format, and divide by what was summed.",
        r"printf '0,0\n' > x.csv; printf '0.5,0.505\n' > p.csv; softmax-tool check x.csv "
        "--candidate p.csv --op softmax --dtype single --max-abs 0.01 --format concise",
    ),
    Rule(
        "ACC101",
        "inaccurate",
        _ANY_RESULT,
        "a result is off by more than the tolerance",
        "A finite result is further from the exact value than `--max-ulp`, `--max-abs` or "
        "`--max-rel` allow; without these, than the a-priori bound of the row does, which "
        "careful computation in the dtype always meets. What is correctly rounded never counts.",
        "Look at the listed elements and what they have in common. If they are good enough, "
        "`--suggest` prints the options that say so.",
        r"printf '%s\n' '-17.328125,-17.328125' '1,2' | softmax-tool check - --dtype half "
        "--op softmax --formulation via-lse --max-ulp 1 --format concise",
        budgeted=True,
    ),
    Rule(
        "NAN101",
        "non-finite",
        _ANY_RESULT,
        "a result is nan or infinite that should not be",
        "None of the other selected rules explains it; in a candidate, nothing is known of how it "
        "came about. Right is an infinity only where the exact value is the same one in the dtype, "
        "and nan only where the row has no softmax.",
        "Look at the row: overflow in exp, 0/0, and log(0) are the usual causes.",
        r"printf '0,0\n' > x.csv; printf 'nan,0.5\n' > p.csv; softmax-tool check x.csv "
        "--candidate p.csv --op softmax --dtype single --format concise",
    ),
    Rule(
        "LSS101",
        "non-finite-loss",
        ("losses",),
        "the loss is nan or infinite",
        "The reduced loss is not finite, and no masked label or nan row makes it so: a row "
        "overflowed, the sum over the rows did, or the weights that a mean divides by add up to 0.",
        "Use a stable formulation; reduce losses in a wider format; give some label a weight.",
        r"printf 'a,b,y\n40000,0,1\n40000,0,1\n' | softmax-tool check - --label-column y "
        "--dtype half --op ce --reduction sum --format concise",
    ),
    Rule(
        "LSS102",
        "stalled-loss",
        ("losses",),
        "adding up losses, or what a mean divides by, goes wrong",
        "The rows are fine, their running sum is not: it is further off than one in a wide "
        "accumulator would be, at worst so large that further rows hardly change it. Or what a "
        "mean divides by is, the number of rows or the sum of their weights: where that overflows, "
        "the loss is 0.",
        "Reduce losses in a wider format.",
        "python3 -c \"print('a,b,y\\n' + '0,0,0\\n' * 5000)\" | softmax-tool check - "
        "--label-column y --dtype half --op ce --arithmetic strict --format concise",
    ),
    Rule(
        "RNK101",
        "rank-change",
        _ANY_RESULT,
        "the largest result is not at the largest exact value",
        "The prediction changed: no class with the largest result is one with the largest exact "
        "value.",
        "Take the argmax of the logits, or a formulation that keeps their order.",
        r"printf '1,2\n' > x.csv; printf '0.7310585975646973,0.2689414322376251\n' > p.csv; "
        "softmax-tool check x.csv --candidate p.csv --op softmax --dtype single --select RNK "
        "--format concise",
    ),
    Rule(
        "RNK102",
        "new-ties",
        _ANY_RESULT,
        "the largest results are not exactly the largest exact values",
        "Two classes share the largest result where the correctly rounded values differ, or the "
        "other way round: argmax depends on which of them comes first.",
        "Take the argmax of the logits.",
        r"printf '%s\n' '-0.09125,-0.2336,-0.0915' | softmax-tool check - --dtype half "
        "--op softmax --select RNK102 --format concise",
        by_default=False,
    ),
    Rule(
        "RNK103",
        "input-ties",
        ("input",),
        "rounding the logits ties the largest of a row",
        "Two largest logits that differ in the file are equal in the dtype, so that the argmax may "
        "change.",
        "Take the argmax before rounding, or use a dtype with more precision.",
        r"printf '2048.4,2048.6\n1,2\n' | softmax-tool check - --dtype half --select RNK "
        "--format concise",
        by_default=False,
    ),
    Rule(
        "RNG101",
        "out-of-range",
        ("candidate",),
        "a value is outside its range",
        "A probability is negative or above 1, a log-probability is above 0, or a loss below 0, "
        "however little.",
        "Sum what is divided by: e/Σe is never above 1. For losses, use `log1p`, or clamp.",
        r"printf '40,0\n' > x.csv; printf '1.0000001192092896,4e-18\n' > p.csv; softmax-tool check "
        "x.csv --candidate p.csv --op softmax --dtype single --max-abs 1e-6 --format concise",
    ),
    Rule(
        "ORD101",
        "not-monotone",
        ("candidate",),
        "a larger logit has a smaller result",
        "Softmax and log-softmax keep the order of the logits. Two results are the other way "
        "round, by more than rounding explains.",
        "Look for classes that were written to the wrong place.",
        r"printf '0,1,9\n' > x.csv; printf '0.000335,0.000123,0.999541\n' > p.csv; softmax-tool "
        "check x.csv --candidate p.csv --op softmax --dtype single --max-abs 0.001 "
        "--format concise",
    ),
    Rule(
        "BSL101",
        "worse-than-baseline",
        ("baseline",),
        "the candidate is further off than the baseline",
        "The largest error of the candidate is more than `--factor` (2) times that of the "
        "baseline, both against the exact values, in ULP; half an ULP is always granted.",
        "Look at the listed elements, where the candidate is worst.",
        r"printf '1,2\n' > x.csv; printf '0.26894143,0.73105857\n' > b.csv; "
        r"printf '0.26894155,0.73105857\n' > p.csv; softmax-tool check x.csv --candidate p.csv "
        "--baseline b.csv --op softmax --dtype single --max-abs 1e-6 --format concise",
    ),
    Rule(
        "BSL102",
        "inaccurate-baseline",
        ("baseline",),
        "it is the baseline that is bad",
        "The baseline itself is beyond the tolerance, or not finite, so that being as good as it "
        "says nothing.",
        "Compare with a baseline that is right; `softmax-tool compute -o` writes one.",
        r"printf '1,2\n' > x.csv; printf '0.3,0.7\n' > b.csv; "
        r"printf '0.26894143,0.73105857\n' > p.csv; softmax-tool check x.csv --candidate p.csv "
        "--baseline b.csv --op softmax --dtype single --format concise",
    ),
)

GIVEN = "given"
"""The formulation of results that somebody else computed."""

BY_CODE = {rule.code: rule for rule in RULES}


def selected(select: Sequence[str], ignore: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules that are on: the default ones or those selected, less those ignored.

    Each entry is a code, a prefix of codes, a name, or `all`. Input errors are always on.

    Raises
    ------
    UsageError
        For an entry that names no rule, or one that cannot be ignored; if none is left.
    """
    chosen = _named("--select", select) if select else {r.code for r in RULES if r.by_default}
    left_out, asked = ignored(ignore), {entry.lower() for entry in ignore}
    for code in left_out:
        if BY_CODE[code].is_error and {code.lower(), BY_CODE[code].name} & asked:
            raise UsageError(f"--ignore {code}: is an input error, which cannot be ignored")
    left = tuple(r for r in RULES if r.code in chosen - left_out and not r.is_error)
    if not left:
        raise UsageError(
            "no rule is selected, so that nothing would be checked; see --list-rules for all"
        )
    return left


def ignored(ignore: Sequence[str]) -> frozenset[str]:
    """Return the codes of the rules that are not to be looked for."""
    return frozenset(_named("--ignore", ignore))


def _named(option: str, entries: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for entry in entries:
        codes = {rule.code for rule in RULES if _matches(rule, entry)}
        if not codes:
            raise UsageError(f"{option} {entry}: names no rule; see --list-rules for all")
        found |= codes
    return found


def _matches(rule: Rule, entry: str) -> bool:
    if entry.lower() in {"all", rule.name}:
        return True
    return bool(entry) and rule.code.startswith(entry.upper())
