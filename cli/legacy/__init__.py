"""Imports the event list that older dispatchers kept in one KV value. Entry point: `command.run`.

    file ──► entries ──► events (each entry checked, identified) ──► spool (temporary files)
                                                                       │ by time
                                                                       ▼
                                                             POST /__platform/import

Memory is bounded at any length of the list. The dispatcher counts each event once by its id, so
importing is idempotent: however lists are split, overlap or repeat, the same event has the same id.
"""
