"""The benchmarks: `make bench`. docs/performance.md has the results.

`analytics`, `requests`, `profile`, `endurance` and the modules here measure; `report` stores
and shows; `budget` counts the operations of each kind of request for a test.
"""
