"""Makes the certified values beside this file: `python -m tests.golden.make [name ...]`.

Every number comes from tests/oracle/oracle.py: exact integers, and balls (python-flint) whose
precision rises until the rounding is decided. Rerunning gives the same bytes. NumPy only proposes
candidates for the hard cases of elementwise.json; the oracle measures and decides them.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import arb, ctx

from tests.golden import rows
from tests.oracle import oracle
from tests.oracle.oracle import FLOAT16, FLOAT32, FLOAT64, Case, Format, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HERE = Path(__file__).parent
TOOL = "tests/golden/make.py with tests/oracle/oracle.py (python-flint balls, exact integers)"
NAN_WORDS = {"float16": "7e00", "bfloat16": "7fc0", "float32": "7fc00000"}
NAN_WORDS["float64"] = "7ff8000000000000"
MODELS = {"float16": ("strict", "wide-sum", "fused"), "float32": ("strict", "wide-sum")}
SHORT = 129


def word(fmt: Format, value: float) -> str:
    """The bits of a value as big-endian hexadecimal; canonical nan, the sign of zero dropped."""
    if math.isnan(value):
        return NAN_WORDS[fmt.name]
    if fmt.name == "bfloat16":
        return struct.pack(">f", value + 0.0).hex()[:4]
    code = {"float16": ">e", "float32": ">f", "float64": ">d"}[fmt.name]
    return struct.pack(code, value + 0.0).hex()


def packed(fmt: Format, values: Iterable[float]) -> str:
    return "".join(word(fmt, v) for v in values)


def digest(text: str) -> str:
    """SHA-256 of the big-endian bytes."""
    return "sha256:" + hashlib.sha256(bytes.fromhex(text)).hexdigest()


def bits(fmt: Format, values: Sequence[float]) -> str:
    text = packed(fmt, values)
    return text if len(values) <= SHORT else digest(text)


def number(value: float | None) -> str | None:
    """A float as text that loses nothing."""
    if value is None:
        return None
    return value.hex() if math.isfinite(value) else str(value)


def ulps(value: float) -> float | str:
    return value if math.isfinite(value) else "inf"


def write(name: str, content: dict[str, Any]) -> None:
    lines = []
    for key, value in content.items():
        if isinstance(value, list):
            body = ",\n".join(json.dumps(v, ensure_ascii=False) for v in value)
            lines.append(f"{json.dumps(key)}: [\n{body}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (HERE / f"{name}.json").write_text(text, encoding="utf-8")


# --- edges.json ----------------------------------------------------------------------------------


def edges() -> dict[str, Any]:
    out: dict[str, Any] = {
        "recipe": "per format: parameters, and the edges of exp on the format's own grid, hex floats",  # noqa: E501
        "tool": TOOL,
    }
    for fmt in oracle.FORMATS.values():
        out[fmt.name] = {
            "precision": fmt.precision,
            "emin": fmt.emin,
            "emax": fmt.emax,
            "max_finite": number(fmt.max_finite),
            "has_inf": fmt.has_inf,
            "exp": {k: number(v) for k, v in oracle.exp_edges(fmt).items()},
        }
    return out


# --- elementwise.json ----------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[[Format, float], float]] = {
    "exp": oracle.exp,
    "log": oracle.log,
    "log1p": oracle.log1p,
}
BALLS: dict[str, Callable[[arb], arb]] = {
    "exp": lambda a: a.exp(),
    "log": lambda a: a.log(),
    "log1p": lambda a: a.log1p(),
}
HARD_POOL, HARD_KEPT = 400, 160


def float32_of(bits32: int) -> float:
    value: float = struct.unpack(">f", bits32.to_bytes(4, "big"))[0]
    return value


def boundary_distance(name: str, x: float) -> Fraction:
    """Relative distance of f(x) to the nearest midpoint between float32 values, to 200 bits."""
    with ctx.workprec(260):
        y = BALLS[name](arb(x))
        man, exp = (int(v) for v in y.mid().man_exp())
    size = abs(Fraction(man) * Fraction(2) ** exp)
    quantum = oracle.ulp(FLOAT32, oracle.Real(rational=size))
    steps = size / quantum - Fraction(1, 2)
    return abs(steps - round(steps)) * quantum / size


def hard_cases(name: str) -> list[float]:
    """The inputs, of four million spread over the bit patterns, that lie nearest a boundary."""
    signs = {"exp": (0, 1), "log": (0,), "log1p": (0, 1)}[name]
    last = {"exp": 0x42CFF1B5, "log": 0x7F7FFFFF, "log1p": 0x7F7FFFFF}[name]
    pool: list[tuple[float, float]] = []
    for sign in signs:
        top = 0x3F7FFFFF if name == "log1p" and sign else last
        start = 0x33000000 if name == "exp" else 1
        patterns = np.linspace(start, top, 2_000_000 + 7).astype(np.uint32) | np.uint32(sign << 31)
        x = patterns.view(np.float32).astype(np.float64)
        with np.errstate(all="ignore"):
            y = getattr(np, name)(x)
        mantissa, _ = np.frexp(np.abs(y))
        steps = mantissa * 2**24 - 0.5
        gap = np.abs(steps - np.rint(steps))
        usable = np.isfinite(y) & (np.abs(y) >= FLOAT32.tiny) & (np.abs(y) <= FLOAT32.max_finite)
        if name != "exp":  # f(x) ≈ x: every tiny input is nearly exact, and no test of anything
            usable &= np.abs(y) > 2**-20
        gap[~usable] = 1
        order = np.argsort(gap, kind="stable")[:HARD_POOL]
        pool += [(float(gap[i]), float(x[i])) for i in order]
    candidates = sorted({x for _, x in pool})
    candidates.sort(key=lambda x: boundary_distance(name, x))
    return candidates[:HARD_KEPT]


def boundary_inputs(name: str) -> list[float]:
    ordinals: set[int] = {0, 1, 2, 0x007FFFFF, 0x00800000, 0x3F7FFFFF, 0x3F800000, 0x3F800001}
    ordinals |= {0x7F7FFFFF, 0x7F7FFFFE, 0x3F000000, 0x40000000, 0x402DF854, 0x33800000, 0x34000000}
    if name == "exp":
        for edge in oracle.exp_edges(FLOAT32).values():
            centre = int.from_bytes(struct.pack(">f", abs(edge)), "big")
            ordinals |= set(range(centre - 3, centre + 4))
        ordinals |= set(range(0x42AEAC50, 0x42CFF1B5, 0x8001))  # subnormal results from −87.33
    values = [float32_of(k) for k in sorted(ordinals)]
    values += [-v for v in values if name != "log"]
    if name == "log1p":
        values = [v for v in values if v >= -1]
    return [*values, math.inf]


def all_words(fmt: Format, name: str) -> str:
    """f over all 65 536 bit patterns in order, results as big-endian words; the sign of 0 kept."""  # noqa: D403
    out = []
    for pattern in range(65536):
        if fmt is FLOAT16:
            x: float = struct.unpack(">e", pattern.to_bytes(2, "big"))[0]
        else:
            x = float32_of(pattern << 16)
        y = FUNCTIONS[name](fmt, x)
        if math.isnan(y):
            out.append(NAN_WORDS[fmt.name])
        elif fmt is FLOAT16:
            out.append(struct.pack(">e", y).hex())
        else:
            out.append(struct.pack(">f", y).hex()[:4])
    return "".join(out)


def elementwise() -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for fmt in (FLOAT16, oracle.BFLOAT16):
        tables[fmt.name] = {name: digest(all_words(fmt, name)) for name in FUNCTIONS}
    out: dict[str, Any] = {
        "recipe": "float32: [input word, correctly rounded result word], big-endian hex; `hard` are "  # noqa: E501
        "the inputs nearest a rounding boundary among four million spread evenly over the bit "
        "patterns. tables: SHA-256 of the big-endian 16-bit results over the bit patterns 0…65535, "
        "nan as 7e00 (float16) or 7fc0 (bfloat16), the sign of zero kept",
        "tool": TOOL,
        "tables": tables,
    }
    for name, f in FUNCTIONS.items():
        for part, inputs in (("boundary", boundary_inputs(name)), ("hard", hard_cases(name))):
            out[f"{name}.{part}"] = [
                [struct.pack(">f", x).hex(), struct.pack(">f", f(FLOAT32, x)).hex()] for x in inputs
            ]
    return out


# --- bits.json -----------------------------------------------------------------------------------


def bit_rows() -> list[tuple[str, rows.Recipe]]:
    """The rows whose bits are recorded."""
    out: list[tuple[str, rows.Recipe]] = []

    def normal(n: int, scale: float, seed: int) -> rows.Recipe:
        return {"kind": "normal", "n": n, "scale": scale, "seed": seed}

    for n in (1, 2, 3, 7, 8, 9, 17):
        for scale in (1, 10, 100):
            out.append((f"normal-{n}-{scale}", normal(n, scale, 1000 * n + scale)))  # noqa: PERF401
    for n, scale in ((128, 1), (128, 10), (129, 1), (129, 10), (129, 100)):
        out.append((f"normal-{n}-{scale}", normal(n, scale, 1000 * n + scale)))
    for n in (1000, 1023, 1024, 1025, 2049, 3073, 7200):
        scale = 1 if n % 2 else 3
        out.append((f"normal-{n}-{scale}", normal(n, scale, 1000 * n + scale)))
    out.append(("normal-2049-30", normal(2049, 30, 77)))
    for n, step in ((17, 0.5), (129, 0.125), (1025, 0.015625), (3073, 0.00390625)):
        out.append((f"ascending-{n}", {"kind": "ramp", "n": n, "start": -4.0, "step": step}))
        out.append((f"descending-{n}", {"kind": "ramp", "n": n, "start": 8.0, "step": -step}))
    for n, value in ((3, -17.25), (8, 0.3), (129, 11.0), (1024, -2.5), (2049, 0.0), (3073, 1.0)):
        out.append((f"constant-{n}", {"kind": "constant", "n": n, "value": value}))
    for n, at, height in ((9, 8, 9.5), (129, 0, 16.64), (1025, 1024, 12.0), (2049, 700, 20.0)):
        spike = {"kind": "spike", "n": n, "at": at, "height": height, "base": 0.0}
        out.append((f"spike-{n}", spike))
    for n, masked in ((9, 2), (17, 16), (1025, 3)):
        out.append((f"masked-{n}", {**normal(n, 4, 5 + n), "masked": masked}))
    # the first leaf masked altogether but for one class
    out.append(("masked-all-but-one", {**normal(2, 1, 3), "masked": 2}))
    out.append(("ties", rows.values(1, 2, 2, -3, 2, 0.5)))
    for name, near in (("half", FLOAT16), ("single", FLOAT32)):
        for edge, x in oracle.exp_edges(near).items():
            out.append((f"{name}-{edge}", rows.values(x, x - 1, x / 2, 0, x)))
        top = near.max_finite
        out.append((f"{name}-max", rows.values(top, -top, 0, top / 2)))
        out.append((f"{name}-tiny", rows.values(near.eta, 0, -near.eta, near.tiny)))
    return out


def bit_targets(n: int) -> dict[str, Target]:
    label = n // 2
    w, t = rows.weights(n), rows.probabilities(n)
    return {
        "hard": Target(label),
        "weights": Target(label, weights=w),
        "smoothing": Target(label, smoothing=0.1),
        "weights-smoothing": Target(label, weights=w, smoothing=0.3),
        "probabilities": Target(probabilities=t),
        "probabilities-weights-smoothing": Target(probabilities=t, weights=w, smoothing=0.1),
    }


def bits_of(recipe: rows.Recipe) -> dict[str, Any]:
    row = rows.logits(recipe)
    n = len(row)
    cases: dict[str, Any] = {}
    for fmt in (FLOAT16, FLOAT32, FLOAT64):
        exact: dict[str, str] = {}
        for quantity in ("softmax", "log-softmax"):
            exact[f"{quantity}/exact"] = bits(fmt, Case(quantity, "exact", fmt, "strict", row).got)
        cases[f"{fmt.name}/exact"] = exact
        for model in MODELS.get(fmt.name, ()):
            got: dict[str, str] = {}
            for name in oracle.SOFTMAX:
                got[f"softmax/{name}"] = bits(fmt, Case("softmax", name, fmt, model, row).got)
            for name in oracle.LOG_SOFTMAX:
                case = Case("log-softmax", name, fmt, model, row)
                got[f"log-softmax/{name}"] = bits(fmt, case.got)
            for key, target in bit_targets(n).items():
                if key != "hard" and n > 32:
                    continue
                for name in oracle.LOSS:
                    loss = Case("ce", name, fmt, model, row, target)
                    got[f"ce/{name}@{key}"] = bits(fmt, loss.got)
            cases[f"{fmt.name}/{model}"] = got
    return {"row": recipe, "label": n // 2, "n": n, "cases": cases}


def bit_file() -> dict[str, Any]:
    return {
        "recipe": "rows: tests/golden/rows.py makes `row`, then it is rounded once to the format. "
        "Results are big-endian hex words of the format, concatenated; more than 129 values: "
        "SHA-256 of those bytes. −0 is written as +0, nan as 7e00/7fc00000. ce/NAME@TARGET is the "
        "loss of the row, label n//2, weights ((7c mod 5)+1)/4, probabilities (3c mod 8)/16, "
        "smoothing 0.1 (weights-smoothing: 0.3)",
        "tool": TOOL,
        "rows": [{"id": name, **bits_of(recipe)} for name, recipe in bit_rows()],
    }


# --- The command ---------------------------------------------------------------------------------

FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "edges": edges,
    "elementwise": elementwise,
    "bits": bit_file,
}


def main(names: Sequence[str]) -> None:
    for name in names or FILES:
        write(name, FILES[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
