"""A CSV with pandas: `pandas_read.py TABLE`."""

import sys

import pandas as pd

print(pd.read_csv(sys.argv[1], header=None).to_numpy().shape)
