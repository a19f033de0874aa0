"""`make check`: the formatter, the linters, the types, the layers and the house rules."""
