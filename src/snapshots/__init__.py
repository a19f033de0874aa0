"""Reads the windows of the log and renders them as snapshots.

`analytics` is the way in: it reads windows and re-exports `WINDOWS` and `days_of`. Other packages
may import from here only `ranking` and `serialization`, which define how rows are shown and how
snapshots become JSON.
"""
