"""The commands, one module each; `cli.app` adds them."""
