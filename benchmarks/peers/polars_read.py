"""A CSV with polars: `polars_read.py TABLE`."""

import sys

import polars as pl

print(pl.read_csv(sys.argv[1], has_header=False).to_numpy().shape)
