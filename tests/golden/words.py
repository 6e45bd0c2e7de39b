"""Results as the golden files write them: big-endian hex words, long ones as their SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = Path(__file__).parent
LONGEST = 129
_NAN = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}


def load(name: str) -> dict[str, Any]:
    """Read one golden file."""
    data: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return data


def canonical_bytes(values: NDArray[Any]) -> bytes:
    """Big-endian bytes with one NaN and one zero."""
    flat = np.ravel(values) + np.zeros((), values.dtype)  # −0 + 0 = +0
    words = flat.view(f"u{flat.itemsize}").copy()
    words[np.isnan(flat)] = _NAN[flat.itemsize]
    return words.astype(f">u{flat.itemsize}").tobytes()


def words(values: NDArray[Any]) -> str:
    """Write results as a golden file does."""
    data = canonical_bytes(values)
    if values.size > LONGEST:
        return "sha256:" + hashlib.sha256(data).hexdigest()
    return data.hex()


def from_words(text: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read results back."""
    raw = np.frombuffer(bytes.fromhex(text), dtype.newbyteorder(">"))
    return raw.astype(dtype)
