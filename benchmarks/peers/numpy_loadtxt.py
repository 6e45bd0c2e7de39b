"""A CSV with NumPy: `numpy_loadtxt.py TABLE`."""

import sys

import numpy as np

print(np.loadtxt(sys.argv[1], delimiter=",").shape)
