"""Whole processes, measured side by side: `python -m benchmarks.NAME`, see README.md."""
