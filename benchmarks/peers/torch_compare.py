"""log(naive softmax) and log-softmax against float64 with PyTorch: `torch_compare.py LOGITS`."""

import sys

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it

x = torch.from_numpy(np.load(sys.argv[1]))
e = x.exp()
naive = (e / e.sum(dim=-1, keepdim=True)).log()
stable = F.log_softmax(x, dim=-1)
true = F.log_softmax(x.double(), dim=-1)
for got in (naive, stable):
    error = (got.double() - true).abs()
    print(error.max().item(), error.mean().item(), got.isinf().sum().item())
