from __future__ import annotations

import io
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from flint import arb, ctx, fmpq

import softmax_tool as st
from softmax_tool.formats import FORMATS
from softmax_tool.inspection.blocks import summarise
from softmax_tool.inspection.inspecting import inspect
from softmax_tool.inspection.worst import worst_rows
from softmax_tool.readers import Block, from_arrays, open_logits
from softmax_tool.renderers import render

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from softmax_tool.inspection.summary import InspectSummary

    Array = NDArray[Any]

ODD = np.array(
    [
        [np.nan, 1.0, 2.0],
        [np.inf, 0.0, 1.0],
        [-np.inf, -np.inf, -np.inf],
        [-np.inf, 4.0, 4.0],
        [1e6, -1e6, 0.0],
        [0.2, 0.3, 0.5],
    ]
)


@pytest.fixture(autouse=True)
def many_bits() -> Any:
    before, ctx.prec = ctx.prec, 400
    yield
    ctx.prec = before


def true_rows(logits: Array, labels: Array) -> tuple[list[Any], list[Any]]:
    """Give the loss and the entropy of every row as balls."""
    losses, entropies = [], []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        e = [arb(fmpq(*x.as_integer_ratio())).exp() for x in row]
        p = [x / sum(e, arb(0)) for x in e]
        losses.append(-p[label].log())
        entropies.append(-sum((q * q.log() for q in p), arb(0)))
    return losses, entropies


def test_counts_and_range() -> None:
    report = st.inspect(ODD)
    assert (report.nans, report.positive_infinities, report.masked) == (1, 1, 4)
    assert (report.rows, report.invalid_rows, report.tied_rows) == (6, 3, 1)
    found = report.range
    assert (found.smallest, found.largest) == (-1e6, 1e6)
    assert (found.smallest_maximum, found.largest_maximum, found.widest_span) == (0.5, 1e6, 2e6)
    looks = report.looks_like
    assert (looks.kind, looks.logits, looks.probabilities, looks.undecided) == ("logits", 3, 1, 2)


def test_nothing_finite_has_no_range() -> None:
    report = st.inspect([[np.nan, -np.inf]])
    assert report.range.smallest is None
    assert [room.headroom for room in report.headroom] == [None] * len(FORMATS)


# Rows and, by hand, whether they survive in float16: naively, shifted.
SURVIVAL = [
    ([11.0859375, -50.0], True, True),
    ([11.09375, 0.0], False, True),  # the first overflow of exp
    ([11.0859375, 11.0859375], False, True),  # 65248 twice is beyond 65504
    ([10.5, 10.5, 10.5], False, True),  # 36320 three times is
    ([10.0, 10.0], True, True),  # 22032 twice is not
    ([-17.34375, -18.0], False, True),  # every exp is 0
    ([-17.328125, -18.0], True, True),
    ([70000.0, 0.0], False, False),
    ([60000.0, -60000.0], False, False),  # their distance is beyond 65504
    ([5.0, -np.inf], True, True),
]


@pytest.mark.parametrize(("row", "naive", "shifted"), SURVIVAL)
def test_survival_in_half(row: list[float], naive: bool, shifted: bool) -> None:
    [room] = st.inspect([row], dtypes=["half"]).headroom
    assert (room.naive, room.shifted, room.rows) == (int(naive), int(shifted), 1)
    assert room.headroom == 11.0859375 - max(row)
    assert room.overflowed == sum(abs(x) >= 65520 for x in row if np.isfinite(x))


