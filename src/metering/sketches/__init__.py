"""Mergeable statistics of any number of calls in bounded space, packed in memory and in text.

- `callers`: distinct callers, the callers who paid and the calls of the busiest, exact up to 300
  callers, and then estimated with `many_callers`, from `distinct` and `heavy_hitters`
- `sets`: distinct callers without their calls, and distinct networks
- `latency`: mean and quantiles
- `kinds`: requests by status class, method and outcome
- `periods`: calls, errors and money by hour and by day, exact
- `packing`: bytes and counts as compressed text
"""
