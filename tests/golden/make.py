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

from tests.golden import long_rows, rows
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


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write(name: str, content: dict[str, Any]) -> None:
    lines = []
    for key, value in content.items():
        if isinstance(value, list):
            body = ",\n".join(compact(v) for v in value)
            lines.append(f"{json.dumps(key)}: [\n{body}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {compact(value)}")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (HERE / f"{name}.json").write_text(text, encoding="utf-8")


# --- edges.json ----------------------------------------------------------------------------------


def edges() -> dict[str, Any]:
    out: dict[str, Any] = {
        "recipe": "parameters, and the edges of exp on the format's own grid, as hex floats",
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
    """Results over all 65 536 bit patterns in order, as big-endian words; the sign of 0 kept."""
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
        "recipe": "float32: [input word, correctly rounded result word], big-endian hex; `hard`: "
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
            out += [(f"normal-{n}-{scale}", normal(n, scale, 1000 * n + scale))]
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
        "recipe": "tests/golden/rows.py makes `row`, then it is rounded once to the format. "
        "Results are big-endian hex words of the format, concatenated; more than 129 values: "
        "SHA-256 of those bytes. −0 is written as +0, nan as 7e00/7fc00000. ce/NAME@TARGET is the "
        "loss of the row, label n//2, weights ((7c mod 5)+1)/4, probabilities (3c mod 8)/16, "
        "smoothing 0.1 (weights-smoothing: 0.3)",
        "tool": TOOL,
        "rows": [{"id": name, **bits_of(recipe)} for name, recipe in bit_rows()],
    }


# --- traps.json ----------------------------------------------------------------------------------

ALL = (*((FLOAT16, m) for m in MODELS["float16"]), *((FLOAT32, m) for m in MODELS["float32"]))