@pytest.mark.parametrize(
    ("rows", "overflowed"),
    [
        ([[1e6, np.nan], [1.0, 2.0]], 1),
        ([[1e6, np.nan], [1e6, 2.0]], 2),
        ([[-1e6, np.inf], [1.0, 2.0]], 1),
        ([[-np.inf, np.nan], [65519.0, -65520.0]], 1),
        ([[np.nan, np.inf], [-np.inf, -np.inf]], 0),
    ],
)
def test_what_a_dtype_makes_infinite_is_counted_in_rows_that_are_nan_too(
    rows: list[list[float]], overflowed: int
) -> None:
    [room] = st.inspect(rows, dtypes=["half"]).headroom
    assert room.overflowed == overflowed
    [rounding] = st.compare(rows, dtypes=["half"], ops=["softmax"]).input_rounding
    assert rounding.overflowed == overflowed


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_survival_is_what_compute_finds(dtype: str) -> None:
    rows = np.random.default_rng(2).normal(size=(300, 7)) * np.linspace(1, 400, 300)[:, None]
    [room] = st.inspect(rows, dtypes=[dtype]).headroom
    [softmax] = st.compute(rows, dtypes=[dtype], ops=["softmax"], formulations=["naive"]).results
    assert softmax.values is not None
    with np.errstate(all="ignore"):
        sums = softmax.values.astype(np.float64).sum(axis=1)
    assert room.naive == int(np.count_nonzero(np.abs(sums - 1) < 0.5))
    assert 0 < room.naive < 300


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_labels_against_balls(dtype: type) -> None:
    generator = np.random.default_rng(11)
    logits: Array = (generator.normal(size=(40, 6)) * 6).astype(dtype)
    labels = generator.integers(0, 6, size=40)
    losses, entropies = true_rows(logits, labels)
    found = st.inspect(logits, labels, top=3).labels
    assert found is not None
    mean = sum(losses, arb(0)) / 40
    assert found.mean_loss == float(mean)
    assert found.perplexity == float(mean.exp())
    assert found.mean_entropy == float(sum(entropies, arb(0)) / 40)
    assert found.uniform_loss == pytest.approx(float(arb(6).log()), rel=1e-15)
    assert found.correct == int((logits.argmax(axis=1) == labels).sum())
    order = sorted(range(40), key=lambda row: -float(losses[row]))[:3]
    assert [(x.row, x.label) for x in found.worst] == [(row, labels[row]) for row in order]
    assert [x.loss for x in found.worst] == [float(losses[row]) for row in order]
    counts = [(int((labels == c).sum()), c) for c in range(6)]
    assert [(x.rows, x.label) for x in found.most_common] == sorted(
        counts, key=lambda pair: (-pair[0], pair[1])
    )[:3]


@pytest.mark.parametrize("row", [[300.3, 0.7], [100.1, -500.3], [700.1, 0.3], [600.7, 600.1, 0.2]])
def test_a_confident_row_to_the_last_bit(row: list[float]) -> None:
    ctx.prec = 3000  # p log p of what is nearly 1 cancels
    [loss], [entropy] = true_rows(np.array([row]), np.array([0]))
    found = st.inspect([row], [0]).labels
    assert found is not None
    assert (found.mean_loss, found.mean_entropy) == (float(loss), float(entropy))
    assert found.worst[0].loss == float(loss)


def test_rows_of_nearly_the_same_loss_are_in_their_order() -> None:
    # Of equal logits a loss is log 2 times the sum of the probabilities, here not quite 1.
    logits = [[21.89324280607974] * 2, [-64.87010180791034] * 2]
    labels = [[0.0016503874564123989, 0.9983496125435877], [0.25278416711546303, 0.747215832884537]]
    sums = [sum((arb(fmpq(*t.as_integer_ratio())) for t in row), arb(0)) for row in labels]
    losses = [float(total * arb(2).log()) for total in sums]
    assert losses[0] > losses[1]
    found = st.inspect(logits, labels).labels
    assert found is not None
    assert [(x.row, x.loss) for x in found.worst] == [(0, losses[0]), (1, losses[1])]


# Of tables with two classes, so many rows at the start are computed in double-double.
IN_FULL = 1 << 16


def later(rows: Array) -> tuple[Array, Array]:
    """Return logits, and labels of 0, with some rows behind those; the others' losses are 0."""
    return np.concatenate([np.tile([0.0, -np.inf], (IN_FULL, 1)), rows]), np.zeros(
        IN_FULL + len(rows), int
    )


