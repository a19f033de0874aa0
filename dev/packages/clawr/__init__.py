"""The installed command `clawr`."""
