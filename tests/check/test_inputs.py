"""Rules about logits, labels and weights: whose rows count, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HALF = ("--label-column", "y", "--op", "ce", "--dtype", "half", "--format", "json")


@pytest.mark.parametrize("row", ["70000,0", "2048.4,2048.6"])
def test_rows_with_the_ignored_label_may_hold_what_is_lost_by_rounding(
    check: Callable[..., Any], row: str
) -> None:
    rules = ("--select", "INP,RNK,OVF")
    kept = check(f"a,b,y\n{row},0\n1,2,0\n", *HALF, *rules)
    assert kept.failed in (["INP104"], ["RNK103"])
    ignored = check(f"a,b,y\n{row},-100\n1,2,0\n", *HALF, *rules)
    assert (ignored.code, ignored.failed) == (0, [])


@pytest.mark.parametrize(
    ("row", "weights", "options", "said"),
    [
        ("3,-inf,1", "1,1\n", (), "label 1 is a masked class, logit -inf: the loss is inf"),
        ("3,-inf,1", "1,0\n", (), "label 1 is a masked class, logit -inf: the loss is nan"),
        ("3,-inf,1", "1,-1\n", (), "label 1 is a masked class, logit -inf: the loss is -inf"),
        (
            "3,-inf,0",
            "1,1\n",
            ("--label-smoothing", "0.5"),
            "class 1, of target 0.25, is masked, logit -inf: the loss is inf",
        ),
        (
            "3,-inf,0",
            "1,0\n",
            ("--label-smoothing", "0.5"),
            "class 1, of target 0.25, is masked, logit -inf: the loss is nan",
        ),
    ],
)
def test_masked_classes_that_a_loss_takes(
    check: Callable[..., Any], row: str, weights: str, options: tuple[str, ...], said: str
) -> None:
    """A product with −inf is infinite, with its sign; 0 times that is nan."""
    done = check(f"a,b,y\n{row}\n0,1,0\n", *HALF, *options, weights=weights)
    [finding] = [found for found in done.report["findings"] if found["code"] == "LAB103"]
    assert (finding["row"], finding["column"], finding["message"]) == (0, 1, said)
    assert done.code == 1


@pytest.mark.parametrize(("target", "loss"), [("0.25", "inf"), ("0", "nan")])
def test_probability_labels_of_masked_classes(
    check: Callable[..., Any], target: str, loss: str
) -> None:
    labels = f"{1 - float(target)},{target}\n0.5,0.5\n"
    done = check("3,-inf\n0,1\n", "--op", "ce", "--format", "json", labels=labels)
    [finding] = [found for found in done.report["findings"] if found["code"] == "LAB103"]
    told = f"class 1, of target {target}, is masked, logit -inf: the loss is {loss}"
    assert finding["message"] == told


@pytest.mark.parametrize(("target", "failed"), [("0.25", ["LAB103"]), ("0", [])])
@pytest.mark.parametrize("op", ["softmax", "gradient"])
def test_a_share_of_a_masked_class_is_told_without_a_loss(
    check: Callable[..., Any], op: str, target: str, failed: list[str]
) -> None:
    labels = f"{1 - float(target)},{target}\n0.5,0.5\n"
    options = ("--op", op, "--select", "LAB103,INP", "--format", "json")
    assert check("3,-inf\n0,1\n", *options, labels=labels).failed == failed


def test_a_gradient_of_all_classes_is_finite_where_some_are_masked(
    check: Callable[..., Any],
) -> None:
    options = ("--label-column", "y", "--op", "gradient", "--label-smoothing", "0.1")
    assert check("a,b,y\n3,-inf,0\n0,1,0\n", *options, "--select", "LAB103,INP").code == 0


def test_weights_that_a_dtype_makes_infinite_or_0(check: Callable[..., Any]) -> None:
    table = "a,b,y\n1,0,0\n0,2,1\n"
    done = check(table, *HALF, weights="70000,1\n")
    [finding] = [found for found in done.report["findings"] if found["code"] == "INP104"]
    told = "float16 weight 70000 of class 0 is beyond 65504 and becomes infinite"
    assert (finding["row"], finding["column"], finding["message"]) == (None, 0, told)
    assert done.code == 1
    assert "OVF104" not in done.failed
    done = check(table, *HALF, weights="1e-9,1\n")
    assert done.code == 0
    assert "makes some of them 0: losses are those of the rounded weights" in done.err


def test_of_how_many_rows_some_look_like_probabilities(check: Callable[..., Any]) -> None:
    done = check("0.5,0.5\n0.25,0.75\nnan,1\n", "--select", "DBL", "--format", "json")
    [finding] = done.report["findings"]
    assert finding["message"] == "2 of 2 rows without nan or +inf sum to 1"


@pytest.mark.parametrize("op", ["ce", "nll"])
@pytest.mark.parametrize(("reduction", "loss"), [("mean", "nan"), ("sum", "inf")])
def test_a_loss_that_an_infinite_weight_makes_does_not_pass(
    check: Callable[..., Any], op: str, reduction: str, loss: str
) -> None:
    """float32 has no 1e60; inf / inf is nan."""
    done = check(
        "a,b,c,y\n10.2,6.2,-0.8,1\n1,2,3,0\n",
        *("--label-column", "y", "--op", op, "--dtype", "single", "--reduction", reduction),
        *("--select", "NAN,ACC,LSS", "--format", "json"),
        weights="1,1e60,2\n",
    )
    assert (done.code, done.failed) == (1, ["LSS101"])
    [finding] = done.report["findings"]
    name = f"{reduction} of float32 shifted {op} is {loss}"
    assert finding["message"] == f"{name}: the weight of a label is infinite once rounded"
