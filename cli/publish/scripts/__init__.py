"""Builds the script of an API as a `bundle.Bundle`, from one of three sources.

`dataset` builds it from a table, `wrap` from another server's URL, and `worker_folder` from a
Worker's files. `templates` loads the JavaScript of generated scripts.
"""
