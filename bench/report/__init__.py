"""Stored results (`results`) and the page written from them (`page`): docs/performance.md."""