def test_later_rows_of_a_large_table() -> None:
    ctx.prec = 3000
    rows = np.random.default_rng(8).normal(size=(300, 2)) * 90
    losses, entropies = true_rows(rows, np.zeros(300, int))
    logits, labels = later(rows)
    found = st.inspect(logits, labels, top=7).labels
    assert found is not None
    order = sorted(range(300), key=lambda row: -float(losses[row]))[:7]
    assert [(x.row - IN_FULL, x.loss) for x in found.worst] == [
        (row, float(losses[row])) for row in order
    ]
    mean, entropy = (float(sum(x, arb(0)) / len(labels)) for x in (losses, entropies))
    assert found.mean_loss == pytest.approx(mean, rel=2.0**-43)
    assert found.mean_entropy == pytest.approx(entropy, rel=2.0**-43)


@pytest.mark.parametrize("ties", [3, 300])
def test_later_rows_that_tie_are_in_the_order_of_their_places(ties: int) -> None:
    logits, labels = later(np.tile([0.3, 0.1], (ties, 1)))
    whole = st.inspect(logits, labels, top=2).labels
    assert whole is not None
    assert [x.row - IN_FULL for x in whole.worst] == [0, 1]
    cuts = list(range(IN_FULL + 1, len(logits), 2))
    total, *parts = parts_of(logits, labels, cuts)
    for part in parts:
        total = total + part
    assert total.labels is not None
    assert worst_rows(total.labels.worst, 2) == whole.worst


def test_later_losses_that_are_far_from_0_have_tails() -> None:
    logits, labels = later(np.array([[-3e9 - 0.1, 0.0]]))
    found = st.inspect(logits, labels).labels
    assert found is not None
    # The loss of [x, 0] at so small an x is -x, but for exp(x).
    mean = arb(fmpq(*(3e9 + 0.1).as_integer_ratio())) / (IN_FULL + 1)
    assert found.mean_loss == float(mean)
    digits = mean.exp().str(40, radius=False)
    assert abs(Decimal(str(found.perplexity)) / Decimal(digits) - 1) < Decimal("1e-9")


def test_a_loss_that_is_nan_comes_last() -> None:
    rows = [[0.0, -np.inf], [0.0, 1.0], [2.0, 0.0]]
    found = st.inspect(rows, [[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]], top=2).labels  # 0 · ∞
    assert found is not None
    assert [x.row for x in found.worst] == [1, 2]
    assert np.isnan(found.mean_loss or 0)
    every = st.inspect(rows[:1] * 3, [[1.0, 0.0]] * 3, top=2).labels
    assert every is not None
    assert [x.row for x in every.worst] == [0, 1]


def test_what_is_below_every_float64_comes_before_0() -> None:
    found = st.inspect([[0.0, -np.inf], [800.0, 0.0]], [0, 0]).labels
    assert found is not None
    assert [(x.row, x.loss_is_tiny) for x in found.worst] == [(1, True), (0, False)]


def test_ties_ignored_rows_and_rows_that_are_nan() -> None:
    logits = [[1.0, 1.0, 0.0], [3.0, 1.0, 0.0], [np.nan, 0.0, 0.0], [0.0, 5.0, 0.0]]
    found = st.inspect(logits, [1, -100, 0, 1]).labels
    assert found is not None
    assert (found.kept, found.ignored, found.correct, found.tied) == (2, 1, 1, 1)
    assert (found.classes_present, [x.label for x in found.least_common]) == (2, [2, 0, 1])


def test_a_masked_label_costs_everything() -> None:
    found = st.inspect([[0.0, -np.inf]], [1]).labels
    assert found is not None
    assert (found.mean_loss, found.perplexity) == (np.inf, np.inf)


def test_a_loss_below_every_float64_is_not_0() -> None:
    found = st.inspect([[800.0, 0.0], [0.0, -np.inf]], [0, 0]).labels
    assert found is not None
    # exp(-800) of the first row; the second is certain, and its entropy is 0 in truth.
    assert (found.mean_loss, found.mean_loss_is_tiny) == (0, True)
    assert (found.mean_entropy, found.mean_entropy_is_tiny) == (0, True)
    assert [(x.row, x.loss, x.loss_is_tiny) for x in found.worst] == [(0, 0, True), (1, 0, False)]
    certain = st.inspect([[0.0, -np.inf]], [0]).labels
    assert certain is not None
    assert (certain.mean_loss_is_tiny, certain.mean_entropy_is_tiny) == (False, False)


