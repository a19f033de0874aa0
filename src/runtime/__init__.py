"""The Workers runtime: implements the ports of `core.ports` on workerd's JavaScript objects.

The only package that imports `js`, `pyodide` and `workers`. JavaScript objects have no types, so
they are `Any` here. Only `entry` imports this package:

- `coroutine_driver`: runs a request's coroutine without asyncio
- `http`: requests, responses, the dispatch namespace, `fetch`
- `environment`: bindings, settings, the clock, background work, the log's output
- `counters`: rate limits and the Durable Object `QuotaCounter`
- `shards`, `usage_shard`: calls to shards of the usage log, and their Durable Object `UsageShard`
- `kv`, `d1`: Workers KV, D1
- `bridge.js`: what runs in JavaScript, to make fewer calls between the languages
"""
