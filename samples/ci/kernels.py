"""Two softmax kernels for half precision: one is right, one has a sum that stalls."""

import numpy as np


def fused(logits):
    """Compute in float32, and round once at the end."""
    x = logits.astype(np.float32)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float16)


def half_sum(logits):
    """Keep the sum in half precision too, where a sum of ones sticks at 2048."""
    x = logits.astype(np.float16)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / np.add.accumulate(e, axis=1)[:, -1:]
