"""Counts exactly what each kind of request costs in workerd, without changing the Worker.

`glue` builds a Pyodide bundle that counts bridge calls, KV operations and allocations;
`inspector` connects to V8 inside a running workerd; `counter` reads the counts between
requests; `measuring` sends the requests; `budget` compares the counts with `budget.toml`.
"""
