"""Mean cross-entropy with PyTorch: `torch_loss.py LOGITS LABELS`."""

import sys

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it

logits = torch.from_numpy(np.load(sys.argv[1]))
labels = torch.from_numpy(np.load(sys.argv[2]))
print(F.cross_entropy(logits, labels).item())
