"""What happened, told by cause: each cause once, with all the ways that it hits."""

from __future__ import annotations

import pytest

import softmax_tool as st


def test_one_cause_is_told_once_with_the_ways_it_hits() -> None:
    """4096 zeros stall the running sum of float16 at 2048, on every way there and back."""
    report = st.explain([[0.0] * 4096], [5], dtype="half", arithmetic="strict")
    assert len(report.trouble) == 8
    causes = [x for x in report.story if "stall" in x or "running sum" in x]
    assert len(causes) == 1
    assert causes[0].startswith(
        "naive softmax of class 5 is 0.00048828125 and should be 0.000244141, likewise shifted "
        "softmax; log(naive softmax) of class 5 is -7.625 and should be -8.317766, likewise "
        "log(shifted softmax) and shifted log-softmax; the gradient of class 5 "
        "through log(naive softmax) is -0.999512 and should be -0.999756, likewise through "
        "log(shifted softmax) and shifted log-softmax. All go back to step sum: the addend 1 in "
    )
    assert [x for x in report.story if x.startswith("Instead")] == [
        "Instead: keep the sum in a wider accumulator, as the wide-sum and fused arithmetics do."
    ]


def said(row: list[float]) -> list[str]:
    """Return what is and what should be, of every way that goes wrong."""
    report = st.explain([row], dtype="double")
    return [x.said.partition(" is ")[2] for x in report.trouble if not x.unavoidable]


def test_what_is_and_what_should_be_are_told_apart() -> None:
    """With mpmath: softmax 1.40782120e-8, its logarithm -18.0786374797; of the other -737.5916134.

    exp of the first logit is subnormal, 3.2e-316, and so right to eight digits or so.
    """
    assert said([-726.4750559904518, -727.1166648208401, -708.3964185322642]) == [
        "1.40782121e-08 and should be 1.40782120e-08",
        "-18.0786374779 and should be -18.0786374797",
    ]
    far = [0.0, -736.493, -62.3052, 0.0, -26.2304, -12.5777, 0.0]
    assert said(far) == ["-737.592067 and should be -737.591613"] * 2


def test_two_ways_to_the_same_value_that_rounds_to_0() -> None:
    story = st.explain([[-999.0, 1.0, 2.0, 5.0, 6.0]], dtype="single").story
    assert story[0] == (
        "naive softmax of class 0 is 0: the true value, 2.45536e-437, itself rounds to that, "
        "likewise shifted softmax."
    )


def test_a_cause_whose_remedies_are_told_says_so() -> None:
    story = st.explain([[-999.0, 1.0, 2.0, 5.0, 6.0]], dtype="single").story
    shifted = next(x for x in story if x.startswith("log(shifted softmax)"))
    assert shifted.endswith(" What is said above mends this too.")


@pytest.mark.parametrize(("row", "told"), [([89.0, 0.0], False), ([110.0, 0.0], True)])
def test_scaling_is_told_where_the_format_does_not_hold_the_true_gradient(
    row: list[float], told: bool
) -> None:
    """exp(-89), 2.2e-39, float32 holds; exp(-110), 1.7e-48, it does not."""
    story = st.explain([row], [0], dtype="single").story
    if told:
        assert story[-1].startswith("Nothing is to be mended: the true gradient, 1.68891e-48")
    else:
        assert not any("loss scaling" in x or "Nothing is to be mended" in x for x in story)
