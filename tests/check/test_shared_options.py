"""Options of input that the logits and the results share: each is about the files that it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# Of the row 0, 50 the softmax is 1.93e-22, 1: in half precision 0, 1. Of 1, 2 it is 1 / (1 + e).
X = np.array([[0, 50], [1, 2]], np.float32)
HALF = ("--op", "softmax", "--dtype", "half", "--select", "ACC101,NAN101")
ROWS = "0,1\n0.26894142,0.73105858\n"
P = np.array([[0, 1], [0.26894142, 0.73105858]], np.float32)


@pytest.mark.parametrize(
    ("logits", "given"),
    [
        (X, ()),
        (X, ("--header", "no")),
        (X, ("--header", "yes")),
        ("a,b\n0,50\n1,2\n", ()),
        ("a,b\n0,50\n1,2\n", ("--header", "yes")),
        ("0,50\n1,2\n", ()),
        ("0,50\n1,2\n", ("--header", "no")),
    ],
)
@pytest.mark.parametrize("results", [ROWS, "0,1\n" + ROWS, "# p\n\n" + ROWS])
def test_the_rows_tell_whether_results_have_a_header(
    logits: Any, results: str, given: Any, check: Callable[..., Any]
) -> None:
    done = check(logits, *HALF, *given, "--format", "json", candidate=results, baseline=results)
    assert (done.code, done.err) == (0, "")
    assert done.report["cases"][0]["judged"] == 4
    wrong = results.replace("0.26894142", "0.3")
    assert check(logits, *HALF, *given, candidate=wrong).code == 1


def test_a_header_that_rows_do_not_tell(check: Callable[..., Any]) -> None:
    done = check(X, *HALF, candidate=ROWS + ROWS)
    assert (done.code, "Say --header yes if it is a header" in done.err) == (2, True)
    assert "holds 4 rows" in check(X, *HALF, "--header", "no", candidate=ROWS + ROWS).err
    assert "holds 3 rows" in check(X, *HALF, "--header", "yes", candidate=ROWS + ROWS).err


@pytest.mark.parametrize("losses", ["loss\n50\n0.31326169\n", "50\n0.31326169\n", "50 0.31326169"])
@pytest.mark.parametrize("given", [(), ("--header", "yes")], ids=" ".join)
def test_losses_without_the_header_of_the_logits(
    losses: str, given: Any, check: Callable[..., Any]
) -> None:
    """They are 50 + log(1 + exp -50) and log(1 + exp -1)."""
    options = ("--op", "ce", "--reduction", "none", "--dtype", "single", "--select", "ACC101")
    logits, labels = "a,b\n0,50\n1,2\n", np.array([0, 1])
    assert check(logits, *options, *given, labels=labels, candidate=losses).code == 0
    wrong = losses.replace("0.313", "0.323")
    assert check(logits, *options, *given, labels=labels, candidate=wrong).code == 1


def test_a_key_of_the_results_alone(check: Callable[..., Any], tmp_path: Any) -> None:
    np.savez(tmp_path / "two.npz", bad=P * 2, good=P)
    np.savez(tmp_path / "one.npz", other=P)
    options = ("--op", "softmax", "--select", "ACC101", "--candidate", "two.npz", "--max-abs", 1e-6)
    assert "choose one with --key: bad, good" in check(X, *options).err
    assert check(X, *options, "--key", "good").code == 0
    assert check(X, *options, "--key", "bad").code == 1
    assert "has no array 'x'" in check(X, *options, "--key", "x").err
    assert check(X, *options, "--key", "good", "--baseline", "one.npz").code == 0


def test_what_the_results_store_as_bits(check: Callable[..., Any]) -> None:
    bits = P.astype(np.float16).view(np.uint16)
    options = ("--op", "softmax", "--select", "ACC101")
    assert "use --input-dtype uint16 or" in check(X, *options, candidate=bits).err
    assert check(X, *options, "--input-dtype", "float16", candidate=bits).code == 0
    losses = np.array([50, 0.31326169], np.float16).view(np.uint16)
    of_losses = ("--op", "ce", "--reduction", "none", "--select", "ACC101")
    given = {"labels": np.array([0, 1]), "candidate": losses}
    assert check(X, *of_losses, "--input-dtype", "float16", **given).code == 0


@pytest.mark.parametrize(
    ("option", "why"),
    [
        (("--header", "no"), "--header is for text, which none of them is"),
        (("--key", "q"), "--key is for NPZ files, none of which has that array"),
        (("--input-dtype", "float16"), "--input-dtype is for raw bytes and unsigned integers"),
    ],
)
def test_what_fits_no_file_is_refused(option: Any, why: str, check: Callable[..., Any]) -> None:
    done = check(X, "--op", "softmax", *option, candidate=P)
    assert (done.code, why in done.err, "logits.npy, candidate.npy" in done.err) == (2, True, True)
    done = check(X, *option)  # without results it is about the logits alone
    assert (done.code, done.err.startswith("softmax-tool: error: logits.npy: ")) == (2, True)
