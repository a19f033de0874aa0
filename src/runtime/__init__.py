"""The Workers runtime: implements the ports of `core.ports` on workerd's JavaScript objects.

The only package that imports `js`, `pyodide` and `workers`. JavaScript objects have no types, so
they are `Any` here. Only `entry` imports this package:

- `coroutine_driver`: runs a request's coroutine without asyncio
- `http`: requests, responses, the dispatch namespace, `fetch`
- `environment`: bindings, settings, the clock, background work, the log's output
- `counters`: rate limits and the Durable Object `QuotaCounter`
- `kv`, `d1`, `edge_cache`: Workers KV, D1, the Cache API
- `bridge.js`: what runs in JavaScript, to make fewer calls between the languages
"""