def test_a_mean_below_every_float64_is_not_0() -> None:
    # exp(-744.4) is the smallest subnormal once rounded, and a tenth of it is 0.
    found = st.inspect([[744.4, 0.0]] + [[0.0, -np.inf]] * 9, [0] * 10).labels
    assert found is not None
    assert found.worst[0].loss == 5e-324
    assert (found.mean_loss, found.mean_loss_is_tiny) == (0, True)


def test_a_perplexity_beyond_float64() -> None:
    found = st.inspect([[0.0, 1000.0]], [0]).labels
    assert found is not None
    assert f"{found.perplexity:.4e}" == "1.9701e+434"  # exp(1000)


@pytest.mark.parametrize("classes", [2, 3, 7, 10, 1000])
def test_the_perplexity_of_equal_logits_is_how_many_they_are(classes: int) -> None:
    found = st.inspect([[0.0] * classes] * 3, [0, 1, 0]).labels
    assert found is not None
    assert found.perplexity == classes


def test_a_perplexity_is_that_of_the_mean_and_not_of_its_rounding() -> None:
    logits: Array = np.random.default_rng(6).normal(size=(50, 4)) * 200
    labels = logits.argmin(axis=1)
    ctx.prec = 3000
    mean = sum(true_rows(logits, labels)[0], arb(0)) / 50
    found = st.inspect(logits, labels).labels
    assert found is not None
    assert found.mean_loss is not None
    assert found.mean_loss > 300
    assert found.perplexity == float(mean.exp())


@pytest.mark.parametrize(("loss", "digits"), [(1e3, 17), (3.2e13, 15), (1e18, 11)])
def test_the_digits_of_a_perplexity_beyond_float64(loss: float, digits: int) -> None:
    found = st.inspect([[0.0, loss]] * 3, [0, 0, 0]).labels
    assert found is not None
    assert isinstance(found.perplexity, Decimal)
    mantissa, exponent = str(found.perplexity).split("E+")
    assert len(mantissa) == digits + 1
    power = arb(loss) - int(exponent) * arb(10).log()  # exp of a loss so large is exp(loss)
    assert abs(arb(mantissa) / power.exp() - 1) < arb(10) ** (1 - digits)


def test_a_perplexity_beyond_decimals() -> None:
    report = st.inspect([[-5e18, 0.0]], [0])
    assert report.labels is not None
    assert report.labels.perplexity == Decimal("1e999999999999999999")
    stream = io.StringIO()
    render("json", report, stream)
    assert '"perplexity": "1e+999999999999999999"' in stream.getvalue()


@pytest.mark.parametrize(
    ("logit", "shown"),
    [
        (0.0, "2"),
        (20.0, "1 + 2.06e-09"),  # exp(-20) is 2.0612e-9
        (40.0, "1 + 4.25e-18"),  # exp(-40) is 4.2484e-18
        (800.0, "> 1"),
    ],
)
def test_a_perplexity_near_1_is_told_by_its_distance(logit: float, shown: str) -> None:
    stream = io.StringIO()
    render("table", st.inspect([[logit, 0.0]], [0]), stream)
    lines = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    assert f"perplexity {shown}" in lines


def test_probabilities_as_labels() -> None:
    found = st.inspect([[0.0, 1.0]], [[0.5, 0.5]]).labels
    assert found is not None
    # half of log(1 + e) and half of log(1 + e) − 1
    assert found.mean_loss == pytest.approx(0.8132616875182228)
    assert found.classes_present is None


@pytest.mark.parametrize(
    ("label", "counted"),
    [
        ([0.5, 0.5, 0.0], (1, 0)),  # the largest logit is one of the most probable classes
        ([0.5, 0.0, 0.5], (0, 0)),
        ([0.25, 0.75, 0.0], (1, 0)),
    ],
)
def test_probabilities_as_labels_are_met_by_any_of_the_most_probable_classes(
    label: list[float], counted: tuple[int, int]
) -> None:
    found = st.inspect([[1.0, 3.0, 2.0]], [label]).labels
    assert found is not None
    assert (found.correct, found.tied) == counted
    tied = st.inspect([[3.0, 3.0, 2.0]], [label]).labels
    assert tied is not None
    assert (tied.correct, tied.tied) == (0, 1)


