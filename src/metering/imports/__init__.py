"""Imports of a shard, which can be undone until one of their days is folded.

`metering.log` uses `Imports`. The events of such an import have open parts of their own, so an undo
only drops these; the log keeps the events, and everything that is made from it skips them.
"""