def trap_rows() -> list[tuple[str, str, rows.Recipe, list[int]]]:
    """Identity, what is to be seen, the row, and the labels its loss is taken for."""
    v = rows.values

    def constant(n: int, value: float) -> rows.Recipe:
        return {"kind": "constant", "n": n, "value": value}

    def ramp(n: int, start: float, step: float) -> rows.Recipe:
        return {"kind": "ramp", "n": n, "start": start, "step": step}

    eights = {"kind": "values", "values": ["0x0.0p+0"] * 8 + [(-16.64).hex()] * 120}
    many = {"kind": "values", "values": [x.hex() for x in (-30.0, *[-16.9] * 100, -9.0)]}
    return [
        ("e1", "the worked example", v(2.0, 1.0, 0.1), [0]),
        ("e2", "first probability 2.455e-437", v(-999, 1, 2, 5, 6), [0, 4]),
        ("e2-likewise", "the same", v(-990, 1.5, 2.1, 5.6, 6.8), [0]),
        ("sum-overflow", "every exp finite, the sum not", v(*[11.0859375] * 3), [0]),
        ("exp-overflow", "the first argument that overflows", v(11.09375, 0, 1), [1]),
        ("exp-overflow-one", "one class spoils the others", v(90, 0, -1), [0, 1]),
        ("sums-to-one", "finite, sums to one, wrong", v(-17.328125, -17.328125, -17.34375), [2]),
        ("subnormal-exp", "bits lost in exp", v(-16, -16.5, -17), [0, 2]),
        ("subnormal-unseen", "what exp lost does not show", v(0, 0, 0, 0, -9.65625, -9.9), [0]),
        ("subnormal-unseen-single", "nor in single", v(0, -12, -95), [0]),
        ("subnormal-many", "what many lost shows, a zero does not", many, [0]),
        ("all-zero", "every exp rounds to 0", v(-1000, -1000, -1000), [1]),
        ("all-zero-half", "every exp rounds to 0 in half", v(-20, -20, -21), [0]),
        ("naive-lse", "the sum overflows at 88 three times", v(88, 88, 88), [1]),
        ("naive-lse-zero", "log of an empty sum", v(-200, -200), [0]),
        ("equal-1e8", "x − lse cancels", v(1e8, 1e8), [0]),
        ("equal-1e10", "lse loses log 2", v(1e10, 1e10, 0), [0]),
        ("equal-4000", "x − lse cancels in half", v(4000, 4000), [0]),
        ("near-1000", "lse loses the gap", v(1000.5, 1000, 999), [0, 1]),
        ("shift-overflow", "z overflows in half", v(60000, -60000), [0, 1]),
        ("shift-overflow-max", "z overflows at the largest value", v(3e38, -3e38, 0), [1]),
        ("wrong-200", "log of zero; the clamp hides it", v(200, 0), [0, 1]),
        ("wrong-100", "the probability is subnormal or 0", v(100, 0), [0, 1]),
        ("wrong-30", "clamped, and wrong", v(30, 0), [0, 1]),
        ("margin-50", "absorbed in the sum", v(50, 0), [0, 1]),
        ("margin-20", "absorbed in the sum", v(20, 0), [0, 1]),
        ("margin-17", "absorbed in single", v(17, 0, 0), [0]),
        ("margin-16", "not yet absorbed in single", v(16, 0), [0]),
        ("margin-8.5", "a quotient rounds to 1", v(8.5, 0), [0, 1]),
        ("margin-9", "absorbed in half", v(9, 0, 1), [0]),
        ("subnormal-softmax", "unavoidably subnormal", v(0, -10, -16, -17, -18), [1, 3]),
        ("subnormal-single", "unavoidably subnormal in single", v(0, -88, -103, -104), [2]),
        ("masked", "−inf is no failure", v(-math.inf, 1, 2), [0, 1]),
        ("masked-twice", "one class left", v(-math.inf, 0, -math.inf), [1]),
        ("only-masked", "invalid", v(-math.inf, -math.inf), [0]),
        ("nan", "invalid", v(math.nan, 1), [1]),
        ("plus-inf", "invalid", v(math.inf, 1), [1]),
        ("one-class", "softmax 1, log-softmax 0", v(3.5), [0]),
        ("tied-in-half", "neighbours that tie after rounding", v(1000.25, 1000.5, 999), [0]),
        ("near-tie", "order at stake", v(5, 4.99, 4.9951171875), [0]),
        ("ascending", "online rescales at every step", ramp(12, 0.0, 1.25), [11, 0]),
        ("descending", "online never rescales", ramp(12, 13.75, -1.25), [0, 11]),
        ("ascending-fine", "online rescales often", ramp(64, 0.0, 0.0625), [0]),
        ("ascending-far", "online forgets what was", ramp(8, 0.0, 20.0), [0]),
        ("pairwise", "8 ones and 120 that vanish", eights, [0]),
        ("stall-2049", "half sticks at 2048", constant(2049, 0.0), [0]),
        ("stall-4096", "half sticks at 2048", constant(4096, 1.0), [7]),
        ("seventy-thousand", "the truth is subnormal", constant(70000, 0.0), [0]),
    ]


