"""Imports the event list that older dispatchers kept in one KV value. Entry point: `command.run`.

    file ──► entries ──► event (each entry checked) ──► identified ──► batches ──► KV ──► compaction

Each event gets its own batch, whose key is derived from the event. So importing is idempotent:
however lists are split, overlap or repeat, the same event has the same key and is counted once,
also after its batch has expired.
"""