def test_one_class_is_told() -> None:
    for value in (1.0, 0.0, 5.0):
        assert "There is one class" in st.inspect([[value]]).verdict[0]


def test_how_many_rows_look_alike_is_told() -> None:
    rows = [[0.25] * 4] * 19 + [[3.0, 1.0, 2.0, 4.0]]
    assert "probabilities: 19 of 20 rows sum to 1" in st.inspect(rows).verdict[0]
    assert "exponentials of 19 of 20 rows sum" in st.inspect(np.log(rows)).verdict[0]


def test_double_softmax_is_told() -> None:
    report = st.inspect(np.full((4, 10), 0.1))
    assert report.looks_like.kind == "probabilities"
    assert report.loss == "log, then nll"
    # one class at logit 1 and nine at 0: log(e + 9) − 1
    assert "could not fall below 1.46115" in report.verdict[0]
    assert st.inspect(np.log(np.full((4, 10), 0.1))).loss == "nll"


def parts_of(logits: Array, labels: Array, cuts: list[int]) -> list[InspectSummary]:
    edges = [0, *cuts, len(logits)]
    formats = tuple(FORMATS.values())
    return [
        summarise(Block(a, logits[a:b], labels[a:b]), formats, "logits", -100, 4)
        for a, b in pairwise(edges)
    ]


def test_the_whole_is_the_sum_of_its_parts() -> None:
    logits = np.concatenate([ODD, np.random.default_rng(4).normal(size=(50, 3)) * 9])
    labels = np.arange(len(logits)) % 3
    [whole] = parts_of(logits, labels, [])
    for cuts in ([1], [5, 6, 40], [20, 30]):
        parts = parts_of(logits, labels, cuts)
        for order in (parts, parts[::-1]):
            total = order[0]
            for part in order[1:]:
                total = total + part
            assert repr(total) == repr(whole)


def test_the_report_depends_on_neither_threads_nor_shards(tmp_path: Path) -> None:
    logits = (np.random.default_rng(9).normal(size=(3000, 200)) * 5).astype(np.float16)
    labels = np.arange(3000) % 200
    one = inspect(from_arrays(logits, labels), threads=1)
    assert inspect(from_arrays(logits, labels), threads=4) == one
    names = [str(tmp_path / f"{part}.npy") for part in range(3)]
    for name, part in zip(names, np.split(logits, [7, 2000]), strict=True):
        np.save(name, part)
    np.save(tmp_path / "labels.npy", labels)
    shards = inspect(open_logits(names, labels=(str(tmp_path / "labels.npy"),)))
    assert (shards.range, shards.headroom, shards.labels) == (one.range, one.headroom, one.labels)


def test_what_cannot_be_inspected() -> None:
    with pytest.raises(st.UsageError, match="worst rows cannot be -1"):
        st.inspect([[1.0]], top=-1)
    with pytest.raises(st.UsageError, match="unknown dtype 'quarter'"):
        st.inspect([[1.0]], dtypes=["quarter"])


def test_declared_probabilities_are_looked_at_as_logarithms() -> None:
    p = np.array([[0.25, 0.75], [0.5, 0.5]])
    report = st.inspect(p, [0, 1], input_kind="probs")
    assert report.looks_like.probabilities == 2
    assert report.loss == "log, then nll"
    assert (report.range.smallest, report.range.largest) == (np.log(0.25), np.log(0.75))
    assert report.labels is not None
    # −log of 1/4 and of 1/2, halved
    assert report.labels.mean_loss == pytest.approx(1.5 * np.log(2), rel=1e-15)
    assert (report.range.stored_smallest, report.range.stored_largest) == (0.25, 0.75)


