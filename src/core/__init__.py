"""What every other package builds on; it imports nothing from them.

- `calendar`: UTC periods and timestamps; `constants`: every bound, with its unit and reason
- `errors`: the hierarchy of errors; `responses`: the responses that the dispatcher makes itself
- `ports`: Protocols for what is outside (KV, D1, HTTP, the clock), and the values that cross
- `keys`: the layout of the KV stores; `kv_store`: metered, budgeted and bulk access to them
- `logs` and `telemetry`: log lines, and the counters of an isolate
- `quotas`: the counting rules of quotas and spending caps; `safe_json`: a parser with a depth limit
"""
