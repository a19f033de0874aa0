"""Local development: set-up, the launcher of `make dev`, and what they emulate.

Nothing in this package is deployed. It runs on the host's Python (3.11 or newer);
`dev.setup` needs the standard library alone, because it is what installs the rest.
"""
