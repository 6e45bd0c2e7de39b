"""What the PyTorch scripts import, and nothing else."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it

print(np.__version__, torch.__version__, F.__name__)
