"""The command `clawr`: publishes APIs, deploys the dispatcher, reads its figures.

Runs on the host. It may import what `src/` knows about keys, records and periods, and what
`dev/` knows about the clone; nothing there imports it.
"""
