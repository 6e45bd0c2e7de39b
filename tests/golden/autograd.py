"""What PyTorch's automatic differentiation makes of losses in half precision: `autograd.json`.

Needs PyTorch 2 (`python -m tests.golden.autograd`; 2.13.0 on a processor made what is committed),
which rounds every operation on float16 to float16 and sums in float32. Rows of six classes, since
the order of its sums is its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

PATH = Path(__file__).with_name("autograd.json")
FORMULATIONS = ("log-of-naive", "log-of-shifted", "clamped", "shifted", "naive-lse")
CLASSES = 6
ROWS = 100
# Where finite gradients are wrong, where there are none, where a class is masked.
_KNOWN = (
    ([-5.640625, -2.77734375, -3.380859375, 5.453125, 6.87890625, 4.34375], 2),
    ([0.12127685546875, 7.73046875, 2.724609375, -2.525390625, -0.9140625, 2.703125], 0),
    ([-100.0, -102.0, -103.0, -200.0, -200.0, -200.0], 1),
    ([30.0, 0.0, -10.0, -10.0, -10.0, -10.0], 1),
    ([104.0, float("-inf"), 0.0, 0.0, 0.0, 0.0], 0),
)


def rows() -> list[tuple[list[float], int]]:
    """Return logits and labels."""
    random = np.random.default_rng(5)
    spread = np.exp(random.uniform(0, 4.6, (ROWS, 1)))
    x = (random.standard_normal((ROWS, CLASSES)) * spread).astype(np.float16)
    x[random.random(x.shape) < 0.02] = -np.inf
    labels = random.integers(0, CLASSES, ROWS).tolist()
    return [*_KNOWN, *zip(x.astype(float).tolist(), labels, strict=True)]


def main() -> None:
    """Write the file."""
    import torch  # noqa: PLC0415

    def log_probabilities(name: str, x: Any) -> Any:
        z = x if "naive" in name else x - x.detach().max()
        e = z.exp()
        total = e.sum()
        if name in {"shifted", "naive-lse"}:
            return z - total.log()
        p = e / total
        return (p.clamp(min=1e-12) if name == "clamped" else p).log()

    entries = []
    for logits, label in rows():
        gradients = {}
        for name in FORMULATIONS:
            x = torch.tensor(logits).half().requires_grad_()
            (-log_probabilities(name, x)[label]).backward()
            gradients[name] = [value.hex() for value in x.grad.tolist()]
        logits_in_hex = [value.hex() for value in logits]
        entries.append({"logits": logits_in_hex, "label": label, "gradients": gradients})
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    PATH.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