def shown(n: int) -> list[int]:
    return list(range(n)) if n <= 16 else sorted({0, 1, 2, n // 2, n - 1})


def element(fmt: Format, finding: oracle.Finding) -> dict[str, Any]:
    out: dict[str, Any] = {
        "column": finding.column,
        "got": word(fmt, finding.got),
        "exact": word(fmt, finding.exact),
        "ulp": ulps(finding.ulp),
        "kind": finding.kind,
    }
    if finding.kind is not None:
        out |= {
            "unavoidable": finding.unavoidable,
            "step": finding.step,
            "origin_column": finding.origin,
            "operand": number(finding.operand),
            "limit": number(finding.limit),
            "propagated": finding.propagated,
        }
    return out


def trap_results(row: list[float], labels: list[int]) -> list[dict[str, Any]]:
    out = []
    n = len(row)
    for fmt, model in ALL:
        for quantity, names in (("softmax", oracle.SOFTMAX), ("log-softmax", oracle.LOG_SOFTMAX)):
            for name in names:
                if n > 10000 and name not in {"naive", "shifted", "online"}:
                    continue
                case = Case(quantity, name, fmt, model, row)
                out.append(
                    {
                        "quantity": quantity,
                        "formulation": name,
                        "dtype": fmt.name,
                        "arithmetic": model,
                        "elements": [element(fmt, case.finding(i)) for i in shown(n)],
                        "rank_change": case.rank_change(),
                    }
                )
        for label in labels:
            for name in oracle.LOSS:
                if n > 10000 and name != "shifted":
                    continue
                loss = Case("ce", name, fmt, model, row, Target(label))
                out.append(
                    {
                        "quantity": "ce",
                        "formulation": name,
                        "dtype": fmt.name,
                        "arithmetic": model,
                        "label": label,
                        "elements": [element(fmt, loss.finding(0))],
                    }
                )
    return out


def weighted_traps() -> list[dict[str, Any]]:
    """Losses whose weight makes the event: overflow, underflow and subnormals at the pick."""
    out = []
    for name, row, weight, smoothing, label in (
        ("pick-overflow", [0.0, 10.0], 60000.0, 0.0, 0),
        ("pick-overflow-single", [0.0, 10.0], 3e38, 0.0, 0),
        ("pick-overflow-wrong", [0.0, 9.0, 9.0], 7000.0, 0.25, 0),
        ("pick-zero", [0.0, 2.0**-9], 2.0**-24, 0.0, 0),
        ("pick-zero-small", [10.0, 0.0, 1.0], 2.0**-24, 0.0, 0),
        ("pick-subnormal", [1.0, 0.0], 2.0**-15, 0.0, 0),
        ("pick-subnormal-single", [1.0, 0.0], 2.0**-127, 0.0, 0),
        ("shift-overflow-weighted", [60000.0, -60000.0], 0.25, 0.0, 1),
        ("shift-overflow-weighted-single", [3e38, -3e38], 0.25, 0.0, 1),
        ("weight-zero", [1.0, 0.0], 0.0, 0.0, 0),
        ("weight-zero-at-zero", [200.0, 0.0], 0.0, 0.0, 1),
        ("weight-negative", [0.0, 0.0, 0.0], -1.5, 0.0, 0),
        ("weight-large", [12.0, 0.0, 1.0], 300.0, 0.0, 1),
    ):
        weights = [weight] * len(row)
        results = []
        for fmt, model in ALL:
            if not math.isfinite(oracle.round_float(fmt, weight)):
                continue
            for formulation in oracle.LOSS:
                target = Target(label, weights=tuple(weights), smoothing=smoothing)
                case = Case("ce", formulation, fmt, model, row, target)
                results.append(
                    {
                        "quantity": "ce",
                        "formulation": formulation,
                        "dtype": fmt.name,
                        "arithmetic": model,
                        "label": label,
                        "elements": [element(fmt, case.finding(0))],
                    }
                )
        out.append(
            {
                "id": name,
                "row": rows.values(*row),
                "weights": [number(w) for w in weights],
                "smoothing": number(smoothing),
                "results": results,
            }
        )
    return out


# Batches: rows, targets and reductions.

E3 = [[0.3321, 0.5043, -1.1833], [-2.1702, -1.8563, 1.0706], [1.7341, 0.2554, -1.3358]]
E4 = [
    [0.6807700991630554, -0.7550623416900635],
    [-0.14612574875354767, -0.21172422170639038],
    [0.2722793221473694, -0.3762647211551666],
    [-0.8032046556472778, 1.48642897605896],
    [-0.43672817945480347, -0.5018820762634277],
]
E5 = [[-0.13040629029273987, -0.5425235033035278], [0.157931387424469, 0.9425035715103149]]
SOFT3 = [[0.2, 0.7, 0.1], [0.0, 0.0, 1.0], [0.5, 0.25, 0.125]]


def batches() -> list[dict[str, Any]]:
    """Rows with their targets; labels of −100 are ignored."""
    masked = [[-math.inf, 1.0, 2.0], [0.5, -math.inf, 0.25], [3.0, 1.0, 2.0]]
    spread = [[50.0, 0.0, -50.0], [12.0, 11.0, 10.5], [-3.0, 8.0, 8.0], [1e4, 0.0, -1e4]]
    w = [0.25, 1.5, 3.0]
    return [
        {"id": "e3", "rows": E3, "labels": [1, 2, 0]},
        {"id": "e4", "rows": E4, "labels": [0, 1, 1, 0, 1]},
        {"id": "e5", "rows": E5, "labels": [1, 0]},
        {"id": "e3-weights", "rows": E3, "labels": [1, 2, 0], "weights": w},
        {"id": "e3-weights-tenths", "rows": E3, "labels": [1, 2, 0], "weights": [0.1, 0.2, 0.7]},
        {"id": "e3-ignored", "rows": E3, "labels": [1, -100, 0], "weights": w},
        {"id": "e3-all-ignored", "rows": E3, "labels": [-100, -100, -100]},
        {"id": "e3-smoothing", "rows": E3, "labels": [1, 2, 0], "smoothing": 0.1},
        {
            "id": "e3-weights-smoothing",
            "rows": E3,
            "labels": [1, -100, 0],
            "weights": w,
            "smoothing": 0.3,
        },
        {"id": "e3-smoothing-1", "rows": E3, "labels": [1, 2, 0], "smoothing": 1.0},
        {"id": "e3-probabilities", "rows": E3, "probabilities": SOFT3},
        {"id": "e3-probabilities-smoothing", "rows": E3, "probabilities": SOFT3, "smoothing": 0.1},
        {
            "id": "e3-probabilities-weights",
            "rows": E3,
            "probabilities": SOFT3,
            "weights": w,
            "smoothing": 0.25,
        },
        {"id": "probabilities-zero-row", "rows": E3[:2], "probabilities": [[0.0] * 3, SOFT3[0]]},
        {"id": "weights-zero", "rows": E3, "labels": [0, 0, 0], "weights": [0.0, 1.0, 1.0]},
        {"id": "weights-signed", "rows": E3, "labels": [0, 1, 2], "weights": [-1.0, 0.5, 2.0]},
        {"id": "masked-target", "rows": masked, "labels": [0, 2, 1]},
        {"id": "masked-smoothing", "rows": masked, "labels": [1, 2, 1], "smoothing": 0.1},
        {
            "id": "masked-weight-zero",
            "rows": masked,
            "labels": [0, 2, 1],
            "weights": [0.0, 1.0, 1.0],
        },
        {
            "id": "masked-probability-zero",
            "rows": masked[:1],
            "probabilities": [[0.0, 0.5, 0.5]],
        },
        {"id": "ignored-nan", "rows": [[math.nan, 0.0], [1.0, 0.0]], "labels": [-100, 0]},
        {"id": "spread", "rows": spread, "labels": [1, 2, 0, 0]},
        {"id": "spread-smoothing", "rows": spread, "labels": [1, 2, 0, 0], "smoothing": 0.1},
        {"id": "ln2-3000", "rows": [[0.0, 0.0]], "repeat": 3000, "labels": [0]},
        {"id": "ln2-65536", "rows": [[0.0, 0.0]], "repeat": 65536, "labels": [1]},
    ]


def targets_of(batch: dict[str, Any]) -> list[Target | None]:
    weights = tuple(batch["weights"]) if "weights" in batch else None
    smoothing = batch.get("smoothing", 0.0)
    if "probabilities" in batch:
        return [Target(None, tuple(t), weights, smoothing) for t in batch["probabilities"]]
    return [
        None if label == -100 else Target(label, weights=weights, smoothing=smoothing)
        for label in batch["labels"]
    ]


def batch_losses(batch: dict[str, Any], name: str, fmt: Format, model: str) -> dict[str, Any]:
    cases = [
        None if target is None else Case("ce", name, fmt, model, row, target)
        for row, target in zip(batch["rows"], targets_of(batch), strict=True)
    ]
    repeat = batch.get("repeat", 1)
    kept = [case for case in cases if case is not None]
    divisors = [case.target.divisor() for case in kept if case.target is not None]
    out: dict[str, Any] = {"none": [0.0 if case is None else case.got[0] for case in cases]}
    for reduction in ("sum", "mean"):
        if name == "exact":
            true = oracle.exact_reduction(
                reduction, [case.exact[0] for case in kept] * repeat, divisors * repeat
            )
            out[reduction] = true.rounded(fmt)
            if fmt is FLOAT64:
                out[f"{reduction}_decimal"] = true.decimal()
        else:
            got = [case.got[0] for case in kept] * repeat
            out[reduction] = oracle.reduce_losses(fmt, model, reduction, got, divisors * repeat)
    out["none"] = [word(fmt, v) for v in out["none"]]
    out |= {key: word(fmt, out[key]) for key in ("sum", "mean")}
    if name == "exact" and fmt is FLOAT64:
        out["none_decimal"] = ["0" if c is None else c.exact[0].decimal() for c in cases]
    return out


def described(batch: dict[str, Any]) -> dict[str, Any]:
    out = dict(batch)
    for key in ("rows", "probabilities"):
        if key in batch:
            out[key] = [[number(float(v)) for v in row] for row in batch[key]]
    if "weights" in batch:
        out["weights"] = [number(float(w)) for w in batch["weights"]]
    if "smoothing" in batch:
        out["smoothing"] = number(batch["smoothing"])
    return out


def batch_results(batch: dict[str, Any]) -> dict[str, Any]:
    results = {
        f"{fmt.name}/{model}/{name}": batch_losses(batch, name, fmt, model)
        for fmt, model in ALL
        for name in oracle.LOSS
    }
    return {**described(batch), "results": results}


def traps() -> dict[str, Any]:
    return {
        "recipe": "logits and weights in float64, rounded once to the dtype. Results: big-endian "
        "hex words of the dtype (−0 as +0, nan as 7e00/7fc00000); operand and limit are hex floats "
        "(the operand rounded to float64); more than 16 classes: only some elements are shown. "
        "`batches` are losses of several rows: none, sum, mean; `repeat` repeats the one row",
        "tool": TOOL,
        "traps": [
            {
                "id": name,
                "note": note,
                "row": recipe,
                "results": trap_results(rows.logits(recipe), labels),
            }
            for name, note, recipe, labels in trap_rows()
        ]
        + weighted_traps(),
        "batches": [batch_results(batch) for batch in batches()],
    }


# --- reference.json ------------------------------------------------------------------------------


def reference_rows() -> list[tuple[str, list[float]]]:
    big = 1.7e308
    tiny = 2.0**-1074
    out: list[tuple[str, list[float]]] = [
        ("margin-50", [50.0, 0.0]),
        ("margin-800", [800.0, 0.0, 1.0]),
        ("offset-1e16", [1e16, 1e16 - 2, 1e16 - 4, 1e16 + 2]),
        ("offset-minus-1e16", [-1e16, -1e16 + 2, -1e16 - 6]),
        ("offset-4e15", [4e15 + 1, 4e15, 4e15 - 1]),
        ("offset-1e16-neighbours", [9007199254740991.0, 9007199254740990.0, 9007199254740989.0]),
        ("largest", [big, -big]),
        ("largest-three", [big, big, -big]),
        ("largest-mixed", [big, 0.0, -1.0, math.nextafter(big, 0)]),
        ("largest-single", [3.4e38, -3.4e38, 3.4e38, 0.0]),
        ("largest-half", [65504.0, -65504.0, 65504.0 - 32]),
        ("subnormal-logits", [tiny, 0.0, -tiny]),
        ("subnormal-softmax", [0.0, -709.0, -720.0, -740.0, -744.5, -745.2, -746.0]),
        ("subnormal-single", [0.0, -87.5, -95.0, -103.5, -103.99]),
        ("subnormal-half", [0.0, -9.75, -12.0, -16.0, -17.3, -17.4]),
        ("log-near-0-subnormal", [745.0, 0.0]),
        ("log-near-0-subnormal-2", [720.0, 0.0, 10.0]),
        ("log-near-0-zero", [746.0, 0.0]),
        ("log-near-0-half", [10.0, 0.0]),
        ("log-near-0-half-16", [16.0, -1.0]),
        ("log-near-0-single", [95.0, 0.0, 0.5]),
        ("spike", [30.0, *[0.0] * 15]),
        ("spike-ties", [30.0, 30.0, *[0.0] * 6]),
        ("ties", [1.5] * 7),
        ("ties-3", [0.0] * 3),
        ("ties-masked", [-math.inf, 2.0, 2.0, -math.inf, 2.0]),
        ("masked", [-math.inf, 0.1, 700.0, -700.0]),
        ("one", [-12.5]),
        ("e1", [2.0, 1.0, 0.1]),
        ("e2", [-999.0, 1.0, 2.0, 5.0, 6.0]),
        ("e2-likewise", [-990.0, 1.5, 2.1, 5.6, 6.8]),
        ("close", [1.0, math.nextafter(1.0, 2.0), math.nextafter(1.0, 0.0)]),
        ("log-2-plus", [0.0, 2.0**-40]),
        ("nan", [math.nan, 0.0]),
        ("plus-inf", [0.0, math.inf]),
        ("only-masked", [-math.inf, -math.inf]),
    ]
    for n, scale in ((5, 1), (13, 10), (21, 100), (9, 400)):
        recipe = {"kind": "normal", "n": n, "scale": scale, "seed": 31 * n + scale}
        out.append((f"normal-{n}-{scale}", rows.logits(recipe)))
    return out


def reference_row(name: str, row: list[float]) -> dict[str, Any]:
    true = oracle.ExactRow(row)
    out: dict[str, Any] = {"id": name, "row": [number(x) for x in row]}
    for quantity in ("softmax", "log-softmax"):
        values: dict[str, Any] = {}
        for fmt in (FLOAT16, FLOAT32, FLOAT64):
            case = Case(quantity, "exact", fmt, "strict", row)
            values[fmt.name] = [word(fmt, v) for v in case.got]
        method = true.softmax if quantity == "softmax" else true.log_softmax
        values["decimal"] = [method(i).decimal() for i in range(len(row))]
        out[quantity] = values
    return out


def reference_losses() -> list[dict[str, Any]]:
    out = []
    for batch in batches():
        if "repeat" in batch:
            continue
        results = {
            fmt.name: batch_losses(batch, "exact", fmt, "strict")
            for fmt in (FLOAT16, FLOAT32, FLOAT64)
        }
        out.append({**described(batch), "results": results})
    return out


def reference() -> dict[str, Any]:
    return {
        "recipe": "float64 logits, weights and probabilities as hex floats, rounded once to each "
        "dtype; then the true value, correctly rounded: big-endian hex words of the dtype (−0 as "
        "+0). decimal: the true value for the float64 logits to 40 digits",
        "tool": TOOL,
        "rows": [reference_row(name, row) for name, row in reference_rows()],
        "losses": reference_losses(),
    }


# --- long.json -----------------------------------------------------------------------------------


def long_file() -> dict[str, Any]:
    return {
        "recipe": "rows of 10**6 classes, made by tests/golden/rows.py and rounded once to each "
        "dtype that holds them; the true values, correctly rounded, of some columns: big-endian "
        "hex words of the dtype, concatenated, −0 as +0. loss is cross-entropy with label 1, "
        "smoothed the same with smoothing 0.1",
        "tool": TOOL,
        "rows": [long_rows.results(name, recipe) for name, recipe in long_rows.recipes()],
    }


# --- The command ---------------------------------------------------------------------------------

FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "edges": edges,
    "elementwise": elementwise,
    "reference": reference,
    "traps": traps,
    "bits": bit_file,
    "long": long_file,
}


def main(names: Sequence[str]) -> None:
    for name in names or FILES:
        write(name, FILES[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
