"""Imports events of older logs: `POST /__platform/import`.

The platform API uses `importing`. `clawr import-legacy` uses `old_event` to check a file.
"""
