"""Tests that run inside workerd.

`inside/test_*.py` are ordinary pytest files for the Worker's own Python, with the fixtures
`env`, `raw_env` and `ctx`; they may be `async`. On the host each of their functions is an
item of its own, so that `pytest tests/runtime -k kv` selects them as usual. They are told
from other files by their folder; `harness` starts the Worker, `conftest` shows the items.
"""
