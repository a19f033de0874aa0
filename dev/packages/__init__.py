"""Packs what others install: the command `clawr`, and the local dispatch namespace."""
