"""NumPy, and nothing else."""

import numpy as np

print(np.__version__)