def test_what_is_wrong_with_declared_distributions_is_named() -> None:
    rows = [[0.25] * 4] * 19 + [[0.5, 0.5, 0.5, -0.5]]
    report = st.inspect(rows, input_kind="probs")
    assert report.verdict[1:3] == (
        (
            "Declared probs, but 1 of 20 rows is no distribution: 1 row holds a negative value "
            "(row 19: -0.5)."
        ),
        "1 row is nan by definition: it holds a negative value, which has no logarithm.",
    )
    assert (report.nans, report.negatives, report.masked) == (0, 1, 0)
    assert (report.range.stored_smallest, report.range.stored_largest) == (-0.5, 0.5)
    logits = st.inspect([[3.0, 1.0]], input_kind="log-probs").verdict
    assert "(row 0: 3); the table looks like logits." in logits[1]
    assert "cross-entropy divides by their sum first, which changes rows" in logits[0]
    fitting = st.inspect(np.log([[0.75, 0.25]]), input_kind="log-probs").verdict
    assert "cross-entropy gives the same" in fitting[0]


@pytest.mark.parametrize(
    ("rows", "declared", "reasons"),
    [
        ([[np.nan, 1.0], [1.0, 2.0]], "logits", "it holds a nan."),
        ([[np.nan, 1.0], [np.inf, 2.0]], "logits", "they hold a nan or +inf."),
        ([[-np.inf, -np.inf]], "logits", "it holds nothing but -inf."),
        ([[0.0, 0.0], [np.nan, -1.0]], "probs", "they hold a nan or a negative value, "),
        ([[0.0, 0.0], [0.5, 0.5]], "probs", "it holds nothing but 0."),
        ([[-np.inf, 1.0]], "probs", "it holds a negative value, which has no logarithm."),
    ],
)
def test_why_rows_are_nan_by_definition(rows: Any, declared: str, reasons: str) -> None:
    said = st.inspect(rows, input_kind=declared).verdict
    [sentence] = [x for x in said if "nan by definition" in x]
    assert reasons in sentence
    assert not any(x.startswith("Every row survives") for x in said)


@pytest.mark.parametrize("declared", ["logits", "probs", "log-probs"])
@pytest.mark.parametrize("row", [[np.nan, np.nan], [-np.inf, -np.inf]])
def test_where_no_row_can_be_judged_nothing_is_suggested(declared: str, row: list[float]) -> None:
    report = st.inspect([row], input_kind=declared)
    assert (report.looks_like.kind, report.loss) == (None, None)
    assert report.verdict[0].startswith("No row can be judged")
    assert [room.rows for room in report.headroom] == [0, 0, 0]
    assert not any("look like" in sentence or "survive" in sentence for sentence in report.verdict)


def test_ignored_rows_have_no_figures() -> None:
    report = st.inspect([[1.0, 2.0], [3.0, 4.0]], [-100, -100])
    assert report.verdict[-1] == (
        "Every row is ignored, its label being -100: no loss was looked at; mend the labels or "
        "--ignore-index."
    )
    found = report.labels
    assert found is not None
    assert (found.kept, found.ignored, found.classes_present) == (0, 2, 0)
    assert (found.most_common, found.least_common, found.worst) == ((), (), ())
    nan = st.inspect([[np.nan, 2.0]], [1]).verdict
    assert "Every row whose label counts is nan by definition: no loss was looked at." in nan


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (2, "1 class has no row: 1."),
        (4, "3 classes have no row: 1, 2, 3."),
        (5, "4 classes have no row: the first are 1, 2 and 3."),
    ],
)
def test_classes_without_a_row_are_listed(classes: int, said: str) -> None:
    assert st.inspect([[0.0] * classes], [0]).verdict[-1] == said


def test_labelled_rows_that_are_nan_are_counted() -> None:
    report = st.inspect([[1.0, 2.0], [np.nan, 4.0], [3.0, 1.0], [0.0, 1.0]], [0, 1, -100, 1])
    stream = io.StringIO()
    render("table", report, stream)
    lines = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    place = lines.index("rows counted 2")
    assert lines[place + 1 : place + 3] == ["rows ignored 1", "rows nan 1, counted only by class"]
