"""Ratios measured side by side in a run: `make bench`, or `python -m benchmarks NAME …` for some of them."""
