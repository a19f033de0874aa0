"""Counts what a request costs, exactly, in the real workerd, without a word of it in the Worker.

`glue` builds a Pyodide bundle that counts crossings, KV operations and allocations;
`inspector` speaks to V8 inside a running workerd; `counter` asks for the counts between
requests.
"""
