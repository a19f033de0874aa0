"""Mergeable sketches: statistics of any number of calls in bounded space.

- `callers`: distinct callers and the calls of the busiest, exact up to 1,000 callers
- `distinct`, `heavy_hitters`: the estimates that `callers` uses above that
- `latency`: mean and quantiles
- `packing`: bytes as compressed text
"""
