"""Latency sketches: quantiles within 1 %, and the laws of merging."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from metering.sketches.latency import LatencySketch, quantile_ms


def nearest_rank(latencies: list[int], share: float) -> int:
    return sorted(latencies)[math.ceil(share * len(latencies)) - 1]


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_quantile_is_within_one_per_cent_of_the_true_one(
    latencies: list[int], share: float
) -> None:
    sketch = LatencySketch()
    for latency in latencies:
        sketch.add(latency)
    true = nearest_rank(latencies, share)
    assert abs(quantile_ms([sketch], share) - true) <= 0.01 * true * (1 + 1e-9)


@given(st.lists(st.integers(1, 127), min_size=1))
def test_a_quantile_of_short_latencies_is_exact(latencies: list[int]) -> None:
    sketch = LatencySketch()
    for latency in latencies:
        sketch.add(latency)
    assert quantile_ms([sketch], 0.95) == nearest_rank(latencies, 0.95)


def test_a_latency_of_zero_is_not_a_measurement() -> None:
    sketch = LatencySketch()
    sketch.add(0)
    sketch.add(10)
    assert (sketch.total_ms, quantile_ms([sketch], 0.5), sketch.count) == (10, 10.0, 1)


def test_the_quantile_of_nothing_is_zero() -> None:
    assert quantile_ms([LatencySketch()], 0.95) == quantile_ms([], 0.95) == 0.0


def test_the_size_of_a_sketch_is_bounded() -> None:
    sketch = LatencySketch()
    for latency in range(1, 100_000):
        sketch.add(latency)
    assert len(sketch.encode()[2]) < 500
