"""The largest number in an NPY file: `numpy_max.py LOGITS`."""

import sys

import numpy as np

print(np.load(sys.argv[1]).max())
