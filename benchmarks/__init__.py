"""Side-by-side measurements, a file a claim; run from a checkout, e.g. `python -m benchmarks.training`."""
