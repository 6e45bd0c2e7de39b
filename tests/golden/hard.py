"""The float32 arguments of exp, log and log1p that float64 cannot decide: all 2**32 are tried.

`python -m tests.golden.hard` takes a few minutes and writes `softmax_tool/arithmetic/hard.txt`.
Values are decided in ball arithmetic.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from flint import arb, ctx, fmpq

from softmax_tool.arithmetic import elementwise
from softmax_tool.formats import FLOAT32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PATH = Path(elementwise.__file__).with_name("hard.txt")
FUNCTIONS = ("exp", "log", "log1p")
PATTERNS = 1 << 32
_AT_A_TIME = 1 << 20


def main() -> None:
    """Write the file."""
    found = [
        (function, argument, correctly_rounded(function, argument))
        for function in FUNCTIONS
        for argument in hard_arguments(function, 0, PATTERNS)
    ]
    PATH.write_text("".join(f"{f} {x.hex()} {y.hex()}\n" for f, x, y in found))
    print(Counter(function for function, *_ in found))


def on_file() -> dict[str, list[tuple[float, float]]]:
    """Return the arguments of each function, and what is right, as they were found."""
    found: dict[str, list[tuple[float, float]]] = {function: [] for function in FUNCTIONS}
    for line in PATH.read_text().splitlines():
        function, *numbers = line.split()
        x, y = map(float.fromhex, numbers)
        found[function].append((x, y))
    return found


def hard_arguments(function: str, start: int, stop: int) -> Iterator[float]:
    """Yield the arguments among some bit patterns whose value is within 2**-49 of a boundary."""
    for first in range(start, stop, _AT_A_TIME):
        patterns = np.arange(first, min(first + _AT_A_TIME, stop), dtype=np.uint64)
        x = patterns.astype(np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            wide = elementwise.FUNCTIONS[function](x.astype(np.float64))
            rounded = FLOAT32.round(wide)
        # A boundary that is met exactly, as by exp 0 = 1, is no boundary between two numbers.
        yield from x[elementwise.near_boundary(wide, rounded, FLOAT32)].tolist()


def correctly_rounded(function: str, argument: float) -> float:
    """Round one value once, by balls that shrink until both ends round alike."""
    bits = 128
    while True:
        ctx.prec = bits
        value = _ball(function, argument)
        low, high = (_rounded(end) for end in (value.lower(), value.upper()))
        if low == high:
            return low
        bits *= 2


def _ball(function: str, argument: float) -> arb:
    ratio = Fraction(argument)
    x = arb(fmpq(ratio.numerator, ratio.denominator))
    return {"exp": x.exp, "log": x.log, "log1p": x.log1p}[function]()


def _rounded(end: arb) -> float:
    man, exp = end.mid().man_exp()
    return FLOAT32.round_exactly(Fraction(int(man)) * Fraction(2) ** int(exp))


def in_slice(arguments: NDArray[np.float32], start: int, stop: int) -> NDArray[np.bool_]:
    """Tell which arguments have bit patterns from `start` up to `stop`."""
    patterns = arguments.view(np.uint32)
    return np.asarray((patterns >= start) & (patterns < stop))


if __name__ == "__main__":
    main()
