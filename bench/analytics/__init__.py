"""Benchmarks of the usage log: writing, compacting and reading it, and the public page."""
