"""The benchmarks: `make bench`; docs/performance.md says what they show."""
